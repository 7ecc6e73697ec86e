"""The emulator against hls4ml's own C simulation, a core each; and against what multiply-adds a core can do at all."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.hls4ml_predict import Speed, open_predict, real_events
from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.doctor import require_compiler
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.emulator.package import open_binding
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.experiment import Experiment, open_experiment

NAME = "emulator_speed"
_RATIO = 100
_REPETITIONS = 5
_CPU_SECONDS = 1.0  # of the emulator, a round
_LIMIT_SOURCE = Path(__file__).parent / "multiply_add.c"
_COMPARED = "l1_ae"  # the network that hls4ml simulates, too
_GOALS = {_COMPARED: 6e6, "l1_vae": 10e6, "l1_student": 10e6}


def run(settings: Settings) -> Result:
    """Compare both on the default autoencoder, alternately, then run others; all speeds are events a CPU second."""
    columns = (
        "network", "round", "emulator events/s", "built for any processor", "hls4ml events/s", "ratio",
        "limit, 1e6 multiply-adds/s", "share of it",
    )  # fmt: skip
    result = Result(NAME, columns)
    rounds = range(1, 2 if settings.quick else _REPETITIONS + 1)
    ratios, speeds = [], {}
    with new_bench() as bench:
        limit = _compile_limit(bench.folder)
        for name in _GOALS:
            found = _converted(bench, name)
            with ExitStack() as opened:
                predict = opened.enter_context(_open_hls4ml(found, bench)) if name == _COMPARED else None
                of_network = []
                for index in rounds:
                    ours, portable = (_speed(emulator, found.events) for emulator in found.emulators)
                    of_network.append(ours)
                    theirs, most = predict().events_per_cpu_second if predict else None, _measure_limit(limit)
                    share = ours * multiply_adds(found.network) / (most * 1e6)
                    if theirs is not None:
                        ratios.append(ours / theirs)
                    compared = ("", "") if theirs is None else (theirs, ours / theirs)
                    result.rows.append((name, str(index), ours, portable, *compared, most, share))
                speeds[name] = median(of_network)
    result.goals.append(
        Goal("emulator / hls4ml's C simulation, median", median(ratios), _RATIO, "times", at_least=True)
    )
    result.goals += [
        Goal(f"{name}, events a CPU second, median", speeds[name], of, "events/s", at_least=True)
        for name, of in _GOALS.items()
    ]
    return result


class _Converted(NamedTuple):
    """A network that is trained a little, and its emulator, for this machine and for any processor."""

    experiment: Experiment
    network: IntegerNetwork
    emulators: tuple[Any, ...]
    events: NDArray[np.int16]


def _converted(bench: Bench, name: str) -> _Converted:
    changes = epochs(1, 1)
    if name == "l1_student":
        changes["distillation"] = {"fit": {"epochs": 1}}
    config = bench.config(name, changes, base=name)
    for stage in ("data", "reference", "train", "convert"):
        bench.stage(stage, config)
    experiment = open_experiment(config, bench.runs)
    deployed = open_deployed(experiment)
    emulators = []
    for for_this_machine in (True, False):
        package = bench.folder / f"{name}_{'here' if for_this_machine else 'anywhere'}"
        package.mkdir()
        build_package(deployed, package, for_this_machine=for_this_machine)
        emulators.append(open_binding(package, deployed.name))
    return _Converted(experiment, deployed.trigger.network, tuple(emulators), real_events(experiment).astype(np.int16))


def _open_hls4ml(found: _Converted, bench: Bench) -> AbstractContextManager[Callable[[], Speed]]:
    return open_predict(found.experiment, bench.folder / "hls4ml")


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
