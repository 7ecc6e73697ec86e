"""The layers that round: the network's inputs, and the quantizers behind sums and means (NumPy only)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, Types, requantize
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Part, Partly, Values, rounded

_TIE_ROWS = 64


@dataclass(frozen=True)
class Input(Layer):
    """The network's inputs; how they are rounded from hardware integers is up to the features."""

    kind = "input"

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Give the codes that enter."""
        return inputs[0]

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Round the exact inputs, or keep them within the range of their type."""
        del sources
        if Part.INPUTS in partly.quantized:
            return rounded(inputs[0], self.types)
        low, high = self.ends
        return np.clip(inputs[0], low * self.type.lsb, high * self.type.lsb)


@dataclass(frozen=True)
class Quantizer(Layer):
    """A layer whose values are rounded to its type, after a function of each by itself."""

    @classmethod
    def of(cls, name: str, source: Layer, types: Types) -> Quantizer:
        """Make one behind a layer."""
        return cls(name, (source.name,), source.size, types, source.shape)

    @abstractmethod
    def activate(self, codes: Any) -> Any:  # noqa: ANN401
        """Apply the function to codes, or to values."""

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Round."""
        codes = requantize(self.activate(inputs[0].codes), inputs[0].fraction, self.types)
        return Tensor(codes, self.types.fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Round the values, or let them as they are."""
        del sources
        found: Values = self.activate(inputs[0])
        return rounded(found, self.types) if Part.ACTIVATIONS in partly.quantized else found

    def corners(self, source: Layer) -> list[Codes]:
        """Give codes exactly half way between two of its own, and those around the ends of its range."""
        types = dict.fromkeys(self.types.channel(place) for place in range(self.size))
        return [np.repeat(_ties(source.type.fraction, of)[:, None], source.size, axis=1) for of in types]


def _ties(fraction: int, to: FixedPointType) -> Codes:
    drop = fraction - to.fraction
    ends = [to.min_code, to.max_code]
    kept = np.array([end + step for end in ends for step in (-1, 0, 1)] + list(range(-_TIE_ROWS // 2, _TIE_ROWS // 2)))
    if drop <= 0:
        return kept >> -drop
    half = 1 << (drop - 1)
    return np.concatenate([(kept << drop) + rest for rest in (half - 1, half, half + 1, 0)])


@dataclass(frozen=True)
class Quantize(Quantizer):
    """Its source, rounded and saturated."""

    kind = "quantize"

    def activate(self, codes: Any) -> Any:  # noqa: ANN401
        """Give everything back as it is."""
        return codes


@dataclass(frozen=True)
class Relu(Quantizer):
    """max(x, 0), then rounded and saturated."""

    kind = "relu"

    def activate(self, codes: Any) -> Any:  # noqa: ANN401
        """Give 0 for what is negative."""
        return np.maximum(codes, 0)
