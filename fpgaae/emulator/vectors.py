"""The events of an emulator's self-test: some of every origin, and those in which an error of a unit shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpgaae.emulator.weight_events import weight_events
from fpgaae.fixedpoint import ChannelTypes, Codes, requantize
from fpgaae.golden.edges import changed_integers
from fpgaae.golden.extremes import extreme_event
from fpgaae.golden.layers.rounding import Quantizer
from fpgaae.golden.reach import reachable_ends
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.stimulus import EDGES, LAYERS, Stimuli

_VECTORS_AN_ORIGIN = 200
_EVENTS_A_CASE = 8  # of each unit, where the stimulus has so many
_PROGRAMS = 16  # linear programs at most, each of seconds
_ROUNDS = 40  # uphill, for a unit that is zero in all of them
_PARENTS, _CHILDREN = 64, 512  # of a round
_BUDGET = 500_000  # events that the search runs at most
_BATCH, _BATCHES = 2000, 5  # of events that are looked at for what else the weights change
_NOT_ZERO = "not zero"


def self_test_events(stimuli: Stimuli, trigger: GoldenTrigger, seed: int) -> Codes:
    """Give words of the ports (n_events, n_features) of every origin, all at the edges, and events of rare cases.

    For a unit that is zero in all events, a search with the golden network goes uphill in what its quantizer reads; for
    each weight, events are chosen in which one LSB more or less of it changes the score.
    """
    parts = [codes for _, codes in stimuli.few(_VECTORS_AN_ORIGIN)]
    left = {
        name: np.maximum(_EVENTS_A_CASE - np.count_nonzero(cases, axis=0), 0)
        for name, cases in _cases(trigger, np.concatenate(parts))
    }
    for source in stimuli.sources():
        if source.origin in {EDGES, LAYERS}:
            continue
        hardware = stimuli.make(source).hardware[_VECTORS_AN_ORIGIN if source.start == 0 else 0 :]
        if len(hardware) and any(counts.any() for counts in left.values()):
            parts.append(hardware[_rare(trigger, hardware, left)])
    rng = np.random.default_rng(seed)
    known = np.concatenate([*parts, _uphill(trigger, np.concatenate(parts), left, rng)])
    more = (
        codes[start : start + _BATCH]
        for _, codes in stimuli.few(_BATCH * _BATCHES, whole=())
        for start in range(0, len(codes), _BATCH)
    )
    return np.concatenate([known, weight_events(trigger, known, more, rng)])


def _uphill(trigger: GoldenTrigger, known: Codes, left: dict[str, Codes], rng: np.random.Generator) -> Codes:
    """Give the events that are highest in what the quantizers of units read that no known event takes off zero.

    A search from the highest known ones, and from the one that a linear program gives.
    """
    low, high = trigger.features.port_limits
    found = [known[:0]]
    budget, programs = _BUDGET, _PROGRAMS
    for name, (_, largest) in reachable_ends(trigger).items():
        counts = left.get(f"{name}, {_NOT_ZERO}", np.zeros(len(largest)))
        for unit in np.flatnonzero((counts == _EVENTS_A_CASE) & (largest > 0)).tolist():
            (sums,) = trigger.network[name].inputs
            highest = extreme_event(trigger, sums, unit, 1) if programs else None
            programs -= programs > 0
            events = known if highest is None else np.stack([highest, *known])
            for _ in range(_ROUNDS):
                if budget < len(events):
                    break
                budget -= len(events)
                values = trigger.run(events)[sums].codes[:, unit]
                parents = events[np.argsort(-values, kind="stable")[:_PARENTS]]
                events = np.concatenate([parents, changed_integers(parents, low, high, _CHILDREN, rng)])
            found.append(events[:_EVENTS_A_CASE])
    return np.concatenate(found)


def _cases(trigger: GoldenTrigger, hardware: Codes) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Give cases in which an error of a unit shows: it is not zero, or one LSB more or less is rounded to another code.

    By name, (n_events, size) whether each event is such a case for each unit.
    """
    tensors, network = trigger.run(hardware), trigger.network
    for layer in network.layers:
        if not isinstance(layer, Quantizer) or isinstance(layer.types, ChannelTypes):
            continue
        codes, source = tensors[layer.name].codes, tensors[layer.inputs[0]]
        yield f"{layer.name}, {_NOT_ZERO}", codes != 0
        for step in (-1, 1):
            moved = requantize(layer.activate(source.codes + step), source.fraction, layer.types)
            yield f"{layer.name}, {step} LSB", moved != codes


def _rare(trigger: GoldenTrigger, hardware: Codes, left: dict[str, Codes]) -> list[int]:
    """Choose events of rare cases; `left` counts how many each unit still needs of each."""
    rows: dict[int, None] = {}
    for name, cases in _cases(trigger, hardware):
        for unit in np.flatnonzero(left[name]).tolist():
            found = np.flatnonzero(cases[:, unit])[: left[name][unit]]
            left[name][unit] -= len(found)
            rows |= dict.fromkeys(found.tolist())
    return list(rows)
