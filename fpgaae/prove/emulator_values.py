"""What the calls of an emulator read and write, as polynomials of the ports' words, in types that hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial
from fpgaae.prove.emulator_probe import DenseCall

_ARRAY = re.compile(r"^const (?:float|int|int32_t|int64_t) (\w+)\[\d+\] = \{([^}]*)\};", re.M)
_SPARSE = re.compile(r"^const Sparse<(?:float|int64_t)> (\w+) = \{(\w+), (\w+), (\w+)\};", re.M)
_PLACE = re.compile(r"(\w+)(?:\[(\d+)\]| \+ (\d+))?")
_PORT = re.compile(r"(\(const uint16_t \*\))?objects \+ (\d+)")
_BITS = {"float": 24, "int32_t": 31, "int64_t": 62}
_INT16 = 2**15


def without_constants(source: str) -> str:
    """Leave out the arrays that are read, and the kernels that are made of them."""
    return _SPARSE.sub("", _ARRAY.sub("", source))


class Rows(NamedTuple):
    """What holds values: its C++ type, and the values."""

    held: str
    values: list[Polynomial]


class Values:
    """The arrays and rows of one source.

    Parameters
    ----------
    source
        With the constants.
    """

    def __init__(self, algebra: Algebra, ports: Sequence[Polynomial], source: str) -> None:
        self._algebra = algebra
        self._ports = ports
        self._arrays: dict[str, list[int]] = {
            name: [int(number) for number in text.replace("\n", " ").split(",")]
            for name, text in _ARRAY.findall(source)
        }
        self._sparse = {name: parts for name, *parts in _SPARSE.findall(source)}
        self._rows: dict[str, Rows] = {}
        self.dense: dict[str, DenseCall] = {}  # by kernel

    def _array(self, name: str) -> list[int]:
        if name not in self._arrays:
            raise NotFollowed(f"it has no array {name}")
        return self._arrays[name]

    def _place(self, text: str) -> tuple[Rows, int]:
        match = _PLACE.fullmatch(text)
        if match is None or match[1] not in self._rows:
            raise NotFollowed(f"it reads `{text}`")
        return self._rows[match[1]], int(match[2] or match[3] or 0)

    def read(self, text: str, n: int = 1) -> tuple[list[Polynomial], str]:
        """Give n values from a place on, and the type that holds them."""
        rows, first = self._place(text)
        if first + n > len(rows.values):
            raise NotFollowed(f"it reads beyond `{text}`")
        return rows.values[first : first + n], rows.held

    def write(self, text: str, values: Sequence[Polynomial]) -> None:
        """Hold values from a place on."""
        rows, first = self._place(text)
        if first + len(values) > len(rows.values):
            raise NotFollowed(f"it writes beyond `{text}`")
        for value in values:
            self.require(value, rows.held)
        rows.values[first : first + len(values)] = values

    def require(self, value: Polynomial, held: str, more: int = 0) -> None:
        """Make sure that a type holds a value exactly, and one that is larger by `more`."""
        low, high = self._algebra.codes(value)
        self.require_size(max(-low, high) + more, held)

    def require_size(self, largest: int, held: str) -> None:
        """Make sure that a type holds codes up to a size exactly."""
        if held not in _BITS or largest > 1 << _BITS[held]:
            raise NotFollowed(f"codes up to {largest:,} are held in {held}")

    def port(self, text: str) -> Polynomial:
        """Give what arrives on a port."""
        match = _PORT.fullmatch(text)
        if match is None or int(match[2]) >= len(self._ports):
            raise NotFollowed(f"it reads `{text}`")
        port = self._ports[int(match[2])]
        low, high = self._algebra.codes(port)
        if (match[1] and low < 0) or low < -_INT16 or high >= (2 * _INT16 if match[1] else _INT16):
            raise NotFollowed(f"`{text}` does not read every word of its port")
        return port

    def requantized(self, value: Polynomial, drop: int, low: int, high: int, held: str) -> Polynomial:
        """Give what the kernel of that name computes in a type."""
        ends = self._algebra.codes(value)
        largest = max(-ends[0], ends[1])
        self.require_size(largest + (1 << drop) if drop > 0 else largest << -drop, held)

        def kernel(codes: Codes) -> Codes:
            half = (1 << drop >> 1) - 1 if drop > 0 else 0
            codes = (codes + half + ((codes >> drop) & 1)) >> drop if drop > 0 else codes << -drop
            return np.asarray(np.where(codes < low, low, np.where(codes > high, high, codes)))

        return self._algebra.apply(kernel, value)
