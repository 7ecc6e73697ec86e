"""The stage `csim`: the written project, compiled and compared bit for bit with the golden codes on all cores."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, parse_type
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.comparison import Comparison
from fpgaae.hls.csim_library import Tap, compile_project
from fpgaae.hls.loaded_thresholds import compare_loaded_thresholds
from fpgaae.hls.simulation import Part, Simulation, Simulator, check_layout
from fpgaae.hls.stimulus import MADE_UP, Source
from fpgaae.hls.synthesized_branch import compare_synthesized, compile_synthesized
from fpgaae.runs.results.convert import ConvertedLayer, ConvertResult
from fpgaae.runs.results.csim import ChangedType, CsimResult, ReloadedWeights
from fpgaae.runs.run import StageRun

SCORES_FILE = "scores.npz"
_RELOADED_EVENTS = 10_000  # real events an origin that the second set of weights sees, up to the end of a chunk


def run_csim(run: StageRun) -> CsimResult:
    """Compile the written project and compare every layer; the result says `passed` or where it differs first."""
    convert = run.result(ConvertResult)
    project = run.upstream("convert") / convert.project_dir
    started = time.perf_counter()
    library, taps, library_without_taps = _compile(run, project, convert)
    compile_seconds = time.perf_counter() - started
    simulation = Simulation.of_run(run, library)
    IntegerNetwork.load(simulation.golden)  # says what is wrong with it before a worker would
    with run.progress.task("the branch that is synthesized", None):
        synthesized = compare_synthesized(run, library_without_taps, project)
    scores: dict[str, list[Codes]] = {}
    started = time.perf_counter()
    total = _compare(run, simulation, taps, scores)
    seconds = time.perf_counter() - started
    reloaded = _compare_reloaded(run, simulation, taps) if simulation.weight_ports else None
    thresholds = None
    if simulation.trigger().accept.reloadable:
        with run.progress.task("the decisions with reloaded thresholds", None):
            thresholds = compare_loaded_thresholds(simulation, library_without_taps, run.config.seed)
    np.savez_compressed(run.folder / SCORES_FILE, **{origin: np.concatenate(c) for origin, c in scores.items()})  # type: ignore[arg-type]
    return CsimResult(
        passed=total.passed and synthesized.passed and all(of is None or of.passed for of in (reloaded, thresholds)),
        events=total.events,
        events_by_origin=total.events_by_origin,
        mismatched_events=total.mismatched_events,
        score_mismatches=total.score_mismatches,
        decision_flips=total.decision_flips,
        first_mismatch=total.first_mismatch,
        layers=total.entries(),
        synthesized_branch=synthesized,
        score_type=str(taps[-2].type),
        thresholds=convert.trigger.thresholds,
        follows=convert.trigger.follows,
        changed_types=_changed_types(taps, convert.layers),
        edited_files=run.edited,
        keras=convert.keras,
        events_per_second=round(total.events / seconds, 1),
        compile_seconds=round(compile_seconds, 2),
        processes=_n_processes(run, len(list(simulation.stimuli().sources()))),
        reloaded=reloaded,
        reloaded_thresholds=thresholds,
    )


def _compile(run: StageRun, project: Path, convert: ConvertResult) -> tuple[Path, tuple[Tap, ...], Path]:
    """Compile the branch with taps and the one that is synthesized, side by side.

    What is wrong with both is said of the first, which says more.
    """
    with run.progress.task("compiling the project", None), ThreadPoolExecutor(1) as pool:
        synthesized = pool.submit(compile_synthesized, project, convert.project_name, run.folder)
        library = compile_project(project, convert.project_name, run.folder)
        taps = check_layout(library, convert.layers)
    return library, taps, synthesized.result()


def _compare(
    run: StageRun,
    simulation: Simulation,
    taps: tuple[Tap, ...],
    scores: dict[str, list[Codes]],
    title: str = "C simulation",
) -> Comparison:
    """Compare every part of the stimulus; score codes of real events are added to `scores`, by origin."""
    plan = list(simulation.stimuli().sources())
    if simulation.reload_seed is not None:
        plan = [source for source in plan if source.origin in MADE_UP or source.start < _RELOADED_EVENTS]
    total = Comparison.of_layers([tap.layer for tap in taps])
    with run.progress.task(title, sum(s.stop - s.start for s in plan)) as task:
        for source, part in _simulate_all(simulation, plan, _n_processes(run, len(plan))):
            total.merge(part.comparison)
            if part.score_codes is not None:
                scores.setdefault(source.origin, []).append(part.score_codes)
            task.advance(source.stop - source.start)
    return total


def _compare_reloaded(run: StageRun, simulation: Simulation, taps: tuple[Tap, ...]) -> ReloadedWeights:
    """Load random weights over the trained ones and compare every layer again, by the same library."""
    seed = run.config.seed
    total = _compare(run, replace(simulation, reload_seed=seed), taps, {}, "the same with reloaded weights")
    return ReloadedWeights(
        passed=total.passed,
        seed=seed,
        weights=sum(port.size for port in simulation.weight_ports),
        events=total.events,
        events_by_origin=total.events_by_origin,
        mismatched_events=total.mismatched_events,
        score_mismatches=total.score_mismatches,
        decision_flips=total.decision_flips,
        first_mismatch=total.first_mismatch,
        layers=total.entries(),
    )


def _changed_types(taps: tuple[Tap, ...], layers: tuple[ConvertedLayer, ...]) -> tuple[ChangedType, ...]:
    """Name the layers whose compiled width or binary point is not the converted one."""
    return tuple(
        ChangedType(layer=tap.layer, converted=layer.types.result, compiled=str(tap.type))
        for tap, layer in zip(taps, layers, strict=True)
        if parse_type(layer.types.result)[:3] != tap.type[:3]
    )


def _n_processes(run: StageRun, n_parts: int) -> int:
    wanted = run.config.csim.processes
    available = len(os.sched_getaffinity(0)) if wanted == "auto" else wanted
    return max(1, min(available, n_parts))


def _simulate_all(simulation: Simulation, plan: list[Source], processes: int) -> Iterator[tuple[Source, Part]]:
    """Run the plan on several processes and give the parts in order; few are in flight, so memory stays bounded."""
    with _one_thread_a_process():
        pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(simulation,)
        )
        try:
            waiting: list[tuple[Source, Future[Part]]] = []
            for source in plan:
                waiting.append((source, pool.submit(_simulate, source)))
                if len(waiting) >= 4 * processes:
                    yield waiting[0][0], waiting.pop(0)[1].result()
            for source, future in waiting:
                yield source, future.result()
        except BrokenProcessPool:
            raise CheckFailed(
                "a simulation process died; the compiled project crashes (memory, or an endless loop)"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_a_process() -> Iterator[None]:
    """Keep the BLAS of each worker on one thread; the processes are the parallelism."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this worker when the main process was killed: nobody would ever ask it for anything again."""
    if (parent := multiprocessing.parent_process()) is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


class _Worker:
    """State of a worker process."""

    simulator: Simulator


def _start_worker(simulation: Simulation) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.simulator = Simulator(simulation)


def _simulate(source: Source) -> Part:
    return _Worker.simulator.compare(source)
