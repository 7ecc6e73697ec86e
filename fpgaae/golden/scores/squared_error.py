"""The sum over the features of (x - x')^2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Tensor, type_for_range
from fpgaae.golden.scores.base import ErrorScore, total


@dataclass(frozen=True)
class SquaredError(ErrorScore):
    """Of inputs and reconstruction."""

    kind = Score.SQUARED_ERROR.value

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold n squares of the largest difference."""
        largest, fraction = cls.largest_difference(read)
        return type_for_range(0, n * largest**2, 2 * fraction)

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count a square a feature."""
        return n

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the score."""
        difference = self.differences(inputs)
        return Tensor(total(difference.codes * difference.codes), 2 * difference.fraction)

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        del empty
        x, y = features.astype(np.float64), output.astype(np.float64)
        return np.asarray(((x - y) ** 2).sum(axis=1))
