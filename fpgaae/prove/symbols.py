"""What a run of the sources over symbols has printed: the number that each layer put out, as a polynomial of symbols.

`firmware/proof/` prints it. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from fpgaae.errors import CheckFailed


class Kind(str, Enum):
    """What a symbol stands for, by the letter that names it in print."""

    PORT = "p"  # a hardware integer
    WEIGHT = "w"  # a weight that can be reloaded
    OUTPUT = "t"  # a value of a layer
    ROUNDED = "r"  # what a type makes of a form that it can't hold
    QUOTIENT = "q"  # a form divided by an integer, cut off towards zero
    ABOVE = "c"  # 1 where a form is above zero, else 0


class Form(NamedTuple):
    """A polynomial: its constant, and a coefficient by the symbols (in order) that are multiplied."""

    constant: int
    terms: Mapping[tuple[int, ...], int]

    @property
    def symbols(self) -> set[int]:
        """The symbols in it."""
        return {symbol for term in self.terms for symbol in term}

    def minus(self, other: Form) -> Form:
        """Subtract a form."""
        terms = dict(self.terms)
        for term, coefficient in other.terms.items():
            terms[term] = terms.get(term, 0) - coefficient
        return Form(self.constant - other.constant, {term: c for term, c in terms.items() if c})


class Cast(NamedTuple):
    """A type as the sources state it; its modes are the numbers that AP_Q and AP_O have."""

    width: int
    integer: int
    signed: bool
    rounding: int
    overflow: int

    @property
    def fraction(self) -> int:
        """Bits behind the point."""
        return self.width - self.integer


class Symbol(NamedTuple):
    """A symbol: its smallest and largest code, and what it stands for.

    Parameters
    ----------
    place
        Which port, weight, or value of a layer.
    fraction
        Bits behind the point of the symbol (of a layer's value), or of its form.
    """

    low: int
    high: int
    kind: Kind
    event: int = -1
    layer: int = -1
    place: int = -1
    fraction: int = 0
    form: Form = Form(0, {})
    cast: Cast | None = None
    divisor: int = 1


class Output(NamedTuple):
    """A value that a layer put out in an event."""

    event: int
    layer: int
    place: int
    low: int
    high: int
    form: Form


class Branch(NamedTuple):
    """What a path says of a form: that it is above zero, or not."""

    form: Form
    holds: bool


class TracedLayer(NamedTuple):
    """A layer that was recorded: its name, its values and its compiled type."""

    name: str
    size: int
    cast: Cast


@dataclass
class Trace:
    """A whole run.

    Parameters
    ----------
    narrowed
        By event and layer: the codes of symbols that the layer's path leaves, where they are fewer.
    void
        Events and layers whose path does not count.
    stopped
        The layer at which the run ended, and the construct that it could not follow.
    given_up
        Layers of which not every path was followed, and why.
    """

    layers: dict[int, TracedLayer] = field(default_factory=dict)
    symbols: dict[int, Symbol] = field(default_factory=dict)
    outputs: dict[int, dict[int, list[Output]]] = field(default_factory=dict)  # by layer and event, in print's order
    narrowed: dict[tuple[int, int], dict[int, tuple[int, int]]] = field(default_factory=dict)
    branches: dict[tuple[int, int], list[Branch]] = field(default_factory=dict)
    void: set[tuple[int, int]] = field(default_factory=set)
    branching: set[int] = field(default_factory=set)
    events: int = 0
    stopped: tuple[int, str] | None = None
    given_up: dict[int, str] = field(default_factory=dict)

    def symbol_of(self, layer: int, place: int, event: int) -> int | None:
        """Give the symbol of a layer's value in an event."""
        return self._by_place.get((layer, place, event))

    def codes_of(self, symbol: int, event: int, layer: int) -> tuple[int, int]:
        """Give the codes of a symbol that the path of a layer leaves."""
        found = self.symbols[symbol]
        return self.narrowed.get((event, layer), {}).get(symbol, (found.low, found.high))

    def counted(self, layer: int) -> Iterator[tuple[int, list[Output]]]:
        """Give the events whose path through a layer counts, with all that it put out."""
        for event, outputs in self.outputs.get(layer, {}).items():
            if (event, layer) not in self.void and (event < FULLY_SYMBOLIC or layer in self.branching):
                yield event, outputs

    def __post_init__(self) -> None:
        """Prepare the search by place."""
        self._by_place: dict[tuple[int, int, int], int] = {}


FULLY_SYMBOLIC = 3  # events in a row: a state that one leaves would be seen in the next


def read_trace(lines: Iterable[str]) -> Trace:
    """Read what a run printed.

    Raises
    ------
    CheckFailed
        If it ended in the middle.
    """
    trace, whole = Trace(), False
    for line in lines:
        letter, *words = line.split()
        if letter == "s":
            _read_symbol(trace, words)
        elif letter == "o":
            event, layer, place, low, high = map(int, words[:5])
            output = Output(event, layer, place, low, high, _read_form(words[5:]))
            trace.outputs.setdefault(layer, {}).setdefault(event, []).append(output)
        elif letter == "l":
            trace.layers[int(words[1])] = TracedLayer(words[2], int(words[3]), _read_cast(words[4:]))
        elif letter == "n":
            event, layer, symbol, low, high = map(int, words)
            trace.narrowed.setdefault((event, layer), {})[symbol] = low, high
            trace.branching.add(layer)
        elif letter == "b":
            event, layer = int(words[0]), int(words[1])
            branch = Branch(_read_form(words[3:]), words[2] == "1")
            trace.branches.setdefault((event, layer), []).append(branch)
            trace.branching.add(layer)
        elif letter == "g":
            if words[2] == "1":
                trace.void.add((int(words[0]), int(words[1])))
        elif letter == "u":
            trace.given_up[int(words[0])] = " ".join(words[1:])
        elif letter == "x":
            trace.stopped, whole = (int(words[0]), " ".join(words[1:])), True
        elif letter == "end":
            trace.events, whole = int(words[0]), True
    if not whole:
        raise CheckFailed("the symbolic run of the project ended in the middle; correct its sources")
    return trace


def _read_form(words: list[str]) -> Form:
    pairs = zip(words[2::2], words[3::2], strict=True)
    return Form(int(words[0]), {tuple(sorted(map(int, symbols.split(".")))): int(value) for symbols, value in pairs})


def _read_cast(words: list[str]) -> Cast:
    width, integer, signed, rounding, overflow = map(int, words[:5])
    return Cast(width, integer, bool(signed), rounding, overflow)


def _read_symbol(trace: Trace, words: list[str]) -> None:
    number, low, high = map(int, words[:3])
    kind, rest = Kind(words[3]), words[4:]
    if kind is Kind.OUTPUT:
        layer, place, fraction, event = map(int, rest)
        symbol = Symbol(low, high, kind, event, layer, place, fraction)
        trace._by_place[layer, place, event] = number
    elif kind in (Kind.PORT, Kind.WEIGHT):
        symbol = Symbol(low, high, kind, int(rest[1]), place=int(rest[0]))
    elif kind is Kind.ROUNDED:
        symbol = Symbol(low, high, kind, fraction=int(rest[5]), form=_read_form(rest[6:]), cast=_read_cast(rest))
    elif kind is Kind.QUOTIENT:
        symbol = Symbol(low, high, kind, fraction=int(rest[1]), form=_read_form(rest[2:]), divisor=int(rest[0]))
    else:
        symbol = Symbol(low, high, kind, fraction=int(rest[0]), form=_read_form(rest[1:]))
    trace.symbols[number] = symbol
