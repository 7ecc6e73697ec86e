"""Which words of the ports saturate in front of the network, as expressions of Verilog: one a slot of the event.

The front end is monotonic in a hardware integer, but not in a word (an angle goes round), so that what saturates is
found with the golden definition, word by word, and written as ranges of words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import QUANTITIES
from fpgaae.fixedpoint import ChannelTypes, Codes
from fpgaae.golden.trigger import GoldenTrigger


def saturated_slots(trigger: GoldenTrigger, port: str) -> tuple[str, ...]:
    """Write for each slot that can saturate whether one of its inputs does; a cell of an array is a slot of its own.

    Parameters
    ----------
    port
        Name of the vector that has the words of an event, the first in the lowest bits.

    Returns
    -------
    Expressions of one bit; their disjunction is `GoldenTrigger.saturated_inputs`.
    """
    features, types = trigger.features.features, trigger.network.layers[0].types
    n_in_slot = len(QUANTITIES) if features[0].hardware.quantity in QUANTITIES else 1
    found, low = [], 0
    for first in range(0, len(features), n_in_slot):
        places = range(first, first + n_in_slot)
        slot = _Slot(features[first : first + n_in_slot], ChannelTypes(tuple(types.channel(place) for place in places)))
        terms = list(slot.terms(port, low))
        low += slot.bits
        if terms:
            found.append(" || ".join(terms))
    return tuple(found)


class _Slot:
    """The features of a slot, by themselves."""

    def __init__(self, features: Sequence[Feature], types: ChannelTypes) -> None:
        self._map = FeatureMap(tuple(features))
        self._types = types
        self._ports = [feature.hardware.port for feature in features]
        first = self._ports[0]
        special = {first.none, first.overflow if first.zero_overflow else None}
        words = sorted(word for word in special if word is not None)
        self._empty = np.array(words, dtype=np.int64)  # of pT, that empty the slot

    @property
    def bits(self) -> int:
        """Bits of its ports."""
        return sum(port.bits for port in self._ports)

    def terms(self, port: str, low: int) -> Iterator[str]:
        """Give conditions on the words, any of which lets an input saturate."""
        smallest, largest = self._map.port_limits
        firsts = np.arange(smallest[0], largest[0] + 1)
        filled = firsts[~np.isin(firsts, self._empty)]
        slices, at = [], low
        for own in self._ports:
            slices.append(f"{port}[{at + own.bits - 1}:{at}]" if own.bits > 1 else f"{port}[{at}]")
            at += own.bits
        is_empty = " || ".join(f"{slices[0]} == {self._ports[0].bits}'h{word:x}" for word in self._empty.tolist())
        if self._saturates(self._rows(self._empty, 0, 0)).any():
            yield is_empty
        if not len(filled):
            return
        conditions = []
        for place, own in enumerate(self._ports):
            words = filled if place == 0 else np.arange(smallest[place], largest[place] + 1)
            beyond = words[self._saturates(self._rows(words, place, int(filled[0])))[:, place]]
            conditions += _ranges(beyond, words, slices[place], own.bits, own.signed)
        if conditions and is_empty:
            yield f"(!({is_empty}) && ({' || '.join(conditions)}))"
        else:
            yield from conditions

    def _rows(self, words: Codes, place: int, first: int) -> Codes:
        """Give slots that have some words at a place, and elsewhere the pT that is given and the smallest words."""
        rows = np.tile(self._map.port_limits[0], (len(words), 1))
        rows[:, 0] = first
        rows[:, place] = words
        return rows

    def _saturates(self, words: Codes) -> NDArray[np.bool_]:
        return self._map.saturates(self._map.codes_of_words(words), self._types)


def _ranges(words: Codes, possible: Codes, slice_: str, bits: int, signed: bool) -> list[str]:
    """Write that a slice of a port is one of some words, which are in ascending order."""
    if not len(words):
        return []
    if not bits or (len(words) == len(possible) == 1 << bits):
        return ["1'b1"]
    ends = np.flatnonzero(np.diff(words) > 1)
    starts, stops = words[np.append(0, ends + 1)], words[np.append(ends, len(words) - 1)]
    return [_within(int(a), int(b), slice_, bits, signed) for a, b in zip(starts, stops, strict=True)]


def _within(first: int, last: int, slice_: str, bits: int, signed: bool) -> str:
    """Write that a slice lies between two words, both included."""

    def literal(word: int) -> str:
        digits = f"{bits}'h{word & ((1 << bits) - 1):x}"
        return f"$signed({digits})" if signed else digits

    shown = f"$signed({slice_})" if signed else slice_
    if first == last:
        return f"{shown} == {literal(first)}"
    smallest, largest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    bounds = [f"{shown} >= {literal(first)}"] if first > smallest else []
    bounds += [f"{shown} <= {literal(last)}"] if last < largest else []
    return f"({' && '.join(bounds)})" if bounds else "1'b1"
