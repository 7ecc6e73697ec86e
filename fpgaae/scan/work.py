"""The tasks of a scan as its workers run them, and of `repeat`: events, reference, trial; no stage is run twice.

A worker is a process of its own that may have run other trials before: nothing of those may be left in it. Only here
TensorFlow is brought up, with one thread.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from fpgaae import pipeline
from fpgaae.errors import FpgaaeError
from fpgaae.optional import require
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.scan import BaselineResult, TrialResult
from fpgaae.runs.run import RunOptions, StageRun, run_stage

Hashes = Mapping[str, str]
COUNTING = "the cost of a variant is counted with it"  # why da4ml is needed


class Done(NamedTuple):
    """How a task ended: `error` is the sentence where it failed."""

    error: str | None = None


def make_events(experiment: Experiment, hashes: Hashes) -> Done:
    """Read the events and split them."""
    return _guarded(lambda: pipeline.run(experiment, "data", RunOptions(), hashes))


def make_reference(experiment: Experiment, hashes: Hashes, events: Done) -> Done:
    """Train the float network that trials start from, and measure it."""

    def work() -> None:
        pipeline.run(experiment, "reference", RunOptions(), hashes)
        run_stage(experiment, BaselineResult, _baseline, hashes, RunOptions())

    return events if events.error else _guarded(work)


def make_trial(experiment: Experiment, hashes: Hashes, reference: Done) -> Done:
    """Train or round one quantized network, and measure it."""

    def work() -> None:
        pipeline.run(experiment, "train", RunOptions(), hashes)
        run_stage(experiment, TrialResult, _trial, hashes, RunOptions())

    return reference if reference.error else _guarded(work)


def make_repetition(experiment: Experiment, hashes: Hashes) -> None:
    """Train one seed of an experiment, from the events on, and measure it; raise what is wrong."""
    with _one_training():
        for stage in ("data", "reference", "train"):
            pipeline.run(experiment, stage, RunOptions(), hashes)
        run_stage(experiment, TrialResult, _trial, hashes, RunOptions())


def _baseline(run: StageRun) -> BaselineResult:
    require("da4ml", COUNTING)
    from fpgaae.scan.trial import run_baseline  # noqa: PLC0415

    return run_baseline(run)


def _trial(run: StageRun) -> TrialResult:
    require("da4ml", COUNTING)
    from fpgaae.scan.trial import run_trial  # noqa: PLC0415

    return run_trial(run)


def _guarded(work: Callable[[], object]) -> Done:
    """Give the sentence of an expected error to the scan, which goes on with the other trials; a defect ends it."""
    try:
        with _one_training():
            work()
    except FpgaaeError as error:
        return Done(str(error))
    return Done()


@contextmanager
def _one_training() -> Iterator[None]:
    """Bring TensorFlow up, and leave nothing of a training in this process."""
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    for noisy in ("absl", "tensorflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        prepare(n_threads=1)
        yield
    finally:
        _forget_models()


def _forget_models() -> None:
    """Give the memory of this task's networks back."""
    for name in ("tf_keras", "keras"):
        if name in sys.modules:
            sys.modules[name].backend.clear_session()
    gc.unfreeze()  # the training loop froze what was there when it began
    gc.collect()
