"""What became of the mutants of a target: caught by its check, proven to compute the same, or missed.

A mutant that is not caught must be proven equivalent; one that is neither was missed, and the check has a hole.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

from fpgaae.hls.mutant import Made, Mutant
from fpgaae.progress import Progress
from fpgaae.runs.results.mutants import MutantEntry, MutantsResult

_LOGGER = logging.getLogger(__name__)


class Outcome(str, Enum):
    """What became of a mutant."""

    CAUGHT = "caught"
    EQUIVALENT = "equivalent"
    MISSED = "missed"


class Verdict(NamedTuple):
    """A mutant's outcome: what caught it and which layer was named, or the proof that it computes the same."""

    outcome: Outcome
    by: str
    named_layer: str | None = None
    detail: str = ""
    attributed: bool | None = None  # whether the check named the right layer, where it names layers


MISSED = Verdict(Outcome.MISSED, "nothing")


T = TypeVar("T")


class Timed(NamedTuple, Generic[T]):
    """What a mutant was judged, and how long that took."""

    verdict: T
    seconds: float


class Judge(Protocol):
    """The check of a target, set up for one sound project."""

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Build a mutant, run the check on it, and where that does not catch it, look for a proof."""


def same_program(what: str = "the compiler makes the same machine code") -> Verdict:
    """Give the verdict of a mutant that is built to the same bytes."""
    return Verdict(Outcome.EQUIVALENT, "machine code", detail=what)


def uncaught(mutant: Mutant, proof: str | None) -> Verdict:
    """Give the verdict of a mutant that the check did not catch."""
    proof = proof or mutant.proof
    return MISSED if proof is None else Verdict(Outcome.EQUIVALENT, "proof", detail=proof)


def judge_all(judge: Judge, made: Made, seed: int, progress: Progress, n_processes: int | None = None) -> MutantsResult:
    """Judge the mutants, several at a time, and count what became of them.

    Parameters
    ----------
    n_processes
        How many at a time; by default as many as there are cores.
    """
    started = time.perf_counter()
    verdicts = [*judged(_logged(judge), made.mutants, progress, n_processes)]
    entries = tuple(_entry(*judged) for judged in zip(made.mutants, verdicts, strict=True))
    counts = Counter(entry.outcome for entry in entries)
    missed = counts[Outcome.MISSED.value]
    misattributed = sum(entry.attributed is False for entry in entries)
    return MutantsResult(
        total=len(entries),
        caught=counts[Outcome.CAUGHT.value],
        equivalent=counts[Outcome.EQUIVALENT.value],
        missed=missed,
        misattributed=misattributed,
        seed=seed,
        seconds=round(time.perf_counter() - started, 1),
        mutants=entries,
        passed=not missed and not misattributed,
        not_made=made.not_made,
    )


def _logged(judge: Judge) -> Callable[[int, Mutant], Verdict]:
    def verdict_of(index: int, mutant: Mutant) -> Verdict:
        verdict = judge.judge(index, mutant)
        _LOGGER.info("%s: %s; %s (%s)", verdict.outcome.value, mutant.description, verdict.by, verdict.detail)
        return verdict

    return verdict_of


def judged(
    judge: Callable[[int, Mutant], T], mutants: Sequence[Mutant], progress: Progress, n_processes: int | None = None
) -> Iterator[Timed[T]]:
    """Judge mutants, several at a time, in their order.

    Parameters
    ----------
    n_processes
        How many at a time; by default as many as there are cores.
    """

    def timed(index: int, mutant: Mutant) -> Timed[T]:
        started = time.perf_counter()
        return Timed(judge(index, mutant), round(time.perf_counter() - started, 2))

    n_processes = n_processes or len(os.sched_getaffinity(0))
    with progress.task("mutants", len(mutants)) as task, ThreadPoolExecutor(n_processes) as pool:
        for found in pool.map(timed, range(len(mutants)), mutants):
            task.advance(1)
            yield found


def _entry(mutant: Mutant, judged: Timed[Verdict]) -> MutantEntry:
    verdict = judged.verdict
    return MutantEntry(
        damage=str(mutant.damage.value),
        layer=mutant.layer,
        description=mutant.description,
        outcome=verdict.outcome.value,
        by=verdict.by,
        named_layer=verdict.named_layer,
        attributed=verdict.attributed,
        detail=verdict.detail,
        seconds=judged.seconds,
    )


def missed_sentence(result: MutantsResult) -> str:
    """Say in one sentence which mutant slipped through, or whose layer was not named."""
    wrong = [m for m in result.mutants if m.outcome == Outcome.MISSED.value or m.attributed is False]
    first = wrong[0]
    if first.outcome == Outcome.MISSED.value:
        return f"{result.missed} of {result.total} mutants were missed; first {first.description}"
    return (
        f"{result.misattributed} of {result.total} mutants were caught in another layer; first "
        f"{first.description}, of layer {first.layer}, was seen in {first.named_layer}"
    )
