"""The emulator against hls4ml's own C simulation, a core each; and against what multiply-adds a core can do at all."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hls4ml_predict import open_predict, real_events
from benchmarks.measure import epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.doctor import require_compiler
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.emulator.package import open_binding
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.experiment import open_experiment

NAME = "emulator_speed"
_RATIO = 100
_REPETITIONS = 5
_CPU_SECONDS = 1.0  # of the emulator, a round
_LIMIT_SOURCE = Path(__file__).parent / "multiply_add.c"


def run(settings: Settings) -> Result:
    """Compare both on the default autoencoder, alternately; all speeds are events a CPU second."""
    columns = (
        "round", "emulator events/s", "built for any processor", "hls4ml events/s", "ratio",
        "limit, 1e6 multiply-adds/s", "share of it",
    )  # fmt: skip
    result = Result(NAME, columns)
    with new_bench() as bench:
        config = bench.config("l1_ae", epochs(1, 1))
        for stage in ("data", "reference", "train", "convert"):
            bench.stage(stage, config)
        experiment = open_experiment(config, bench.runs)
        deployed = open_deployed(experiment)
        packages = [bench.folder / name for name in ("emulator", "any_processor")]
        for package, for_this_machine in zip(packages, (True, False), strict=True):
            package.mkdir()
            build_package(deployed, package, for_this_machine=for_this_machine)
        emulators = [open_binding(package, deployed.name) for package in packages]
        events = real_events(experiment).astype(np.int16)
        limit = _compile_limit(bench.folder)
        with open_predict(experiment, bench.folder / "hls4ml") as predict:
            for index in range(1 if settings.quick else _REPETITIONS):
                ours, portable = (_speed(emulator, events) for emulator in emulators)
                theirs, most = predict().events_per_cpu_second, _measure_limit(limit)
                share = ours * multiply_adds(deployed.trigger.network) / (most * 1e6)
                result.rows.append((str(index + 1), ours, portable, theirs, ours / theirs, most, share))
    ratios = [float(row[4]) for row in result.rows]
    result.goals.append(
        Goal("emulator / hls4ml's C simulation, median", median(ratios), _RATIO, "times", at_least=True)
    )
    return result


def multiply_adds(network: IntegerNetwork) -> int:
    """Count those of one event that can't be left out: non-zero weights, and a square for each term of the score."""
    terms = network[network.score.inputs[0]].size
    return sum(int(np.count_nonzero(layer.kernel)) for layer in network.weighted) + terms


def _speed(emulator: Any, events: NDArray[np.int16]) -> float:  # noqa: ANN401
    n, started = 0, time.process_time()
    while (seconds := time.process_time() - started) < _CPU_SECONDS:
        emulator.score(events)
        n += len(events)
    return n / seconds


def _compile_limit(folder: Path) -> Path:
    program = folder / "multiply_add"
    subprocess.run(
        [str(require_compiler()), "-x", "c", "-O3", "-march=native", _LIMIT_SOURCE, "-o", program], check=True
    )
    return program


def _measure_limit(program: Path) -> float:
    return float(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
