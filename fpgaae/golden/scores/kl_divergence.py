"""The divergence of N(mu, sigma^2) from N(0, 1): 1/2 sum over the latents of (mu^2 + sigma^2 - 1 - log sigma^2).

Kingma & Welling, arXiv 1312.6114, appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Tensor, shift_left_exact, type_for_range
from fpgaae.golden.parts import Values
from fpgaae.golden.scores.base import TableScore, split_distribution


@dataclass(frozen=True, kw_only=True)
class KlDivergence(TableScore):
    """Of mu and log sigma^2."""

    kind = Score.KL_DIVERGENCE.value
    opposed = True

    @classmethod
    def function(cls, value: Decimal, context: Context) -> Decimal:
        """Compute exp(v) - 1 - v."""
        return context.subtract(context.subtract(context.exp(value), Decimal(1)), value)

    @classmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Hold half of n sums of the largest square and the largest entry."""
        mu, _, table = read
        largest, fraction = max(abs(mu.min_code), mu.max_code) ** 2, 2 * mu.fraction
        common = max(fraction, table.fraction)
        term = (largest << (common - fraction)) + (table.max_code << (common - table.fraction))
        return type_for_range(0, n * term, common + 1)  # the half is one bit more behind the point

    @classmethod
    def n_products(cls, n: int) -> int:
        """Count a square a latent."""
        return n

    @staticmethod
    def terms(squares: Tensor, entries: Tensor) -> Tensor:
        """Add on the finer grid of the two, and halve."""
        common = max(squares.fraction, entries.fraction)
        a, b = (shift_left_exact(tensor.codes, common - tensor.fraction) for tensor in (squares, entries))
        return Tensor(a + b, common + 1)

    @staticmethod
    def float_terms(squares: Values, entries: Values) -> Values:
        """Add, and halve."""
        return (squares + entries) / 2

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        del features, empty
        mu, log_variance = split_distribution(output)
        return np.asarray(0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1))
