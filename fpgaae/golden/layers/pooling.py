"""The largest value and the mean under every window of an image, channel by channel (NumPy only).

A mean over a number of pixels that is no power of two has no finite binary form. It is cut off far enough behind the
point that the quantizer behind it can't tell: see `mean_fraction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpgaae.fixedpoint import FixedPointType, Tensor
from fpgaae.golden.layers.base import Layer, Windowed, n_values
from fpgaae.golden.layers.moved import OfItsSource
from fpgaae.golden.parts import Part, Partly, Values
from fpgaae.golden.windows import Window, average, largest, mean

_NEVER_EXACT = 2**62


@dataclass(frozen=True, kw_only=True)
class MaxPooling(OfItsSource, Windowed):
    """The largest value under every window."""

    kind = "max_pooling"

    @classmethod
    def of(cls, name: str, source: Layer, window: Window) -> MaxPooling:
        """Make one behind an image, without padding."""
        shape = (*window.positions, window.image[2])
        return cls(name, (source.name,), n_values(shape), source.types, shape, window=window)

    def picked(self, x: Any) -> Any:  # noqa: ANN401
        """Give the largest value under every window."""
        return largest(x, self.window)


@dataclass(frozen=True, kw_only=True)
class AveragePooling(Windowed):
    """The mean under every window, cut off towards zero where it has no finite binary form."""

    kind = "average_pooling"

    @classmethod
    def of(cls, name: str, source: Layer, window: Window, rounded_to: int) -> AveragePooling:
        """Make one behind an image, without padding; `rounded_to` as in `mean_fraction`."""
        fraction = mean_fraction(source.type, window.n_values, rounded_to)
        shape = (*window.positions, window.image[2])
        types = _type_of_mean(source, fraction)
        return cls(name, (source.name,), n_values(shape), types, shape, window=window)

    @property
    def is_cut_off(self) -> bool:
        """Whether the number of pixels is no power of two."""
        n = self.window.n_values
        return n & (n - 1) != 0

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the means."""
        more_bits = self.types.fraction - inputs[0].fraction
        return Tensor(mean(inputs[0].codes, self.window, more_bits), self.types.fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compute the means, cut off or not."""
        del sources
        found = average(inputs[0], self.window)
        if Part.ACTIVATIONS not in partly.quantized:
            return found
        return np.asarray(np.trunc(found * 2.0**self.type.fraction) * self.type.lsb)

    def largest_sum(self, sources: Sequence[Layer]) -> int:
        """Bound the sum of the pixels, which single precision may not divide exactly."""
        if self.is_cut_off:
            return _NEVER_EXACT
        of = sources[0].type
        return self.window.n_values * max(abs(of.min_code), of.max_code)

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Take over the range of the source."""
        return replace(self, types=_type_of_mean(sources[0], self.types.fraction))


def _type_of_mean(source: Layer, fraction: int) -> FixedPointType:
    return FixedPointType(source.type.integer + fraction, source.type.integer, source.type.signed)


def mean_fraction(source: FixedPointType, n_values: int, rounded_to: int) -> int:
    """Give the bits behind the point that a mean of n values needs.

    For a power of two they hold the mean exactly. Otherwise a quantizer with `rounded_to` bits behind the point must
    round the cut-off mean as it would the true one. The mean is a multiple of 2**-F / n, F = max(fraction of the
    source, rounded_to + 1), and so are the points at which the quantizer's result changes: a mean beside such a point
    is 2**-F / n away at least, and a cut at or below that never reaches it.
    """
    bits = (n_values - 1).bit_length()
    if n_values == 1 << bits:
        return source.fraction + bits
    return max(source.fraction, rounded_to + 1) + bits
