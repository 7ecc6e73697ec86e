"""The largest of the features' |x - x'|, which takes no multiplier and no wide sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Tensor, type_for_range
from fpgaae.golden.scores.base import ErrorScore


@dataclass(frozen=True)
class MaxAbsoluteError(ErrorScore):
    """Of inputs and reconstruction."""

    kind = Score.MAX_ABSOLUTE_ERROR.value

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold the largest difference, whatever the number of features."""
        del n
        largest, fraction = cls.largest_difference(read)
        return type_for_range(0, largest, fraction)

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count none."""
        del n
        return 0

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the score."""
        difference = self.differences(inputs)
        return Tensor(np.abs(difference.codes).max(axis=1, keepdims=True), difference.fraction)

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        del empty
        x, y = features.astype(np.float64), output.astype(np.float64)
        return np.asarray(np.abs(x - y).max(axis=1))
