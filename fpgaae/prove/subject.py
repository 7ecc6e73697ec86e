"""One layer of the sources beside its golden layer, and what is found when they are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fpgaae.data.features import FeatureMap
from fpgaae.golden.layers.base import Layer
from fpgaae.hls.project import WeightPort
from fpgaae.prove.symbols import Form, Kind, Output, Symbol, Trace, TracedLayer


class Difference(NamedTuple):
    """A value of a layer whose form is not the golden one, and why."""

    place: int
    reason: str


class Finding(NamedTuple):
    """How a layer was compared, and where it differs; `open` names what could be neither proven nor refuted."""

    how: str
    differences: tuple[Difference, ...] = ()
    open: str | None = None


class Source(NamedTuple):
    """A layer that another one reads: its number among the taps, and its golden layer."""

    tap: int
    golden: Layer


@dataclass(frozen=True)
class Subject:
    """A recorded layer, its golden layer, and those that it reads."""

    trace: Trace
    index: int
    golden: Layer
    sources: tuple[Source, ...]
    features: FeatureMap
    ports: Mapping[
        str, tuple[tuple[int, WeightPort], ...]
    ]  # by golden layer: its reloadable weights, each port's start
    first_threshold: int = 0  # where thresholds are reloadable: the number of the first among all that is loaded

    @property
    def traced(self) -> TracedLayer:
        """What was recorded."""
        return self.trace.layers[self.index]

    @property
    def up(self) -> int:
        """How many bits finer the compiled grid is than the golden one."""
        return self.traced.cast.fraction - self.golden.type.fraction

    def events(self) -> Iterator[tuple[int, list[Output]]]:
        """Give the events that count, with all values that the layer put out."""
        return self.trace.counted(self.index)

    def foreign(self, form: Form, event: int) -> str | None:
        """Name a symbol of a form that the layer does not read in this event, or that is no plain value."""
        allowed = {source.tap for source in self.sources}
        for number in form.symbols:
            symbol = self.trace.symbols[number]
            if symbol.kind is Kind.OUTPUT and symbol.layer in allowed and symbol.event == event:
                continue
            if symbol.kind is Kind.PORT and not self.sources and symbol.event == event:
                continue
            if symbol.kind is Kind.WEIGHT and self.golden.name in self.ports:
                continue
            return self.describe(symbol, event)
        return None

    def describe(self, symbol: Symbol, event: int) -> str:
        """Say what a symbol stands for that should not be there."""
        if symbol.kind is Kind.ROUNDED and symbol.cast is not None:
            of = f"{symbol.cast.width} bits, {symbol.cast.integer} of them integer"
            return f"a sum may round or overflow in a type of {of}"
        if symbol.kind is Kind.OUTPUT and symbol.event != event:
            return f"value {symbol.place} of an earlier event's {self.trace.layers[symbol.layer].name} stands in it"
        if symbol.kind is Kind.OUTPUT:
            return f"value {symbol.place} of {self.trace.layers[symbol.layer].name} stands in it"
        return {
            Kind.PORT: "a hardware integer stands in it",
            Kind.WEIGHT: "a reloadable weight stands in it",
            Kind.QUOTIENT: "a quotient stands in it",
            Kind.ABOVE: "a comparison stands in it",
        }.get(symbol.kind, "a rounding stands in it")


def scaled(value: int, up: int, of: int) -> bool:
    """Tell whether `of`, on a grid that is finer by `up` bits, is the same as `value`."""
    return of == value << up if up >= 0 else of << -up == value
