"""Thresholds loaded into a compiled project, set after set, and its decisions beside those of the golden network.

Only the decision reads a threshold, and it reads nothing but the score: few events, and many sets with codes at their
scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.loaded_thresholds import threshold_sets, with_loaded
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.csim_library import CsimLibrary
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.stimulus import Stimuli
from fpgaae.hls.synthesized_branch import SynthesizedLibrary
from fpgaae.runs.results.csim import Mismatch, ReloadedThresholds

_ORIGIN = "loaded thresholds"
_EVENTS_AN_ORIGIN = 30
_SYNTHESIZED_EVENTS = 10


class Loads(NamedTuple):
    """Events, sets of thresholds that are loaded one after the other, and the golden score and decisions.

    What the branch that is synthesized is given, `alone`, are scores at the thresholds of each set, which no event may
    have, and those of the first events.
    """

    words: Codes  # (n_events, n_features) of the ports
    scores: Codes  # (n_events,)
    sets: Codes  # (n_sets, n_thresholds)
    accept: Codes  # (n_sets, n_events, n_thresholds)
    alone: Codes  # (n_sets, n_scores)
    accept_alone: Codes  # (n_sets, n_scores, n_thresholds)

    @classmethod
    def of(cls, trigger: GoldenTrigger, stimuli: Stimuli, seed: int) -> Loads:
        """Take the first events of each origin; the trained thresholds are the first set."""
        words = np.concatenate([events for _, events in stimuli.few(_EVENTS_AN_ORIGIN, whole=())])
        scores, of = trigger.scores(words), trigger.accept.threshold_type
        sets = np.concatenate([trigger.thresholds[None], threshold_sets(trigger.accept, scores, seed)])
        triggers = [with_loaded(trigger, codes) for codes in sets]
        near = [np.clip(one.accept.corners(one.network.score)[0][:, 0], of.min_code, of.max_code) for one in triggers]
        alone = [np.concatenate([codes, scores[:_SYNTHESIZED_EVENTS]]) for codes in near]

        def decided(given: Sequence[Codes]) -> Codes:
            tensors = (Tensor(codes[:, None], of.fraction) for codes in given)
            return np.stack([one.accept.run([scores]).codes for one, scores in zip(triggers, tensors, strict=True)])

        return cls(words, scores, sets, decided([scores] * len(sets)), np.stack(alone), decided(alone))


class Wrong(NamedTuple):
    """The first decision that differs: the set of thresholds, which of its bits, the score, and what was found."""

    thresholds: tuple[int, ...]
    place: int
    event: int
    score: int
    expected: int

    @property
    def mismatch(self) -> Mismatch:
        """Give it as that of the layer of the decisions."""
        return Mismatch(ACCEPT_LAYER, self.place, self.event, _ORIGIN, self.expected, 1 - self.expected, 1, 1.0)

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"decision {self.place} of the score {self.score:,} is {1 - self.expected} with the thresholds "
            f"{', '.join(f'{code:,}' for code in self.thresholds)} loaded"
        )


class Decided(NamedTuple):
    """How many decisions were compared and differ, and the first of these."""

    compared: int
    differing: int
    first: Wrong | None


def decide_loaded(library: CsimLibrary, loads: Loads) -> Decided:
    """Load each set into the project that the C simulation sees, run all events, and compare the decisions."""
    found = []
    for codes in loads.sets:
        library.load_thresholds(codes)
        found.append(list(library.run_objects(loads.words).values())[-1])
    return _compared(loads.sets, np.broadcast_to(loads.scores, (len(found), len(loads.scores))), loads.accept, found)


def decide_synthesized(library: SynthesizedLibrary, loads: Loads) -> Decided:
    """Load each set into the branch that is synthesized, whose decision gets scores, and whose block gets events."""
    few = loads.words[:_SYNTHESIZED_EVENTS]
    found = []
    for codes, scores in zip(loads.sets, loads.alone, strict=True):
        library.load_thresholds(codes)
        near = scores[: len(scores) - len(few), None]
        decided = np.concatenate([library.decide(near, np.zeros_like(near)), library.run(few)[:, : 1 + len(codes)]])
        found.append(decided[:, 1:].astype(np.int64))
    return _compared(loads.sets, loads.alone, loads.accept_alone, found)


def _compared(sets: Codes, scores: Codes, accept: Codes, found: Sequence[Codes]) -> Decided:
    if wrong_shape := [codes.shape for codes in found if codes.shape != accept.shape[1:]]:
        raise CheckFailed(f"the project makes decisions of the shape {wrong_shape[0]}, not {accept.shape[1:]}")
    wrong = np.argwhere(np.stack(found) != accept)
    first = None
    if len(wrong):
        number, event, place = wrong[0].tolist()
        first = Wrong(
            tuple(sets[number].tolist()), place, event, int(scores[number, event]), int(accept[number, event, place])
        )
    return Decided(accept.size, len(wrong), first)


def compare_loaded_thresholds(simulation: Simulation, synthesized: Path, seed: int) -> ReloadedThresholds:
    """Load other thresholds over the trained ones into both branches, and compare every decision.

    Raises
    ------
    CheckFailed
        If a branch takes or makes another number than was converted.
    """
    trigger = simulation.trigger()
    loads = Loads.of(trigger, simulation.stimuli(), seed)
    library, branch = CsimLibrary(simulation.library), SynthesizedLibrary(synthesized)
    library.load_weights(simulation.port_codes())
    parts = {"": decide_loaded(library, loads), "synthesized branch: ": decide_synthesized(branch, loads)}
    first = next((f"{where}{part.first}" for where, part in parts.items() if part.first is not None), None)
    differing = sum(part.differing for part in parts.values())
    return ReloadedThresholds(
        passed=differing == 0,
        seed=seed,
        sets=len(loads.sets),
        events=len(loads.words),
        decisions=sum(part.compared for part in parts.values()),
        decision_flips=differing,
        first_mismatch=first,
    )
