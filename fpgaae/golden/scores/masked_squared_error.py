"""The sum of (x - x')^2 over filled slots: those whose first feature (pT) is above that of an empty one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, type_for_range, values_of
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Values
from fpgaae.golden.scores.base import ErrorScore, Table, total


@dataclass(frozen=True, kw_only=True)
class MaskedSquaredError(ErrorScore):
    """Of inputs and reconstruction."""

    kind = Score.MASKED_SQUARED_ERROR.value
    constant_names = ("empty",)
    empty: Table = field(repr=False)  # codes of the first feature of an empty slot, one a slot, in the type of x

    @classmethod
    def of(cls, name: str, sources: Sequence[Layer], *constants: Table) -> MaskedSquaredError:
        """Make one and derive its type.

        Raises
        ------
        InputError
            If the features do not part into the slots.
        """
        n, n_slots = sources[0].size, len(constants[0].codes)
        if n % n_slots:
            raise InputError(f"the layer {name} can't part {n} features into {n_slots} slots")
        return super().of(name, sources, *constants)

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
        x, difference, slots = inputs[0], self.differences(inputs), len(self.empty.codes)
        filled = x.codes.reshape(len(x.codes), slots, -1)[:, :, 0] > self.empty.codes
        squares = difference.codes * difference.codes * np.repeat(filled, x.codes.shape[1] // slots, axis=1)
        return Tensor(total(squares), 2 * difference.fraction)

    @classmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute the score."""
        x, y = features.astype(np.float64), output.astype(np.float64)
        size = x.shape[1] // len(empty)
        squares = (x - y) ** 2 * np.repeat(features[:, ::size] > empty, size, axis=1)
        return np.asarray(squares.sum(axis=1))

    def _empty_values(self) -> Values:
        return values_of(self.empty.codes, self.empty.type.fraction)

    def corners(self, source: Layer) -> list[Codes]:
        """Give slots at the pT of an empty one, and on both sides of it."""
        if source.name != self.inputs[0]:
            return []
        codes = self.empty.codes
        return [np.repeat(codes + above, source.size // len(codes))[None, :] for above in (-1, 0, 1)]
