"""What `prove` says of mutants, and whether simulation agrees: nothing may lie between refuted and proven."""

from __future__ import annotations

import logging
import time
from collections import Counter
from enum import Enum
from typing import NamedTuple, Protocol

from fpgaae.hls.mutant import Made, Mutant
from fpgaae.hls.verdicts import judged
from fpgaae.progress import Progress
from fpgaae.runs.results.mutants import ProveMutantsResult, ProvenMutant

_LOGGER = logging.getLogger(__name__)


class Outcome(str, Enum):
    """What became of a mutant."""

    REFUTED = "refuted"  # and the event that shows it was replayed
    PROVEN = "proven"  # to compute the same
    OPEN = "open"
    WRONG = "wrong"  # simulation says otherwise


class Verdict(NamedTuple):
    """What is said of a mutant, and by what."""

    outcome: Outcome
    by: str
    detail: str = ""


class Judge(Protocol):
    """The proof of a target, set up for one sound project."""

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Prove a mutant, or refute it with an event that is replayed; nothing is simulated before."""

    def contradicted(self, index: int, mutant: Mutant) -> str | None:
        """Simulate a mutant that is said to compute the same, and say where it does not."""


def judge_all(
    judge: Judge, made: Made, target: str, seed: int, fingerprint: str, progress: Progress
) -> ProveMutantsResult:  # fmt: skip
    """Judge the mutants of a target, and count what became of them."""
    started = time.perf_counter()

    def verdict_of(index: int, mutant: Mutant) -> Verdict:
        verdict = judge.judge(index, mutant)
        if verdict.outcome is Outcome.PROVEN and (said := judge.contradicted(index, mutant)) is not None:
            verdict = Verdict(Outcome.WRONG, verdict.by, f"{verdict.detail}; but {said}")
        _LOGGER.info("%s: %s; %s (%s)", verdict.outcome.value, mutant.description, verdict.by, verdict.detail)
        return verdict

    verdicts = [*judged(verdict_of, made.mutants, progress)]
    entries = tuple(
        ProvenMutant(
            damage=str(mutant.damage.value),
            layer=mutant.layer,
            description=mutant.description,
            outcome=timed.verdict.outcome.value,
            by=timed.verdict.by,
            detail=timed.verdict.detail,
            seconds=timed.seconds,
        )
        for mutant, timed in zip(made.mutants, verdicts, strict=True)
    )
    counts = Counter(entry.outcome for entry in entries)
    of = {outcome: counts[outcome.value] for outcome in Outcome}
    return ProveMutantsResult(
        target=target,
        total=len(entries),
        refuted=of[Outcome.REFUTED],
        proven=of[Outcome.PROVEN],
        open=of[Outcome.OPEN],
        wrong=of[Outcome.WRONG],
        seed=seed,
        seconds=round(time.perf_counter() - started, 1),
        mutants=entries,
        passed=not of[Outcome.OPEN] and not of[Outcome.WRONG],
        fingerprint=fingerprint,
        not_made=made.not_made,
    )


def undecided_sentence(result: ProveMutantsResult) -> str:
    """Say in one sentence which mutant is open, or which verdict is wrong."""
    wrong = [mutant for mutant in result.mutants if mutant.outcome == Outcome.WRONG.value]
    if wrong:
        first = wrong[0]
        return f"{len(wrong)} of {result.total} verdicts are wrong; first {first.description}: {first.detail}"
    left = [mutant for mutant in result.mutants if mutant.outcome == Outcome.OPEN.value]
    return (
        f"{len(left)} of {result.total} mutants are neither refuted nor proven to compute the same; first "
        f"{left[0].description}: {left[0].detail}"
    )
