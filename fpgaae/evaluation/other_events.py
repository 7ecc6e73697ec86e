"""`fpgaae evaluate CONFIG --events OTHER.yaml`: a finished experiment on the events of another config, with signals.

The network, its scaling and its thresholds stay; of the other config only the section `data` counts. This module
imports TensorFlow.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.data.inputs import open_split
from fpgaae.data.readers import event_files, event_hashes
from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import FIRMWARE
from fpgaae.evaluation.cuts import follow
from fpgaae.evaluation.other_files import OtherFiles
from fpgaae.evaluation.results import evaluate_scores
from fpgaae.evaluation.scoring import open_scorers
from fpgaae.files import lock, write_json
from fpgaae.fixedpoint import Codes, values_of
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.metrics import OtherEvents
from fpgaae.runs.run import StageRun

_CHUNK = 16_384
_log = logging.getLogger(__name__)


class _Sample(NamedTuple):
    """Events of a process: groups and columns in the order of the codes."""

    codes: Codes
    groups: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


def load_other(experiment: Experiment, file: Path) -> Config:
    """Load the config that names other events.

    Raises
    ------
    InputError
        If its layout is another than the one that the network was trained on.
    """
    config = load_config(file)
    if config.data.hardware != experiment.config.data.hardware:
        raise InputError(
            f"{file} has another `data.hardware` than {experiment.config_file}, whose network can't read its events; "
            "give the same objects, bits and steps"
        )
    return config


def run_other_events(experiment: Experiment, file: Path, progress: Progress) -> OtherEvents:
    """Score the events of another config with every model, and write `events_NAME.json` beside `metrics.json`.

    The stage `evaluate` is done. All events count, in whichever split they would be, at most
    `csim.max_events_per_process` of a process. The firmware's scores are those of the golden network, which `csim`
    proved it equal to.

    Raises
    ------
    InputError
        If the other config or its files are wrong.
    """
    other = load_other(experiment, file)
    config = experiment.config.model_copy(update={"data": other.data})
    run = StageRun(experiment, experiment.stage_folder("evaluate"), experiment.folder, {}, progress=progress)
    split = open_split(run, "train")
    golden = GoldenTrigger.load(experiment.stage_folder("convert"), split.features).behind_words
    fraction = golden.network.score.type.fraction
    with lock(experiment.folder):
        models = open_scorers(run, split)
        models[FIRMWARE] = lambda codes: values_of(golden.scores(codes), fraction)
        scores: dict[str, dict[str, NDArray[np.float64]]] = {model: {} for model in models}
        groups, columns, crossings = {}, {}, config.trigger
        cell, read = golden.network.cell, []
        files = event_files(other, file)
        with progress.task("scores", len(files)) as task:
            for process, shards in files.items():
                needed = tuple(config.data.columns.named) if process == config.data.background else ()
                others = OtherFiles(shards, config.data, config.csim.max_events_per_process, needed)
                sample = _read(process, others)
                _refuse_other_units(process, others, config.data.background)
                if process == config.data.background:
                    crossings = others.crossings(config.trigger)
                groups[process], columns[process] = sample.groups, sample.columns
                if cell is not None:
                    read.append((process, sample.codes))
                for model, score in models.items():
                    parts = [score(sample.codes[i : i + _CHUNK]) for i in range(0, len(sample.codes), _CHUNK)]
                    scores[model][process] = np.concatenate(parts)
                task.advance(1)
        followed = follow(cell, read, config.data.background)
        kept = config.model_copy(update={"trigger": crossings})
        found = evaluate_scores(scores, groups, columns, experiment.result(CsimResult).thresholds, kept, followed)
        result = OtherEvents(config_file=file.name, hashes=event_hashes(other, file), **vars(found))
        write_json(run.folder / f"events_{file.stem}.json", as_json(result))
    return result


def _read(process: str, files: OtherFiles) -> _Sample:
    """Read the events of a process, without those that the config leaves out."""
    found = [chunk for chunk in files.chunks() if len(chunk.codes)]
    if not found:
        raise InputError(f"{process} has no events to evaluate; give a file with some")
    joined = {name: np.concatenate([chunk.columns[name] for chunk in found]) for name in found[0].columns}
    return _Sample(
        np.concatenate([chunk.codes for chunk in found]), np.concatenate([chunk.groups for chunk in found]), joined
    )


def _refuse_other_units(process: str, files: OtherFiles, background: str) -> None:
    """Refuse a background that can't be what the config says; of a signal, which may be extreme, warn."""
    if (refusal := files.refusal()) is not None:
        if process == background:
            raise InputError(refusal)
        _log.warning("%s", refusal)
