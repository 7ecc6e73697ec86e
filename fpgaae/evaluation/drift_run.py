"""`fpgaae evaluate CONFIG --against FILE`: the test background of an experiment against another file of events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import count_events
from fpgaae.data.store import EventStore
from fpgaae.evaluation.drift import DriftSettings, compare_samples, take_sample
from fpgaae.evaluation.drift_figure import drift_figure
from fpgaae.evaluation.figure_files import figure_svg, save_figure
from fpgaae.evaluation.other_files import OtherFiles
from fpgaae.files import lock, sha256, write_sealed, write_text
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.working_points import kept_crossings
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.drift import DRIFT_FILE, DriftResult

_FIGURE = "drift"
_CHUNK = 16_384
_log = logging.getLogger(__name__)
Chunks = Iterator[tuple[Codes, NDArray[np.int64]]]


def run_drift(experiment: Experiment, other: Path, progress: Progress) -> DriftResult:
    """Compare the test background with the events of another file, and write `drift.json` beside `metrics.json`.

    The stage `evaluate` is done. At most `csim.max_events_per_process` events of each are read.

    Raises
    ------
    InputError
        If the other file is damaged, or has another layout than the config says.
    """
    config, data = experiment.config, experiment.result(DataResult)
    features = FeatureMap.of(data)
    golden = GoldenTrigger.load(experiment.stage_folder("convert"), features)
    limit = config.csim.max_events_per_process
    total = min(count_events(other, config.data), limit) + min(data.events[config.data.background]["test"], limit)
    with lock(experiment.folder), progress.task("drift", total) as task:

        def counted(chunks: Chunks) -> Chunks:
            for codes, groups in chunks:
                yield codes, groups
                task.advance(len(codes))

        store = EventStore(experiment.stage_folder("data"))
        reference = take_sample(counted(_stored(store, config.data.background, limit)), golden)
        others = OtherFiles([other], config.data, limit)
        sample = take_sample(counted(_read(others)), golden)
        if (refusal := others.refusal()) is not None:
            _log.warning("%s", refusal)
        settings = DriftSettings(
            experiment.result(CsimResult).thresholds,
            kept_crossings(config.trigger, data, config.data.background),
            config.evaluation.confidence_level,
            others.crossings(config.trigger),
        )
        found = compare_samples(reference, sample, features, golden.network.score.type.fraction, settings)
        result = DriftResult(file=other.name, sha256=sha256(other), **vars(found))
        folder = experiment.stage_folder("evaluate")
        write_sealed(folder / DRIFT_FILE, as_json(result))
        figure = drift_figure(result)
        save_figure(figure, folder, _FIGURE)
        write_text(folder / f"{_FIGURE}.svg", figure_svg(figure))
    return result


def _stored(store: EventStore, process: str, limit: int) -> Chunks:
    groups = store.groups(process, "test", limit)
    start = 0
    for codes in store.chunks(process, "test", _CHUNK, limit):
        yield codes, groups[start : start + len(codes)]
        start += len(codes)


def _read(others: OtherFiles) -> Chunks:
    for chunk in others.chunks():
        if len(chunk.codes):
            yield chunk.codes, chunk.groups
