"""A slope of a power of two for what is negative, exact, as it only moves the point (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Partly, Values

_AROUND_ZERO = 8


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(Layer):
    """x where it is not negative, else x * 2**-shift; nothing is rounded."""

    kind = "leaky_relu"
    shift: int

    @classmethod
    def of(cls, name: str, source: Layer, shift: int) -> LeakyRelu:
        """Make one behind a layer, with as many more bits behind the point as the slope takes."""
        return cls(name, (source.name,), source.size, _type_behind(source, shift), source.shape, shift=shift)

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Shift what is not negative to the finer grid."""
        codes = inputs[0].codes
        return Tensor(np.where(codes < 0, codes, codes << self.shift), self.types.fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compute the values, which a power of two changes without rounding."""
        del sources, partly
        return np.where(inputs[0] < 0, np.ldexp(inputs[0], -self.shift), inputs[0])

    def range(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Give the ends of the source's type on the finer grid."""
        of = sources[0].type
        return of.min_code, of.max_code << self.shift

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Take over the range of the source."""
        return replace(self, types=_type_behind(sources[0], self.shift))

    def unused_bits(self, sources: Sequence[Layer], before: Sequence[int]) -> int:
        """Count those of the source, which a negative value keeps."""
        del sources
        return before[0]

    def corners(self, source: Layer) -> list[Codes]:
        """Give codes around zero, where the slope changes."""
        codes = np.arange(-_AROUND_ZERO, _AROUND_ZERO + 1, dtype=np.int64)
        return [np.repeat(codes[:, None], source.size, axis=1)]

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "shift": self.shift}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {**super()._read_constants(entry, arrays), "shift": int(entry["shift"])}


def _type_behind(source: Layer, shift: int) -> FixedPointType:
    of = source.type
    return FixedPointType(of.width + shift, of.integer, of.signed)
