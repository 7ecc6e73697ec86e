"""The yardstick of the C simulation: hls4ml's own `compile` and `predict` of a model, in a process of its own."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import busy_seconds
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.stimulus import Stimuli
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.data import DataResult


class Speed(NamedTuple):
    """What one prediction of all events gave."""

    events_per_second: float
    events_per_cpu_second: float
    other_cores: float  # cores that the rest of the machine kept busy meanwhile


class _Yardstick:
    """State of the process that predicts."""

    graph: Any
    events: NDArray[np.float32]


@contextmanager
def open_predict(experiment: Experiment, folder: Path) -> Iterator[Callable[[], Speed]]:
    """Convert and compile a trained model in another process; give a function that predicts there.

    Parameters
    ----------
    folder
        Where hls4ml writes its project.
    """
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        pool.submit(_prepare, experiment, folder).result()
        yield lambda: pool.submit(_predict).result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(experiment: Experiment, folder: Path) -> None:
    from fpgaae.tensorflow_setup import keras2_as_keras, prepare  # noqa: PLC0415

    prepare()
    import hls4ml  # noqa: PLC0415

    from fpgaae.hls.extension import register_layers  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    register_layers()
    firmware = experiment.config.firmware
    model = load_quantized(str(experiment.stage_folder("train") / "model.h5"))
    with keras2_as_keras(), contextlib.redirect_stdout(io.StringIO()):
        config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=firmware.backend)
        _Yardstick.graph = hls4ml.converters.convert_from_keras_model(
            model, hls_config=config, output_dir=str(folder), backend=firmware.backend, io_type=firmware.io_type,
            part=firmware.part, clock_period=firmware.clock_ns, bit_exact=True,
        )  # fmt: skip
        _Yardstick.graph.compile()
    _Yardstick.events = csim_events(experiment)
    _Yardstick.graph.predict(_Yardstick.events[:1])  # reads the weights


def real_events(experiment: Experiment) -> Codes:
    """Give the hardware integers of the background's test events, (n, n_features)."""
    store, process = EventStore(experiment.stage_folder("data")), experiment.config.data.background
    return store.read(process, "test", 0, store.count(process, "test"))


def csim_events(experiment: Experiment) -> NDArray[np.float32]:
    """Give all events that the C simulation is fed with, (n, n_features)."""
    features = FeatureMap.of(experiment.result(DataResult))
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), features)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger)
    parts = []
    for source in stimuli.sources():
        made = stimuli.make(source)
        parts += [features.values(made.hardware), made.values]
    return np.concatenate(parts).astype(np.float32)


def _predict() -> Speed:
    started, busy, own = time.perf_counter(), busy_seconds(), time.process_time()
    _Yardstick.graph.predict(_Yardstick.events)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - own
    others = max(0.0, busy_seconds() - busy - cpu_seconds) / seconds
    return Speed(len(_Yardstick.events) / seconds, len(_Yardstick.events) / cpu_seconds, others)
