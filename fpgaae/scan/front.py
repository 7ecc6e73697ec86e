"""The front of a scan as experiments of their own: their files, and run folders up to the trained network.

A training elsewhere, or on another number of threads, ends with slightly other weights; so the network that was
measured is handed over, not trained again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from fpgaae.data.store import EVENTS_FILE
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.base import Result, StageResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.reference import ReferenceResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import RunOptions, StageRun, run_stage
from fpgaae.scan.layout import make_trial, point_label, write_config
from fpgaae.scan.plan import Scan, Values

_RESULTS: tuple[type[StageResult], ...] = (DataResult, ReferenceResult, TrainResult)


def write_front(scan: Scan, folder: Path, runs: Path, points: list[Values], hashes: Mapping[str, str]) -> list[str]:
    """Write an experiment for each point of the front, with the first seed, and its run folder up to `train`.

    Experiments of an earlier front are removed, their run folders stay.

    Raises
    ------
    InputError
        If a run folder of that name was edited by hand.
    """
    seed = scan.settings.seeds[0]
    written = []
    for values in points:
        file = folder / "front" / f"{scan.name}-{point_label(values)}.yaml"
        write_config(file, scan.config(values, seed), f"A point on the front of {scan.file.name}, seed {seed}.")
        source = make_trial(scan, folder, values, seed, hashes).experiment
        experiment = open_experiment(file, runs)
        for kind in _RESULTS:
            run_stage(experiment, kind, _copy_of(source, kind), hashes, RunOptions())
        written.append(file)
    for file in (folder / "front").glob("*.yaml"):
        if file not in written:
            file.unlink()
    return [str(file) for file in written]


def _copy_of(source: Experiment, kind: type[Result]) -> Callable[[StageRun], Result]:
    """Give the work of a stage whose results are those of a trial."""

    def work(run: StageRun) -> Result:
        shutil.copytree(source.stage_folder(kind.STAGE), run.folder, dirs_exist_ok=True, copy_function=_link_events)
        return source.result(kind)

    return work


def _link_events(source: str, target: str) -> None:
    """Copy a file, but let the events, which may be large, lie on the disk once where the file system can."""
    if Path(source).name == EVENTS_FILE:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
