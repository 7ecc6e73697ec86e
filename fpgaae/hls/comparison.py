"""Integer codes of the firmware against golden codes, layer by layer: equal, or where they differ first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, shift_left_exact


class Mismatch(NamedTuple):
    """The first value of a layer that differs; codes are in units of `lsb`."""

    layer: str
    channel: int
    event: int  # within its origin
    origin: str
    expected_code: int
    found_code: int
    distance_lsb: int
    lsb: float

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"layer {self.layer}, channel {self.channel}, {self.origin} event {self.event}: expected code "
            f"{self.expected_code}, found {self.found_code}, {self.distance_lsb} LSB (of {self.lsb:g}) apart"
        )


def failure_sentence(result: Mapping[str, Any]) -> str:
    """Say in one sentence why a check whose result file says `passed: false` failed."""
    if result["first_mismatch"] is None and result.get("failure"):
        return str(result["failure"])
    reloaded = result.get("reloaded", {"passed": True})
    if result["first_mismatch"] is None and not reloaded["passed"]:
        return f"with other weights loaded, {failure_sentence(reloaded)}"
    synthesized = result.get("synthesized_branch", {"passed": True})
    if result["first_mismatch"] is None and not synthesized["passed"]:
        return (
            f"the branch that is synthesized differs from the golden codes in {synthesized['mismatched_events']:,} of "
            f"{synthesized['events']:,} events; first in {synthesized['first_mismatch']}"
        )
    if result["first_mismatch"] is None:
        return f"nothing was compared: {result['events']} events"
    first = Mismatch(**result["first_mismatch"])
    return f"{result['mismatched_events']:,} of {result['events']:,} events differ; first in {first}"


@dataclass
class LayerResult:
    """What was compared of one layer."""

    name: str
    values: int = 0
    mismatched_values: int = 0
    max_lsb: int = 0
    first: Mismatch | None = None

    def to_json(self) -> dict[str, Any]:
        """Give an entry of `layers` in `csim.json`."""
        return {
            "name": self.name,
            "values": self.values,
            "mismatched_values": self.mismatched_values,
            "max_lsb": self.max_lsb,
            "first_mismatch": self.first and self.first._asdict(),
        }


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
