"""The front end beside the golden one: every code of each port is tried, and of a word on every path of its slot.

What becomes of a word depends on it, and on whether the pT beside it says that the slot is empty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import QUANTITIES
from fpgaae.fixedpoint import Codes
from fpgaae.prove.codes import MOST_CODES, codes_differ, form_key
from fpgaae.prove.subject import Difference, Finding, Subject
from fpgaae.prove.symbols import FULLY_SYMBOLIC, Kind, Output

Range = tuple[int, int]


class _Port(NamedTuple):
    """A port on a path: its symbol (None where the feature has no port), and the codes that the path leaves."""

    symbol: int | None
    codes: Range


def slot_of(features: FeatureMap, place: int) -> tuple[int, ...]:
    """Give the features whose ports decide about one, in order: its object's where words arrive, else itself."""
    if not features.has_words:
        return (place,)
    first = place - place % len(QUANTITIES)
    return tuple(range(first, first + len(QUANTITIES)))


def front_end(subject: Subject) -> Finding:
    """Try every code of each port."""
    return _FrontEnd(subject).finding()


class _FrontEnd:
    """What was tried of each port, and what was found."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._limits = list(zip(*(ends.tolist() for ends in subject.features.port_limits), strict=True))
        self._symbols = {
            (symbol.place, symbol.event): number
            for number, symbol in subject.trace.symbols.items()
            if symbol.kind is Kind.PORT
        }
        self._tried = 0
        self._known: dict[object, str | None] = {}
        self._covered: dict[int, set[tuple[Range, Range]]] = {}  # by place: codes of the slot's pT, and its own
        self._differences: dict[int, Difference] = {}

    def finding(self) -> Finding:
        """Give what was found."""
        for place, (low, high) in enumerate(self._limits):
            if high - low >= MOST_CODES:
                return Finding("", open=f"value {place} has more than {MOST_CODES:,} codes to try")
        for event, outputs in self._subject.events():
            for output in outputs:
                self._try(event, output)
        for place, parts in self._covered.items():
            reason = self._other_codes(place)
            if reason is not None:
                self._differences.setdefault(place, Difference(place, reason))
            elif not self._differences and not self._covers(place, parts):
                return Finding("", open=f"some codes of value {place} are on no path")
        of = "word" if self._subject.features.has_words else "code"
        return Finding(f"every {of} of each port ({self._tried:,} in all)", tuple(self._differences.values()))

    def _try(self, event: int, output: Output) -> None:
        place, subject = output.place, self._subject
        own = self._port(place, event)
        beside = self._beside(place, event)
        seen = self._covered.setdefault(place, set())
        if own.codes[1] < own.codes[0] or ((beside.codes, own.codes) in seen and event >= FULLY_SYMBOLIC):
            return
        seen.add((beside.codes, own.codes))
        feature = subject.features.features[place]
        for pt in self._representatives(place, beside.codes):
            key = (
                form_key(subject, output.form, own.symbol), own.codes, pt,
                feature.hardware.word, feature.offset, feature.shift, subject.golden.types.channel(place),
            )  # fmt: skip
            if key not in self._known:
                self._known[key] = self._differs(output, own, pt)
                self._tried += own.codes[1] - own.codes[0] + 1
            if (reason := self._known[key]) is not None:
                self._differences.setdefault(place, Difference(place, reason))

    def _differs(self, output: Output, own: _Port, pt: int) -> str | None:
        def golden(place: int, codes: Codes) -> Codes:
            return self._golden(place, codes, pt)

        return codes_differ(self._subject, output, own.symbol, own.codes, golden)

    def _beside(self, place: int, event: int) -> _Port:
        """Give the port of the slot's pT; none of a port that is one itself."""
        first = slot_of(self._subject.features, place)[0]
        return _Port(None, (0, 0)) if first == place else self._port(first, event)

    def _port(self, place: int, event: int) -> _Port:
        symbol = self._symbols.get((place, event))
        codes = (0, 0) if symbol is None else self._subject.trace.codes_of(symbol, event, self._subject.index)
        return _Port(symbol, codes)

    def _representatives(self, place: int, codes: Range) -> list[int]:
        """Give a pT of each kind that lies within a range: those that empty the slot, and one that does not."""
        first = slot_of(self._subject.features, place)[0]
        word = self._subject.features.features[first].hardware.word
        if first == place or word is None:
            return [codes[0]]
        special = {code for code in (word.none, word.overflow) if code is not None}
        low, high = codes
        other = next((code for code in range(low, min(high, low + len(special)) + 1) if code not in special), None)
        return sorted(code for code in special if low <= code <= high) + ([] if other is None else [other])

    def _golden(self, place: int, codes: Codes, pt: int) -> Codes:
        """Give the input codes of a feature for words of its port, beside a pT."""
        features, golden = self._subject.features, self._subject.golden
        slot = slot_of(features, place)
        words = np.zeros((len(codes), len(slot)), dtype=np.int64)
        words[:, 0] = pt
        words[:, slot.index(place)] = codes
        within = FeatureMap(tuple(features.features[i] for i in slot)).codes_of_words(words)
        channel = golden.types.channel(place)
        alone = FeatureMap((features.features[place],))
        found = alone.input_codes(within[:, slot.index(place)][:, None], channel)[:, 0]
        return np.asarray(found << (golden.type.fraction - channel.fraction))

    def _other_codes(self, place: int) -> str | None:
        """Say where a port carries other words than the model takes."""
        if not self._subject.features.features[place].hardware.bits:
            return None
        if (symbol := self._symbols.get((place, 0))) is None:
            return "it has no port"
        found = self._subject.trace.symbols[symbol]
        low, high = self._limits[place]
        if (found.low, found.high) == (low, high):
            return None
        return f"its port carries {found.low} to {found.high} where {low} to {high} is right"

    def _covers(self, place: int, parts: set[tuple[Range, Range]]) -> bool:
        """Tell whether the paths hold every pair of a pT and a code."""
        first = slot_of(self._subject.features, place)[0]
        ports = ((first, self._beside(place, 0)), (place, self._port(place, 0)))
        ends = [(0, 0) if port.symbol is None else self._limits[index] for index, port in ports]
        corners = [ends, *([(low, high) for low, high in part] for part in parts)]
        rows, columns = (np.unique([cut for c in corners for cut in (c[i][0], c[i][1] + 1)]) for i in range(2))
        seen = np.zeros((len(rows), len(columns)), dtype=bool)
        for part in parts:
            seen[_between(rows, part[0]), _between(columns, part[1])] = True
        return bool(seen[_between(rows, ends[0]), _between(columns, ends[1])].all())


def _between(cuts: Codes, codes: Range) -> slice:
    return slice(int(np.searchsorted(cuts, codes[0])), int(np.searchsorted(cuts, codes[1] + 1)))
