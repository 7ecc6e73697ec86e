"""The stream wrappers of a written RTL project, driven with gaps, back-pressure and resets around the real block.

A wrapper may neither lose nor repeat nor exchange an event, whatever stands in its pipeline: every clock is recorded,
and the protocol is followed clock by clock, with the golden results of every event.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.rtl.verilator import Flags, Recorded, RtlSimulation
from fpgaae.runs.results.rtl import WrapperCheck

_VALID_SHARES = (1.0, 0.6, 0.1, 0.95)  # of clocks with an event
_AXIS_SHARES = ((1.0, 1.0), (0.4, 1.0), (1.0, 0.4), (0.6, 0.6), (0.95, 0.05), (1.0, 0.0))  # offered, taken out
_RESET_CLOCKS = (1, 2, 7)
_PLACES = re.compile(r"parameter\s+DEPTH_BITS\s*=\s*(\d+)")


class Stimulus(NamedTuple):
    """Events, and the golden answer to each."""

    hardware: Codes  # (n_events, n_features)
    golden: Codes  # (n_events, n_results)
    n_thresholds: int  # results behind the score that are decisions

    def said(self, found: Codes, event: int) -> str:
        """Say what an event gave."""
        expected = self.golden[event]
        if (found == expected).all():
            return "the right results"
        return f"{self._named(found)} instead of {self._named(expected)}"

    def _named(self, results: Codes) -> str:
        behind = 1 + self.n_thresholds
        latents = f" and latents {results[behind:].tolist()}" if len(results) > behind else ""
        return f"score {results[0]} and decisions {results[1:behind].tolist()}{latents}"


@dataclass
class WrapperResult:
    """What the run of one wrapper showed."""

    file: str
    protocol: str
    events: int = 0  # taken in
    forgotten_events: int = 0  # of these, by a reset
    mismatched_events: int = 0  # wrong, lost, repeated or out of order
    failure: str | None = None  # the first

    def fail(self, clock: int, what: str) -> None:
        """Count an event that is not as it should be."""
        self.mismatched_events += 1
        self.break_rule(clock, what)

    def break_rule(self, clock: int, what: str) -> None:
        """Note what is wrong, of which the first is told."""
        self.failure = self.failure or f"clock {clock}: {what}"

    def entry(self) -> WrapperCheck:
        """Give the entry of `rtl.json`."""
        return WrapperCheck(**vars(self))


def drive_wrappers(
    simulation: RtlSimulation, project: Path, stimulus: Stimulus, seed: int
) -> tuple[WrapperCheck, ...]:  # fmt: skip
    """Drive both wrappers with some events and follow their protocols.

    Raises
    ------
    CheckFailed
        If a wrapper does not say how many results it can hold.
    """
    rng = np.random.default_rng([seed, len(stimulus.hardware)])
    order = rng.permutation(len(stimulus.hardware))  # so that neighbours differ
    stimulus = stimulus._replace(hardware=stimulus.hardware[order], golden=stimulus.golden[order])
    name = simulation.design.name
    valid = _drive_valid(simulation, f"{name}_valid.v", stimulus, rng)
    axis = _drive_axis(simulation, project / VERILOG_FOLDER / f"{name}_axis.v", stimulus, rng)
    return valid.entry(), axis.entry()


def _drive_valid(
    simulation: RtlSimulation, file: str, stimulus: Stimulus, rng: np.random.Generator
) -> WrapperResult:  # fmt: skip
    """Check that each event comes out LATENCY clocks after it went in, unless a reset comes, and nothing else."""
    latency, n = simulation.design.latency_cycles, len(stimulus.hardware)
    in_valid = np.concatenate([rng.random(n // len(_VALID_SHARES) + 1) < share for share in _VALID_SHARES])
    in_valid = np.concatenate([in_valid, np.zeros(latency + 1, dtype=bool)])
    reset = _resets(len(in_valid), latency, rng)
    shown = rng.integers(n, size=len(in_valid))
    shown[in_valid] = np.arange(in_valid.sum()) % n
    out_valid, codes = simulation.drive_valid(stimulus.hardware[shown], in_valid, reset)
    out_valid[0] = False  # what stands there in front of the first edge is from before the reset
    resets_before = np.concatenate([[0], np.cumsum(reset)])
    taken = np.flatnonzero(in_valid)
    due = taken[taken + latency < len(in_valid)] + latency
    due = due[resets_before[due] == resets_before[due - latency]]
    result = WrapperResult(file, "valid", len(taken), len(taken) - len(due))
    expected = np.zeros(len(in_valid), dtype=bool)
    expected[due] = True
    wrong = np.zeros(len(in_valid), dtype=bool)
    wrong[due] = (codes[due] != stimulus.golden[shown[due - latency]]).any(axis=1)
    for clock in np.flatnonzero((out_valid != expected) | (expected & wrong)).tolist():
        if not expected[clock]:
            result.fail(clock, "out_valid is set, but no event is due")
        elif not out_valid[clock]:
            result.fail(clock, f"out_valid is not set, but the event that went in at clock {clock - latency} is due")
        else:
            found = stimulus.said(codes[clock], shown[clock - latency])
            result.fail(clock, f"the event that went in at clock {clock - latency} gave {found}")
    return result


def _resets(n_clocks: int, latency: int, rng: np.random.Generator) -> Flags:
    """Give resets of several lengths, some behind each other, between stretches in which the whole pipeline fills."""
    reset = np.zeros(n_clocks, dtype=bool)
    reset[:2] = True
    clock = 2
    while (clock := clock + int(rng.integers(1, 6 * latency))) < n_clocks - 3 * latency:
        length = int(rng.choice(_RESET_CLOCKS))
        reset[clock : clock + length] = True
        clock += length
    return reset


class _Phase(NamedTuple):
    """Some clocks of the AXI4-Stream wrapper's drive."""

    share_offered: float
    share_ready: float
    n_clocks: int
    reset_clocks: int = 0  # at its begin


def _phases(n_events: int, latency: int, rng: np.random.Generator) -> list[_Phase]:
    """Give every pair of shares, emptied behind each, then all of them cut off by resets wherever events stand."""
    n_clocks = n_events // len(_AXIS_SHARES) // 2 + 4 * latency + 16
    empty = _Phase(0.0, 1.0, 4 * latency + 16)
    phases = [_Phase(0.0, 1.0, 2, 2)]
    for share_offered, share_ready in _AXIS_SHARES:
        phases += [_Phase(share_offered, share_ready, n_clocks), empty]
    left = len(_AXIS_SHARES) * n_clocks
    while left > 0:
        shares = _AXIS_SHARES[int(rng.integers(len(_AXIS_SHARES)))]
        length = int(rng.integers(2, 5 * latency))
        phases.append(_Phase(*shares, length, int(rng.choice((*_RESET_CLOCKS, 0)))))
        left -= length
    return [*phases, _Phase(1.0, 0.0, n_clocks), empty]  # all places are free again, and every event comes out


def _drive_axis(
    simulation: RtlSimulation, file: Path, stimulus: Stimulus, rng: np.random.Generator
) -> WrapperResult:  # fmt: skip
    """Follow the events through: what is taken comes out, in order and with its tlast, unless a reset comes."""
    latency = simulation.design.latency_cycles
    places = _places(file)
    phases = _phases(len(stimulus.hardware), latency, rng)
    offer = np.concatenate([rng.random(p.n_clocks) < p.share_offered for p in phases])
    ready = np.concatenate([rng.random(p.n_clocks) < p.share_ready for p in phases])
    reset = np.concatenate([np.arange(p.n_clocks) < p.reset_clocks for p in phases])
    last = rng.random(len(stimulus.hardware)) < 0.5
    recorded = simulation.drive_axis(stimulus.hardware, last, offer, ready, reset)
    result = WrapperResult(file.name, "AXI4-Stream")
    if places < latency + 2:
        result.break_rule(0, f"its {places} places are too few for an event a clock, which takes {latency + 2}")
    follower = _Follower(result, recorded, stimulus, last, places)
    for clock, (receives, resets) in enumerate(zip(ready.tolist(), reset.tolist(), strict=True)):
        follower.reset(clock) if resets else follower.step(clock, receives)
    for event in follower.under_way:
        result.fail(len(reset), f"event {event} was taken, and never came out")
    return result


def _places(file: Path) -> int:
    found = _PLACES.search(file.read_text(encoding="utf-8"))
    if found is None:
        raise CheckFailed(f"{file} has no parameter DEPTH_BITS; correct it, or run the stage `trace` with --force")
    return 1 << int(found[1])


class _Follower:
    """Follows the events of the AXI4-Stream wrapper clock by clock."""

    def __init__(self, result: WrapperResult, recorded: Recorded, stimulus: Stimulus, last: Flags, places: int) -> None:
        self.under_way: deque[int] = deque()  # taken, and not yet out
        self._result = result
        self._recorded = recorded
        self._stimulus = stimulus
        self._last = last
        self._places = places
        self._offer: tuple[int, ...] | None = None  # a result that waits for the receiver
        self._in_reset = False

    def reset(self, clock: int) -> None:
        """Forget every event: nothing may be taken, nor offered from the second clock on."""
        if self._recorded.tready[clock]:
            self._result.break_rule(clock, "s_axis_tready is set in a reset")
        if self._in_reset and self._recorded.tvalid[clock]:
            self._result.break_rule(clock, "a result is offered in a reset")
        self._result.forgotten_events += len(self.under_way)
        self.under_way.clear()
        self._offer = None
        self._in_reset = True

    def step(self, clock: int, receives: bool) -> None:
        """Go on by a clock."""
        self._in_reset = False
        has_place = len(self.under_way) < self._places
        self._result_offered(clock, receives)
        takes = bool(self._recorded.tready[clock])
        if takes != has_place:
            what = "set, but all places are promised" if takes else "not set, although a place is free"
            self._result.break_rule(clock, f"s_axis_tready is {what}")
        if takes and (event := int(self._recorded.offered[clock])) >= 0:
            self.under_way.append(event)
            self._result.events += 1

    def _result_offered(self, clock: int, receives: bool) -> None:
        """Look at the result that is offered: it stays until it is taken, and is that of the oldest event."""
        shown = self._recorded
        offer = (int(shown.tlast[clock]), int(shown.above[clock]), *shown.codes[clock].tolist())
        if self._offer is not None and (not shown.tvalid[clock] or offer != self._offer):
            self._result.break_rule(clock, "a result that was offered is changed or taken back")
        self._offer = None
        if not shown.tvalid[clock]:
            return
        if not receives:
            self._offer = offer
        elif not self.under_way:
            self._result.fail(clock, "a result comes out that no event asked for")
        else:
            event = self.under_way.popleft()
            expected = (int(self._last[event]), 0, *self._stimulus.golden[event].tolist())
            if offer != expected:
                what = self._stimulus.said(np.array(offer[2:]), event)
                what += "".join(
                    f", {name} {found} instead of {due}"
                    for name, found, due in zip(("tlast", "bits above the result"), offer, expected, strict=False)
                    if found != due
                )
                self._result.fail(clock, f"event {event} gave {what}")
