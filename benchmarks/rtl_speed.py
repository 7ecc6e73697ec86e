"""The RTL simulation against hls4ml's own C simulation, a core each, and on two; the time of `rtl` and `synth`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.hls4ml_predict import open_predict, real_events
from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.fixedpoint import Codes
from fpgaae.hls.pool import in_order
from fpgaae.rtl.simulate import LIBRARY_FILE
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.stages import PROJECT_FOLDER

NAME = "rtl_speed"
_MODEL = "l1_vae"
_RATIO, _RTL_SECONDS, _SYNTH_SECONDS, _ON_TWO_CORES = 15, 120, 180, 1_000_000
_EVENTS = 20_000
_REPETITIONS = 5


def run(settings: Settings) -> Result:
    """Measure the default variational autoencoder; speeds are events a CPU second."""
    result = Result(NAME, ("round", "RTL events/s", "hls4ml events/s", "ratio"))
    with new_bench() as bench:
        # the test split of the background and the made-up events: more than 20,000
        config = bench.config(_MODEL, {**epochs(1, 1), "csim": {"max_events_per_process": _EVENTS}}, base=_MODEL)
        for stage in ("data", "reference", "train", "convert"):
            bench.stage(stage, config)
        rtl, synth = bench.stage("rtl", config), bench.stage("synth", config)
        experiment = open_experiment(config, bench.runs)
        events, folder = real_events(experiment), experiment.stage_folder("rtl")
        with (
            RtlSimulation(folder / LIBRARY_FILE, folder / PROJECT_FOLDER) as simulation,
            open_predict(experiment, bench.folder / "hls4ml") as predict,
        ):
            for index in range(1 if settings.quick else _REPETITIONS):
                ours, theirs = _speed(simulation, events), predict().events_per_cpu_second
                result.rows.append((str(index + 1), ours, theirs, ours / theirs))
        _add_goals(result, bench, rtl.seconds, synth.seconds)
        given = (folder / LIBRARY_FILE, folder / PROJECT_FOLDER, events)
        turns = range(2 if settings.quick else 2 * _REPETITIONS)
        side_by_side = [speed for _, speed in in_order(_start, given, turns, 2)]
    on_two = 2 * median(side_by_side)
    result.goals.append(Goal("RTL, two processes at once", on_two, _ON_TWO_CORES, "events/s", at_least=True))
    return result


def _start(given: tuple[Path, Path, Codes]) -> Callable[[int], float]:
    library, project, events = given
    simulation = RtlSimulation(library, project)  # open until the process ends
    return lambda _: _speed(simulation, events)


def _speed(simulation: RtlSimulation, events: Codes) -> float:
    started = time.process_time()
    simulation.stream(events)
    return len(events) / (time.process_time() - started)


def _add_goals(result: Result, bench: Bench, rtl_seconds: float, synth_seconds: float) -> None:
    ratio = median(float(row[3]) for row in result.rows)
    events = bench.result(bench.folder / f"{_MODEL}.yaml", "rtl/rtl.json")["events"]
    result.goals += [
        Goal("RTL / hls4ml's C simulation, median", ratio, _RATIO, "times", at_least=True),
        Goal(f"`rtl` with its tracing and compilation, {events:,} events", rtl_seconds, _RTL_SECONDS, "s"),
        Goal("events in it", events, _EVENTS, "events", at_least=True),
        Goal("`synth`", synth_seconds, _SYNTH_SECONDS, "s"),
    ]
