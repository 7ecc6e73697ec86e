"""Quant nodes of QONNX: what they make of values, and the fixed-point type that this is.

y = clip(round(x / scale + zero_point), low, high) - zero_point, times scale; low and high follow from bits, sign and
narrow (QONNX, `docs/qonnx-custom-ops/quant_op.md`). Where the scale is a power of two and the zero point zero, the grid
is that of a fixed-point type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.onnx_graph import Array, Node
from fpgaae.models.quantizers import QUANT, Quantizer

_MAX_BITS = 32
_WIDEST_WEIGHT = 24
_WIDEST_BIAS = 32
_ROUND: Mapping[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}
_TO_EVEN = frozenset({"ROUND", "HALF_EVEN"})


class Quant(NamedTuple):
    """One Quant node; a scale or zero point of each channel has the shape that it has in the file."""

    node: str
    scale: NDArray[np.float64]
    zero_point: NDArray[np.float64]
    bits: int
    signed: bool
    narrow: bool
    rounding_mode: str

    @classmethod
    def of(cls, node: Node, constants: Mapping[str, Array]) -> Quant:
        """Read a node.

        Raises
        ------
        InputError
            If its numbers are computed in the graph, or make no sense.
        """
        numbers = []
        for index, what in ((1, "scale"), (2, "zero point"), (3, "bit width")):
            array = constants.get(node.input(index))
            if array is None:
                raise InputError(f"the {what} of the node {node.name} ({node.kind}) is no constant; export it as one")
            if not array.size or not np.isfinite(array).all():
                raise InputError(f"the {what} of the node {node.name} ({node.kind}) is empty or not finite")
            numbers.append(np.asarray(array, dtype=np.float64))
        scale, zero_point, bits = numbers
        if (scale <= 0).any():
            raise InputError(f"the scale of the node {node.name} ({node.kind}) is not positive: {scale.min():g}")
        if bits.size != 1 or not float(bits.item()).is_integer() or not 1 <= bits.item() <= _MAX_BITS:
            raise InputError(
                f"the bit width of the node {node.name} ({node.kind}) is {np.ravel(bits)[:4].tolist()}; give it one "
                f"whole number from 1 to {_MAX_BITS}"
            )
        mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
        if mode not in _ROUND:
            raise InputError(f"the node {node.name} ({node.kind}) has rounding_mode={mode}, which is not known")
        return cls(
            node.name, scale, zero_point, int(bits.item()), bool(node.attributes.get("signed", 1)),
            bool(node.attributes.get("narrow", 0)), mode,
        )  # fmt: skip

    @property
    def ends(self) -> tuple[int, int]:
        """The smallest and the largest integer."""
        if self.signed:
            return -(1 << (self.bits - 1)) + self.narrow, (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1 - self.narrow

    def __call__(self, values: Array) -> NDArray[np.float64]:
        """Give values as the node makes them."""
        wide = np.asarray(values, dtype=np.float64) / self.scale + self.zero_point
        if self.bits == 1 and self.signed:
            return np.asarray(np.where(wide >= 0, 1.0, -1.0) - self.zero_point) * self.scale
        rounded = _ROUND[self.rounding_mode](np.clip(wide, *self.ends))
        return np.asarray((rounded - self.zero_point) * self.scale)

    @property
    def _exponents(self) -> tuple[int, int] | None:
        """The smallest and the largest binary exponent of the scales; None where one is no power of two."""
        mantissas, exponents = np.frexp(self.scale)
        if (mantissas != 0.5).any() or self.zero_point.any():
            return None
        return int(exponents.min()) - 1, int(exponents.max()) - 1

    def quantizer(self) -> FixedPointType | Quantizer:
        """Give what rounds activations as the node does; what has no exact form as a quantizer with its faults."""
        exponents = self._exponents
        low, high = self.ends
        is_plain = exponents is not None and exponents[0] == exponents[1] and self.rounding_mode in _TO_EVEN
        if exponents is None or not is_plain or self.bits < 2 or (self.narrow and not self.signed):
            return self._described()
        overflow = Overflow.SATURATE_SYMMETRIC if low == -high else Overflow.SATURATE
        return FixedPointType(self.bits, self.bits + exponents[0], self.signed, Rounding.HALF_EVEN, overflow)

    def weight_quantizer(self) -> FixedPointType | Quantizer:
        """Give a type that holds every weight that the node puts out, those of each channel on the finest grid."""
        if (exponents := self._exponents) is None:
            return self._described()
        smallest, largest = exponents
        integer = max(1, max(self.bits + (not self.signed), 2) + largest)
        width = integer - smallest
        if not 2 <= width <= _WIDEST_WEIGHT:
            return self._described()
        return FixedPointType(width, integer, True, Rounding.HALF_EVEN, Overflow.SATURATE)

    def _described(self) -> Quantizer:
        scale = (
            float(self.scale.flat[0]) if (self.scale == self.scale.flat[0]).all() else self.scale.ravel()[:4].tolist()
        )
        return Quantizer(
            QUANT,
            {"scale": scale, "zero_point": float(np.abs(self.zero_point).max()), "bits": self.bits,
             "signed": int(self.signed), "narrow": int(self.narrow), "rounding_mode": self.rounding_mode},
        )  # fmt: skip


def exact_type(values: Array, *, is_rounded: bool) -> FixedPointType | None:
    """Give the narrowest signed type that holds values exactly; None where none of a sensible width does.

    Parameters
    ----------
    is_rounded
        Whether a Quant node made them, so that they are meant to lie on a grid.
    """
    wide = np.asarray(values, dtype=np.float64)
    fraction = 0
    while (np.ldexp(wide, fraction) != np.rint(np.ldexp(wide, fraction))).any():
        fraction += 1
        if fraction > 2 * _WIDEST_BIAS:
            return None
    largest = float(np.abs(wide).max(initial=0))
    integer = 1 + (max(0, math.floor(math.log2(largest)) + 1) if largest else 0)
    width = max(2, integer + fraction)
    if width > (_WIDEST_BIAS if is_rounded else _WIDEST_WEIGHT):
        return None
    return FixedPointType(width, integer, True, Rounding.HALF_EVEN, Overflow.SATURATE)
