"""Events a second of `fpgaae csim` (all layers compared, on two processes) against one hls4ml `predict` process."""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

from benchmarks.hls4ml_predict import open_predict
from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.runs.experiment import open_experiment

NAME = "csim_throughput"
_RATIO = 1.8
_REPETITIONS = 3
_MODELS: dict[str, dict[str, Any]] = {
    "l1_ae": {},
    "l1_ae_stream": {"firmware": {"io_type": "io_stream"}},
}


class _Round(NamedTuple):
    """Both speeds, in events/s, and how busy the rest of the machine was."""

    csim: float
    predict: float
    other_cores: float


def run(settings: Settings) -> Result:
    """Compare both on the same model and events, alternately."""
    columns = ("model", "round", "csim events/s", "predict events/s", "ratio", "other cores")
    result = Result(NAME, columns)
    for name in list(_MODELS)[:1] if settings.quick else _MODELS:
        with new_bench() as bench:
            _add(result, bench, name, 1 if settings.quick else _REPETITIONS)
    return result


def _add(result: Result, bench: Bench, name: str, repetitions: int) -> None:
    changes = {**epochs(1, 1), "csim": {"processes": 2}, **_MODELS[name]}  # how well it is trained changes no speed
    config = bench.config(name, changes)
    for stage in ("data", "reference", "train", "convert"):
        bench.stage(stage, config)
    rounds = []
    with open_predict(open_experiment(config, bench.runs), bench.folder / "hls4ml") as predict:
        for _ in range(repetitions):
            usage = bench.stage("csim", config, "--force")
            ours = float(bench.result(config, "csim/csim.json")["events_per_second"])
            theirs = predict()
            rounds.append(_Round(ours, theirs.events_per_second, max(usage.other_cores, theirs.other_cores)))
    for index, one in enumerate(rounds, 1):
        result.rows.append((name, str(index), one.csim, one.predict, one.csim / one.predict, one.other_cores))
    ratios = [one.csim / one.predict for one in rounds]
    calm = min(rounds, key=lambda one: one.other_cores)
    result.goals += [
        Goal(f"{name}, csim / predict, median", median(ratios), _RATIO, "times", at_least=True),
        Goal(f"{name}, csim / predict, calmest round", calm.csim / calm.predict, _RATIO, "times", at_least=True),
    ]
