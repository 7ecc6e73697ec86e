"""The sum over the latents of mu^2 / sigma^2 = mu^2 exp(-log sigma^2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Tensor, type_for_range
from fpgaae.golden.parts import Values
from fpgaae.golden.scores.base import TableScore, split_distribution


@dataclass(frozen=True, kw_only=True)
class MuSquaredOverVariance(TableScore):
    """Of mu and log sigma^2; it is largest where both are at the low end."""

    kind = Score.MU_SQUARED_OVER_VARIANCE.value

    @classmethod
    def function(cls, value: Decimal, context: Context) -> Decimal:
        """Compute exp(-v)."""
        return context.exp(context.minus(value))

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold n products of the largest square and the largest entry."""
        mu, _, table = read
        largest = max(abs(mu.min_code), mu.max_code) ** 2
        return type_for_range(0, n * largest * table.max_code, 2 * mu.fraction + table.fraction)

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count a square and its product with the entry, each latent."""
        return 2 * n

    @staticmethod
    def terms(squares: Tensor, entries: Tensor) -> Tensor:
        """Multiply."""
        return Tensor(squares.codes * entries.codes, squares.fraction + entries.fraction)

    @staticmethod
    def float_terms(squares: Values, entries: Values) -> Values:
        """Multiply."""
        return squares * entries

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        del features, empty
        mu, log_variance = split_distribution(output)
        return np.asarray((mu**2 * np.exp(-log_variance)).sum(axis=1))
