"""The sum over the latents of mu^2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Tensor, type_for_range
from fpgaae.golden.scores.base import ScoreLayer, total


@dataclass(frozen=True)
class MuSquared(ScoreLayer):
    """Of mu."""

    kind = Score.MU_SQUARED.value

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold n squares of the largest mu."""
        mu = read[0]
        return type_for_range(0, n * max(abs(mu.min_code), mu.max_code) ** 2, 2 * mu.fraction)

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count a square a latent."""
        return n

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the score."""
        mu = inputs[0]
        return Tensor(total(mu.codes * mu.codes), 2 * mu.fraction)

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        del features, empty
        mu = output.astype(np.float64)
        return np.asarray((mu * mu).sum(axis=1))
