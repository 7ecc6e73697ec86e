"""What the calls of an emulator read and write, as polynomials of the ports' words, in types that hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial
from fpgaae.prove.emulator_probe import DenseCall

_TYPE = "(int|int16_t|int32_t|int64_t)"
_ARRAY = re.compile(rf"^const {_TYPE} (\w+)\[\d+\] = \{{([^}}]*)\}};", re.M)
_SPARSE = re.compile(rf"^const Sparse<{_TYPE}> (\w+) = \{{(\w+), (\w+), (\w+)\}};", re.M)
_PLACE = re.compile(r"(\w+)(?:\[(\d+)\]| \+ (\d+))?")
_BITS = {"int16_t": 15, "int": 31, "int32_t": 31, "int64_t": 62}
_UNSIGNED_WORD = 2**16 - 1  # the bits of a word that count where it has no sign
WORD = "word"  # what holds the 16 bits that arrive on a port, whatever their sign


def without_constants(source: str) -> str:
    """Leave out the arrays that are read, and the kernels that are made of them."""
    return _SPARSE.sub("", _ARRAY.sub("", source))


def computed_in(held: str) -> str:
    """Give the type in which codes are computed that are held in a type."""
    return "int32_t" if held == "int16_t" else held


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
        self._arrays: dict[str, list[int]] = {}
        self._types: dict[str, str] = {}  # of the arrays and kernels
        for held, name, text in _ARRAY.findall(source):
            self._arrays[name] = [int(number) for number in text.replace("\n", " ").split(",")]
            self._types[name] = held
            self.require_ends(min(self._arrays[name]), max(self._arrays[name]), held)
        self._sparse: dict[str, list[str]] = {}
        for held, name, *parts in _SPARSE.findall(source):
            self._sparse[name], self._types[name] = parts, held
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
        self.require_ends(low, high + more, held)

    def require_size(self, largest: int, held: str) -> None:
        """Make sure that a type holds codes up to a size exactly, of both signs."""
        self.require_ends(-largest, largest, held)

    def require_ends(self, low: int, high: int, held: str) -> None:
        """Make sure that a type holds all codes between two exactly."""
        if held not in _BITS or low < -(1 << _BITS[held]) or high >= 1 << _BITS[held]:
            raise NotFollowed(f"codes from {low:,} to {high:,} are held in {held}")

    def receive(self, text: str) -> None:
        """Hold the words of the ports."""
        rows, first = self._place(text)
        if first or len(rows.values) < len(self._ports) or rows.held != "int16_t":
            raise NotFollowed(f"it does not hold the words of all ports in `{text}`")
        self._rows[text] = Rows(WORD, list(self._ports))

    def masked(self, text: str, mask: int) -> Polynomial:
        """Give an integer of which some bits are taken: of a word those that it has, by its sign; else all."""
        rows, place = self._place(text)
        if place >= len(rows.values):
            raise NotFollowed(f"it reads beyond `{text}`")
        low, high = self._algebra.codes(rows.values[place])
        if mask == -1:
            is_whole = rows.held != WORD or (low >= -(1 << _BITS["int16_t"]) and high < 1 << _BITS["int16_t"])
        else:
            is_whole = mask == _UNSIGNED_WORD and 0 <= low <= high <= mask
        if not is_whole:
            raise NotFollowed(f"`{text}` with the bits {mask} does not read every word of its port")
        return rows.values[place]

    def requantized(self, value: Polynomial, drop: int, low: int, high: int, held: str) -> Polynomial:
        """Give what the kernel of that name computes in a type, or in 32 bits where that has fewer."""
        held = computed_in(held)
        ends = self._algebra.codes(value)
        largest = max(-ends[0], ends[1], 1)
        self.require_size(largest + (1 << drop) if drop > 0 else largest << -drop, held)
        self.require_ends(low, high, held)

        def kernel(codes: Codes) -> Codes:
            half = (1 << drop >> 1) - 1 if drop > 0 else 0
            codes = (codes + half + ((codes >> drop) & 1)) >> drop if drop > 0 else codes << -drop
            return np.asarray(np.where(codes < low, low, np.where(codes > high, high, codes)))

        return self._algebra.apply(kernel, value)
