"""The layers that compute nothing: each value is one of the source, or zero (NumPy only)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpgaae.fixedpoint import ChannelTypes, Codes, FixedPointType, Tensor, Types
from fpgaae.golden.layers.base import Layer, Windowed, n_values
from fpgaae.golden.parts import Partly, Values
from fpgaae.golden.windows import Window, enlarge, surround


@dataclass(frozen=True)
class OfItsSource(Layer):
    """A layer whose values are values of its source, or zero, so that it has their type."""

    @abstractmethod
    def picked(self, x: Any) -> Any:  # noqa: ANN401
        """Give the values (n_events, size) out of those of the source, which are codes or not."""

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pick the codes."""
        return Tensor(self.picked(inputs[0].codes), self.types.fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Pick the values."""
        del sources, partly
        found: Values = self.picked(inputs[0])
        return found

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Take over the type of the source."""
        return replace(self, types=self.types_of(sources[0]))

    def types_of(self, source: Layer) -> Types:
        """Give its types: those of its source, of which it keeps the channels."""
        return source.types

    def unused_bits(self, sources: Sequence[Layer], before: Sequence[int]) -> int:
        """Count those of the source."""
        del sources
        return before[0]


@dataclass(frozen=True)
class Moved(OfItsSource):
    """A layer of which it is known from which place of its source each value comes."""

    @abstractmethod
    def places(self, n: int) -> Codes:
        """Give the place (size,) of each value among the n of the source, -1 for a zero."""

    def picked(self, x: Any) -> Any:  # noqa: ANN401
        """Take the value at each place."""
        padded = np.concatenate([x, np.zeros((len(x), 1), dtype=x.dtype)], axis=1)
        return np.take(padded, self.places(x.shape[1]), axis=1)


@dataclass(frozen=True)
class Reshape(Moved):
    """Another shape of the same values."""

    kind = "reshape"
    passes_on = True

    @classmethod
    def of(cls, name: str, source: Layer, shape: tuple[int, ...]) -> Reshape:
        """Make one behind a layer."""
        layer = cls(name, (source.name,), source.size, source.types, shape)
        return replace(layer, types=layer.types_of(source))

    def places(self, n: int) -> Codes:
        """Give every place once, in order."""
        return np.arange(n)

    def types_of(self, source: Layer) -> Types:
        """Give the type of each of its channels; where several types of the source meet in one, one that holds all."""
        n_channels = self.shape[-1] if self.shape else self.size
        each = [source.types.channel(place) for place in range(self.size)]
        if each == each[:n_channels] * (self.size // n_channels):
            return source.types if isinstance(source.types, FixedPointType) else ChannelTypes(tuple(each[:n_channels]))
        return source.type


@dataclass(frozen=True)
class Port(Moved):
    """What a layer before it put out, on a port of the trigger block."""

    kind = "port"

    @classmethod
    def of(cls, name: str, source: Layer) -> Port:
        """Make one of a layer's output, flat, in a type of the same bits."""
        layer = cls(name, (source.name,), source.size, source.types)
        return replace(layer, types=layer.types_of(source))

    def places(self, n: int) -> Codes:
        """Give every place once, in order."""
        return np.arange(n)

    def types_of(self, source: Layer) -> Types:
        """Give the type that takes the bits of the source."""
        return source.type.plain


@dataclass(frozen=True, kw_only=True)
class UpSampling(Moved, Windowed):
    """Every pixel several times: its nearest neighbour's value. The window's size says how often."""

    kind = "upsampling"

    @classmethod
    def of(cls, name: str, source: Layer, window: Window) -> UpSampling:
        """Make one behind an image."""
        height, width, channels = window.image
        shape = (height * window.size[0], width * window.size[1], channels)
        return cls(name, (source.name,), n_values(shape), source.types, shape, window=window)

    def places(self, n: int) -> Codes:
        """Give the place of the pixel that each value repeats."""
        return np.asarray(enlarge(np.arange(n)[None], self.window)[0])


@dataclass(frozen=True, kw_only=True)
class ZeroPadding(Moved, Windowed):
    """Zeros around an image: the padding of the window."""

    kind = "zero_padding"

    @classmethod
    def of(cls, name: str, source: Layer, window: Window) -> ZeroPadding:
        """Make one behind an image."""
        top, bottom, left, right = window.padding
        height, width, channels = window.image
        shape = (height + top + bottom, width + left + right, channels)
        return cls(name, (source.name,), n_values(shape), source.types, shape, window=window)

    def places(self, n: int) -> Codes:
        """Give the place of each pixel, -1 around the image."""
        return np.asarray(surround(np.arange(1, n + 1)[None], self.window)[0] - 1)
