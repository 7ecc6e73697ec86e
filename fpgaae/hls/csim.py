"""The stage `csim`: the written project, compiled and compared bit for bit with the golden codes on all cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from fpgaae.fixedpoint import Codes, parse_type
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.comparison import Comparison
from fpgaae.hls.csim_library import Tap, compile_project
from fpgaae.hls.loaded_thresholds import compare_loaded_thresholds
from fpgaae.hls.pool import in_order, n_processes
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
        processes=n_processes(run.config.csim.processes, len(list(simulation.stimuli().sources()))),
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
        for source, part in in_order(_start, simulation, plan, n_processes(run.config.csim.processes, len(plan))):
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


def _start(simulation: Simulation) -> Callable[[Source], Part]:
    return Simulator(simulation).compare
