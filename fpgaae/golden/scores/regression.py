"""The network's one output, which is never negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Tensor, type_for_range
from fpgaae.golden.scores.base import ScoreLayer


@dataclass(frozen=True)
class Regression(ScoreLayer):
    """Of the output."""

    kind = Score.REGRESSION.value

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold the output.

        Raises
        ------
        InputError
            If the output is not one number that is never negative.
        """
        output = read[0]
        if n != 1 or output.signed:
            what = f"{n} numbers" if n != 1 else f"a number of the type {output}, which may be negative"
            raise InputError(f"the network puts out {what}; the score regression needs one number behind a ReLU")
        return type_for_range(0, output.max_code, output.fraction)

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count none."""
        del n
        return 0

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pass the output on."""
        return inputs[0]

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Rectify the output, as the firmware's last quantizer."""
        del features, empty
        return np.asarray(np.maximum(output.astype(np.float64)[:, 0], 0))
