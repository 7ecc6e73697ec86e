"""Integer codes of the firmware against golden codes, layer by layer: equal, or where they differ first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, shift_left_exact
from fpgaae.runs.results.csim import ComparedLayer, CsimResult, Mismatch
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.rtl import RtlLayersResult, RtlResult


class Check(Protocol):
    """A comparison, as its result file says it."""

    @property
    def events(self) -> int:
        """Number of events."""

    @property
    def mismatched_events(self) -> int:
        """Number of events with a bit that differs."""

    @property
    def first_mismatch(self) -> Mismatch | None:
        """The first difference."""


def failure_sentence(result: Check) -> str:
    """Say in one sentence why a check whose result says `passed: false` failed."""
    if (first := result.first_mismatch) is not None:
        return (
            f"the traced layers differ from the golden codes, {first.layer} first: {first}"
            if isinstance(result, RtlLayersResult)
            else f"{result.mismatched_events:,} of {result.events:,} events differ; first in {first}"
        )
    if isinstance(result, PlaceResult) and result.events and not result.is_fast_enough:
        return (
            f"the routed chip reaches {result.clock_mhz:g} MHz, and place.clock_mhz is {result.wanted_mhz:g}; lower "
            "it, or make the network smaller"
        )
    if isinstance(result, RtlResult) and result.failure:
        return result.failure
    said = _beside_the_layers(result) if isinstance(result, CsimResult) else None
    return said or f"nothing was compared: {result.events} events"


def _beside_the_layers(result: CsimResult) -> str | None:
    """Say what differs where every layer is right with what was trained."""
    if result.reloaded is not None and not result.reloaded.passed:
        return f"with other weights loaded, {failure_sentence(result.reloaded)}"
    if (of := result.reloaded_thresholds) is not None and not of.passed:
        flips = f"{of.decision_flips:,} of {of.decisions:,} decisions differ"
        return f"with other thresholds loaded, {flips}; first in {of.first_mismatch}"
    if (branch := result.synthesized_branch) is not None and not branch.passed:
        return (
            f"the branch that is synthesized differs from the golden codes in {branch.mismatched_events:,} of "
            f"{branch.events:,} events; first in {branch.first_mismatch}"
        )
    return None


@dataclass
class LayerResult:
    """What was compared of one layer."""

    name: str
    values: int = 0
    mismatched_values: int = 0
    max_lsb: int = 0
    first: Mismatch | None = None

    def entry(self) -> ComparedLayer:
        """Give the entry of `csim.json`."""
        return ComparedLayer(
            name=self.name,
            values=self.values,
            mismatched_values=self.mismatched_values,
            max_lsb=self.max_lsb,
            first_mismatch=self.first,
        )


@dataclass
class Comparison:
    """The result over all events so far; parts from several processes add up."""

    layers: dict[str, LayerResult]
    events: int = 0
    mismatched_events: int = 0
    score_mismatches: int = 0
    decision_flips: int = 0
    events_by_origin: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_layers(cls, names: Sequence[str]) -> Comparison:
        """Start with nothing compared; `names` in graph order."""
        return cls({name: LayerResult(name) for name in names})

    @property
    def passed(self) -> bool:
        """Whether events were compared and every code of every layer was equal."""
        return self.events > 0 and self.mismatched_events == 0 and all(layer.values for layer in self.layers.values())

    @property
    def first_mismatch(self) -> Mismatch | None:
        """The first difference: of the first layer in graph order, the first event."""
        return next((layer.first for layer in self.layers.values() if layer.first), None)

    def mismatched_in(self, name: str) -> int | None:
        """Count the values of a layer that differ; None where it is not compared."""
        return self.layers[name].mismatched_values if name in self.layers else None

    def entries(self) -> tuple[ComparedLayer, ...]:
        """Give the `layers` of `csim.json`."""
        return tuple(layer.entry() for layer in self.layers.values())

    def merge(self, other: Comparison) -> None:
        """Add a part; parts must come in the order of their events for `first_mismatch` to be the first."""
        self.events += other.events
        self.mismatched_events += other.mismatched_events
        self.score_mismatches += other.score_mismatches
        self.decision_flips += other.decision_flips
        for origin, events in other.events_by_origin.items():
            self.events_by_origin[origin] = self.events_by_origin.get(origin, 0) + events
        for name, part in other.layers.items():
            mine = self.layers[name]
            mine.values += part.values
            mine.mismatched_values += part.mismatched_values
            mine.max_lsb = max(mine.max_lsb, part.max_lsb)
            mine.first = mine.first or part.first


def compare_codes(
    found: Mapping[str, tuple[Codes, FixedPointType]],
    golden: Mapping[str, Tensor],
    origin: str,
    first_event: int,
) -> Comparison:
    """Compare one chunk of events.

    Parameters
    ----------
    found
        By layer in graph order, the score and the decisions last: codes (n, size) and the type that they were recorded
        with.
    golden
        By the same names: golden codes.
    """
    result = Comparison.of_layers(list(found))
    wrong_events = np.zeros(0, dtype=bool)
    for name, (codes, kind) in found.items():
        fraction = max(kind.fraction, golden[name].fraction)
        got = shift_left_exact(codes, fraction - kind.fraction)
        expected = shift_left_exact(golden[name].codes, fraction - golden[name].fraction)
        if not len(wrong_events):
            wrong_events = np.zeros(len(codes), dtype=bool)
        layer = result.layers[name]
        layer.values = got.size
        wrong = got != expected
        if wrong.any():
            layer.mismatched_values = int(wrong.sum())
            layer.max_lsb = int(np.abs(got - expected).max())
            event, channel = (int(i) for i in np.argwhere(wrong)[0])
            pair = int(expected[event, channel]), int(got[event, channel])
            layer.first = Mismatch(
                name, channel, first_event + event, origin, *pair, abs(pair[0] - pair[1]), 2.0**-fraction
            )
            wrong_events |= wrong.any(axis=1)
    score, accept = list(found)[-2:]
    result.events = len(wrong_events)
    result.events_by_origin = {origin: len(wrong_events)}
    result.mismatched_events = int(wrong_events.sum())
    result.score_mismatches = result.layers[score].mismatched_values
    result.decision_flips = int((found[accept][0] != golden[accept].codes).any(axis=1).sum())
    return result
