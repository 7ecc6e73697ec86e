"""Thresholds that follow sums over an event, beside the golden ones: an event's cell, and the comparison in each cell.

A cell is a sum of comparisons of sums with their edges. On each path its terms must be those of the golden sums, which
leave out the slots that the path's words say are empty; decisions are followed on a path for each cell.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from fpgaae.data.features import FeatureMap
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.prove.subject import Difference, Finding, Source, Subject
from fpgaae.prove.symbols import Kind, Output, Symbol

Range = tuple[int, int]
Terms = frozenset[tuple[object, int]]  # coefficients by what is added
Comparisons = Counter[tuple[int, Terms]]  # how often by the constant and the terms of what is above zero


def cell(subject: Subject) -> Finding:
    """Compare the cell's comparisons with those of the golden one on every path."""
    layer = subject.golden
    if not isinstance(layer, Cell):
        raise TypeError(layer.kind)
    ports = {(s.place, s.event): number for number, s in subject.trace.symbols.items() if s.kind is Kind.PORT}
    seen: dict[int, set[Range]] = {place: set() for of in layer.sums for place in of.places}
    differs = None
    for event, outputs in subject.events():
        filled = set()
        for place, ranges in seen.items():
            if (port := ports.get((place, event))) is None:
                return Finding("", (Difference(0, f"value {place} has no port"),))
            codes = subject.trace.codes_of(port, event, subject.index)
            ranges.add(codes)
            empty = [code for code in _empty(subject.features, place) if codes[0] <= code <= codes[1]]
            if empty and codes[0] != codes[1]:
                return Finding("", open=f"whether the slot of value {place} is filled is not told on every path")
            if not empty:
                filled.add(place)
        differs = differs or _cell_differs(subject, layer, outputs[0], filled)
    if differs is not None:
        return Finding("", (Difference(0, differs),))
    low, high = (ends.tolist() for ends in subject.features.port_limits)
    for place, parts in seen.items():
        if not _covered(parts, (low[place], high[place])):
            return Finding("", open=f"some codes of value {place} are on no path")
    return Finding(f"each term of {len(layer.sums)} sums, and {sum(len(of.edges) for of in layer.sums)} edges")


def decided_cell(subject: Subject, source: Source, event: int) -> int | None:
    """Give the cell whose thresholds an event's path looks up; None where the path does not say it, or counts not."""
    trace, reader = subject.trace, source.tap + 1
    symbol = trace.symbol_of(source.tap, 0, event)
    if symbol is None or (event, reader) in trace.void:
        return None
    low, high = trace.codes_of(symbol, event, reader)
    return low if low == high else None


def _cell_differs(subject: Subject, layer: Cell, output: Output, filled: set[int]) -> str | None:
    """Say what is wrong with the cell of a path on which some slots are filled."""
    expected: Comparisons = Counter()
    for index, of in enumerate(layer.sums):
        terms = _expected_terms(of, filled)
        for edge in of.edges:
            expected[-edge, terms] += prod(layer.bins[index + 1 :])
    found: Comparisons = Counter()
    for term, coefficient in output.form.terms.items():
        symbol = subject.trace.symbols[term[0]]
        if symbol.kind is not Kind.ABOVE:
            return subject.describe(symbol, output.event)
        if len(term) != 1:
            return "a product of comparisons stands in it"
        found[symbol.form.constant, _terms(subject, symbol, output.event)] += coefficient
    always = sum(count for (constant, terms), count in expected.items() if not terms and constant > 0)
    expected = Counter({key: count for key, count in expected.items() if key[1]})
    if output.form.constant != always:
        return f"{output.form.constant} is added to it where {always} is right"
    if found == expected:
        return None
    edges = (
        sorted(-constant for constant, _ in (found - expected)),
        sorted(-constant for constant, _ in (expected - found)),
    )
    return f"it compares other sums, or with edges {edges[0][:3]} where {edges[1][:3]} are right"


def _expected_terms(of: BinnedSum, filled: set[int]) -> Terms:
    if not of.counts:
        return frozenset((place, 1) for place in of.places if place in filled)
    return frozenset(((0, frozenset({(place, 1)})), 1) for place in of.places if place in filled)


def _terms(subject: Subject, symbol: Symbol, event: int) -> Terms:
    """Give what is added in a comparison: ports of the event by their place, comparisons by what they are of."""
    found: list[tuple[object, int]] = []
    for term, coefficient in symbol.form.terms.items():
        own = subject.trace.symbols[term[0]]
        if len(term) == 1 and own.kind is Kind.PORT and own.event == event:
            found.append((own.place, coefficient))
        elif len(term) == 1 and own.kind is Kind.ABOVE:
            found.append(((own.form.constant, _terms(subject, own, event)), coefficient))
        else:
            found.append((subject.describe(own, event), coefficient))
    return frozenset(found)


def _empty(features: FeatureMap, place: int) -> tuple[int, ...]:
    """Give the words of a pT that leave its slot empty."""
    word = features.features[place].hardware.word
    if word is None:
        return ()
    specials = (word.none, word.overflow if word.zero_overflow else None)
    return tuple(code for code in specials if code is not None)


def _covered(parts: set[Range], whole: Range) -> bool:
    """Tell whether ranges hold every code."""
    reached = whole[0] - 1
    for low, high in sorted(parts):
        if low > reached + 1:
            return False
        reached = max(reached, high)
    return reached >= whole[1]
