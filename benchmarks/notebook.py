"""The whole chain against what a user does without it: Keras, QKeras, hls4ml and scikit-learn in one script."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import CONFIGS, Bench, Usage, epochs, new_bench, run_measured
from benchmarks.result import Goal, Result, Settings
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.files import read_json
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.data import DataResult

NAME = "notebook"
_SCRIPT = Path(__file__).with_name("notebook_steps.py")
_EVENTS = 20_000  # that the script predicts
_RATIO = 1
_TIMES = "times.json"
# What is compared with what; the rest of either side is its start and what it does besides.
_PARTS = {
    "float training": (("float training",), "reference"),
    "quantized training": (("quantized training",), "train"),
    "conversion": (("conversion",), "convert"),
    "compilation and simulation": (("compilation", "firmware's prediction"), "csim"),
    "curves": (("curves",), "evaluate"),
}


def run(settings: Settings) -> Result:
    """Run `fpgaae run configs/l1_ae.yaml --to csim` and `evaluate`, then the script on the same events."""
    result = Result(NAME, ("part", "script, s", "fpgaae, s", "fpgaae / script"))
    with new_bench() as bench:
        config = bench.config("l1_ae", epochs(1, 1)) if settings.quick else CONFIGS / "l1_ae.yaml"
        ours = [bench.stage("run", config, "--to", "csim"), bench.stage("evaluate", config)]
        stages = {
            stage: float(bench.result(config, f"{stage}/manifest.json")["wall_time_s"]) for _, stage in _PARTS.values()
        }
        theirs, report = _script(bench, open_experiment(config, bench.runs), settings)
    _add(result, ours, stages, theirs, report)
    return result


def _script(bench: Bench, experiment: Experiment, settings: Settings) -> tuple[Usage, dict[str, Any]]:
    """Run the script on the events of an experiment; give what it took, and what it says itself."""
    events, times = bench.folder / "events.npz", bench.folder / _TIMES
    np.savez(events, **_events(experiment, 1000 if settings.quick else _EVENTS))  # type: ignore[arg-type]
    command = [sys.executable, str(_SCRIPT), str(events), str(bench.folder / "hls4ml"), str(times)]
    if settings.quick:
        command += ["--float-epochs", "1", "--quantized-epochs", "1"]
    return run_measured(command, bench.folder / "script.log"), read_json(times)


def _events(experiment: Experiment, n: int) -> dict[str, NDArray[np.float32]]:
    """Give the network inputs of the training, and n events that are predicted, the most of them background."""
    store, features = EventStore(experiment.stage_folder("data")), FeatureMap.of(experiment.result(DataResult))
    data = experiment.config.data
    background, signals = data.background, [process for process in data.files if process != data.background]

    def read(process: str, split: str, most: int | None = None) -> NDArray[np.float32]:
        count = store.count(process, split)
        return features.values(store.read(process, split, 0, min(count, most or count))).astype(np.float32)

    few = [read(process, "test", n // 20) for process in signals]
    signal = np.concatenate(few)
    return {
        "train": read(background, "train"),
        "validation": read(background, "validation"),
        "background": read(background, "test", n - len(signal)),
        "signal": signal,
    }


def _add(
    result: Result, ours: list[Usage], stages: Mapping[str, float], theirs: Usage, report: Mapping[str, Any]
) -> None:
    seconds = report["seconds"]
    for name, (steps, stage) in _PARTS.items():
        _row(result, name, sum(seconds[step] for step in steps), stages[stage])
    mine, their_parts = sum(own.seconds for own in ours), sum(seconds.values()) - seconds["imports"]
    _row(result, "start, data and the rest", theirs.seconds - their_parts, mine - sum(stages.values()))
    _row(result, "all", theirs.seconds, mine)
    cpu = sum(own.cpu_seconds for own in ours)
    _row(result, "all, CPU seconds", theirs.cpu_seconds, cpu)
    result.goals += [
        Goal("fpgaae / the script", mine / theirs.seconds, _RATIO, "times"),
        Goal("the same, CPU seconds", cpu / theirs.cpu_seconds, _RATIO, "times"),
        Goal("events that the script predicts", report["events"], _EVENTS, "events", at_least=True),
    ]


def _row(result: Result, name: str, theirs: float, ours: float) -> None:
    result.rows.append((name, theirs, ours, ours / theirs))
