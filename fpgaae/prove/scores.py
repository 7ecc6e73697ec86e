"""The polynomial that each score should be, on one path of the sources.

One function a score, in symbols of the trace; the golden classes compute the same on arrays, and share nothing with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fpgaae.golden.scores.absolute_error import AbsoluteError
from fpgaae.golden.scores.base import ScoreLayer, TableScore
from fpgaae.golden.scores.kl_divergence import KlDivergence
from fpgaae.golden.scores.masked_squared_error import MaskedSquaredError
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.mu_squared_over_variance import MuSquaredOverVariance
from fpgaae.golden.scores.regression import Regression
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.prove.subject import Subject
from fpgaae.prove.symbols import Form


class Expected(NamedTuple):
    """A form in codes; the found one has to be multiplied by `scale` to lie on its grid."""

    form: Form
    scale: int


class _Polynomial:
    """Sums of products of values of symbols, in units of 2**-fraction for a fraction that is fine enough for all."""

    def __init__(self, subject: Subject, fraction: int) -> None:
        self._subject = subject
        self.fraction = fraction
        self._terms: dict[tuple[int, ...], int] = {}
        self._constant = 0

    def add(self, symbols: tuple[int, ...], coefficient: int, fraction: int = 0) -> None:
        """Add coefficient * 2**-fraction times the values of symbols."""
        bits = self.fraction - fraction - sum(self._subject.trace.symbols[s].fraction for s in symbols)
        if symbols:
            term = tuple(sorted(symbols))
            self._terms[term] = self._terms.get(term, 0) + (coefficient << bits)
        else:
            self._constant += coefficient << bits

    def square_of_difference(self, x: int, y: int) -> None:
        """Add (x - y)^2."""
        self.add((x, x), 1)
        self.add((x, y), -2)
        self.add((y, y), 1)

    def form(self) -> Form:
        """Give the form."""
        return Form(self._constant, {term: c for term, c in self._terms.items() if c})


def expected_score(subject: Subject, layer: ScoreLayer, event: int) -> Expected | str:
    """Give the polynomial of a score on the path of an event, or say why there is none."""
    function = _SCORES.get(type(layer))
    if function is None:
        return f"the score {layer.kind} is not followed"
    fractions = [symbol.fraction for symbol in subject.trace.symbols.values()]
    fine = 2 * max(abs(f) for f in fractions) + abs(layer.type.fraction) + 64
    polynomial = _Polynomial(subject, max(fine, subject.traced.cast.fraction))
    reason = function(subject, layer, event, polynomial)
    return reason or Expected(polynomial.form(), 1 << (polynomial.fraction - subject.traced.cast.fraction))


def _pairs(subject: Subject, event: int) -> list[tuple[int, int]]:
    """Give the symbols of both sources, value by value."""
    first, second = subject.sources
    found = [
        (subject.trace.symbol_of(first.tap, i, event), subject.trace.symbol_of(second.tap, i, event))
        for i in range(first.golden.size)
    ]
    return [(x, y) for x, y in found if x is not None and y is not None]


def _squared_error(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    del layer
    for x, y in _pairs(subject, event):
        polynomial.square_of_difference(x, y)
    return None


def _masked(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    if not isinstance(layer, MaskedSquaredError):
        raise TypeError(layer.kind)
    pairs, slots = _pairs(subject, event), layer.empty.codes
    size = len(pairs) // len(slots)
    for slot, empty in enumerate(slots):
        of = pairs[slot * size][0]
        low, high = subject.trace.codes_of(of, event, subject.index)
        up = subject.sources[0].golden.type.fraction - subject.trace.symbols[of].fraction
        if (low << up) <= empty < (high << up):
            return f"whether slot {slot} is filled is on no path of its own"
        if (low << up) > empty:
            for x, y in pairs[slot * size : (slot + 1) * size]:
                polynomial.square_of_difference(x, y)
    return None


def _absolute_error(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    """Take the sign of each difference from the path, or from the ranges of its two values."""
    del layer
    signs: dict[frozenset[int], int] = {}
    for branch in subject.trace.branches.get((event, subject.index), []):
        plus = [term[0] for term, c in branch.form.terms.items() if c > 0 and len(term) == 1]
        if len(branch.form.terms) == 2 and len(plus) == 1 and not branch.form.constant:
            weights = {
                term[0]: c * 2 ** (64 + subject.trace.symbols[term[0]].fraction)
                for term, c in branch.form.terms.items()
            }
            if sum(weights.values()) == 0:
                other = next(symbol for symbol in weights if symbol != plus[0])
                signs[frozenset(weights)] = plus[0] if branch.holds else other
    for x, y in _pairs(subject, event):
        upper = signs.get(frozenset((x, y)))
        if upper is None:
            return "the sign of a difference is on no path of its own"
        polynomial.add((upper,), 1)
        polynomial.add((y if upper == x else x,), -1)
    return None


def _mu_squared(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    del layer
    for i in range(subject.sources[0].golden.size):
        symbol = subject.trace.symbol_of(subject.sources[0].tap, i, event)
        if symbol is not None:
            polynomial.add((symbol, symbol), 1)
    return None


def _table(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    if not isinstance(layer, TableScore):
        raise TypeError(layer.kind)
    table = layer.table
    for mu, v in _pairs(subject, event):
        low, high = subject.trace.codes_of(v, event, subject.index)
        if low != high:
            return "the place in its table is on no path of its own"
        up = subject.sources[1].golden.type.fraction - subject.trace.symbols[v].fraction
        entry = int(table.codes[(low << up) & (len(table.codes) - 1)])
        if isinstance(layer, KlDivergence):
            polynomial.add((mu, mu), 1, 1)
            polynomial.add((), entry, table.type.fraction + 1)
        else:
            polynomial.add((mu, mu), entry, table.type.fraction)
    return None


def _regression(subject: Subject, layer: ScoreLayer, event: int, polynomial: _Polynomial) -> str | None:
    del layer
    symbol = subject.trace.symbol_of(subject.sources[0].tap, 0, event)
    if symbol is not None:
        polynomial.add((symbol,), 1)
    return None


_Function = Callable[[Subject, ScoreLayer, int, _Polynomial], str | None]
_SCORES: Mapping[type[ScoreLayer], _Function] = {
    SquaredError: _squared_error,
    MaskedSquaredError: _masked,
    AbsoluteError: _absolute_error,
    MuSquared: _mu_squared,
    Regression: _regression,
    KlDivergence: _table,
    MuSquaredOverVariance: _table,
}
