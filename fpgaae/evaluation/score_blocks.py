"""Scores of blocks of events by workers, in part files that survive a kill; the networks are opened once in each.

What the networks are does not belong here. This module imports TensorFlow where it scores.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.cluster import open_workers
from fpgaae.data.inputs import BLOCK_EVENTS, open_split
from fpgaae.data.parts import part_files, read_arrays, write_part
from fpgaae.errors import InputError
from fpgaae.evaluation.baseline_scores import Score
from fpgaae.files import sha256_of_text
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import recorded_hashes
from fpgaae.runs.run import StageRun
from fpgaae.tensorflow_setup import prepare, used_threads

_OPEN: dict[str, dict[str, Score]] = {}  # the networks of the latest run, by its name


class ScoringJob(NamedTuple):
    """A process, and where its scores go; every path is the same for all workers."""

    experiment: Experiment
    run: str  # a name of its own, since networks may be trained anew meanwhile
    process: str
    n_events: int
    parts: Path
    n_threads: int  # of TensorFlow, which cuts its sums by them


def parts_folder(run: StageRun) -> Path:
    """Give the folder of the part files, which are of exactly these networks and events."""
    made_of = [recorded_hashes(run.upstream(stage)) for stage in ("data", "reference", "train")]
    key = sha256_of_text(json.dumps([made_of, used_threads()], sort_keys=True))[:16]
    return run.scratch.absolute() / f"scores-{key}-of-{BLOCK_EVENTS}"


def score_by_workers(run: StageRun, lengths: Mapping[str, int]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Let workers score the first test events of each process with every network; give them by model and process."""
    name, experiment, n_threads = uuid.uuid4().hex, _anywhere(run.experiment), used_threads()
    jobs = [
        ScoringJob(experiment, name, process, n_events, parts_folder(run) / f"{index:03d}", n_threads)
        for index, (process, n_events) in enumerate(lengths.items())
    ]
    calls = [(job, index) for job in jobs for index in range(len(_files(job)))]
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    with run.progress.task("scores", sum(lengths.values())) as task, open_workers(run.workers) as do:
        for (job, index), n_events in zip(calls, do(score_block, calls), strict=True):
            for model, scores in read_arrays(_files(job)[index]).items():
                found.setdefault(model, {}).setdefault(job.process, []).append(scores)
            task.advance(n_events)
    return {model: {p: np.concatenate(parts) for p, parts in own.items()} for model, own in found.items()}


def _files(job: ScoringJob) -> list[Path]:
    return part_files(job.parts, job.n_events, BLOCK_EVENTS)


def _anywhere(experiment: Experiment) -> Experiment:
    """Give the experiment as it is found from every folder."""
    return replace(
        experiment,
        config_file=experiment.config_file.absolute(),
        folder=experiment.folder.absolute(),
        shared={stage: folder.absolute() for stage, folder in experiment.shared.items()},
    )


def score_block(job: ScoringJob, index: int) -> int:
    """Write the scores of a block unless they are there, and give the number of its events."""
    file, first = _files(job)[index], index * BLOCK_EVENTS
    last = min(first + BLOCK_EVENTS, job.n_events)
    if not file.is_file():
        networks = _networks(job)
        codes = open_split(_run(job), "test").store.read(job.process, "test", first, last)
        job.parts.mkdir(parents=True, exist_ok=True)
        write_part(file, {model: score(codes) for model, score in networks.items()})
    return last - first


def _run(job: ScoringJob) -> StageRun:
    return StageRun(job.experiment, job.parts, job.parts, {})


def _networks(job: ScoringJob) -> dict[str, Score]:
    if job.run not in _OPEN:
        prepare(n_threads=job.n_threads)
        if used_threads() != job.n_threads:
            raise InputError(
                f"a worker has TensorFlow with {used_threads()} threads and not {job.n_threads}, so that its scores "
                "would differ in their last bits; start the workers anew"
            )
        from fpgaae.evaluation.networks import open_networks  # noqa: PLC0415

        _OPEN.clear()
        _OPEN[job.run] = open_networks(_run(job), open_split(_run(job), "train"))
    return _OPEN[job.run]
