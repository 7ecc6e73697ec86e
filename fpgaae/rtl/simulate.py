"""The stage `rtl`: the traced project, simulated clock by clock, bit for bit against the golden codes (needs da4ml).

da4ml's own interpreter of the traced logic runs beside it, so that a difference between what was traced and what was
written shows as such. The wrappers of the block get some of the events with gaps, back-pressure and resets. Where GHDL
is installed, the VHDL goes through the first events of each origin, too.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from da4ml.cmvm.types import Pipeline

from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.hls.comparison import Comparison
from fpgaae.rtl.bench import Bench, BenchFiles, Compared, compare_shares, processes_for
from fpgaae.rtl.design import Design
from fpgaae.rtl.memory_files import check_tables
from fpgaae.rtl.parts import Parts
from fpgaae.rtl.pipeline import load_pipeline, stage_ports, stages_by_module
from fpgaae.rtl.register_check import check_registers, register_stimulus
from fpgaae.rtl.stage_proof import VERILOG, VHDL, StageProver, abc_program
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import GHDL, VERILATOR, find_tool, require_tool, version
from fpgaae.rtl.verilator import RtlSimulation, compile_rtl, compile_runtime, probe
from fpgaae.rtl.vhdl_registers import check_vhdl_registers
from fpgaae.runs.results.rtl import (
    InterpreterCheck,
    RegisterCheck,
    RegisterLoads,
    RtlResult,
    StageProof,
    TraceResult,
    VhdlCheck,
    WrapperCheck,
)
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

LIBRARY_FILE = "simulation.so"


def run_rtl(run: StageRun) -> RtlResult:
    """Compile the traced project, stream every event through it, and say `passed` or where a bit differs first."""
    verilator = require_tool(VERILATOR)
    traced = run.result(TraceResult)
    project = run.folder / PROJECT_FOLDER
    shutil.copytree(run.upstream("trace") / traced.project_dir, project)
    check_tables(project)
    pipeline = load_pipeline(run.upstream("trace"))
    started = time.perf_counter()
    with run.progress.task("compiling the simulation", None):
        runtime = compile_runtime(run.scratch / "runtime")
        driver, library = firmware_rtl("rtl_driver.cpp"), run.folder / LIBRARY_FILE
        # What an adder of three values is made of is proven with the stages, for all inputs.
        cells = abc_program() is None
        compile_rtl(project, driver, run.scratch / "build", library, runtime, cells=cells)
        probe(library)
    compile_seconds = time.perf_counter() - started
    files = BenchFiles.of_run(run, library, project)
    bench = Bench(files)
    compared, processes = Compared.of_outputs(bench.names), processes_for(bench, run.config.csim.processes)
    with run.progress.task("RTL simulation", bench.n_events) as task:
        for events, part in compare_shares(files, bench, processes):
            compared.merge(part)
            task.advance(events)
    with RtlSimulation(library, project) as simulation, run.progress.task("wrappers", None):
        settling = bench.settling_cycles(simulation)
        wrappers = bench.drive_wrappers(simulation)
        design = simulation.design
    with run.progress.task("thresholds that are loaded", None):
        loads = bench.check_loads(run.scratch / "loads", runtime)
    pieces = _check_pieces(run, project, pipeline, runtime)
    vhdl = None
    if find_tool(GHDL) is not None:
        with run.progress.task("VHDL simulation", None):
            vhdl = bench.simulate_vhdl(run.scratch / "ghdl")
    total, interpreted, timing = compared.total, compared.interpreted, compared.timing
    # The piece that is wrong is a better answer than what became wrong by it.
    failure = pieces.failure() or _failure(compared, settling, vhdl) or _failure_around(wrappers, loads)
    return RtlResult(
        passed=total.passed and failure is None,
        failure=failure,
        events=total.events,
        events_by_origin=total.events_by_origin,
        mismatched_events=total.mismatched_events,
        lost_events=timing.lost_events,
        score_mismatches=total.score_mismatches,
        decision_flips=total.decision_flips,
        latent_mismatches=total.mismatched_in(LATENTS_LAYER),
        first_mismatch=total.first_mismatch,
        interpreter=InterpreterCheck(
            passed=interpreted.passed, events=interpreted.events, mismatched_events=interpreted.mismatched_events
        ),
        vhdl=None if vhdl is None else _vhdl_check(vhdl),
        latency_cycles=min(timing.latency_cycles, default=0),
        settling_cycles=settling,
        designed_latency_cycles=design.latency_cycles,
        initiation_interval=timing.most_clocks_between,
        events_per_second=round(total.events / timing.seconds, 1) if timing.seconds else 0.0,
        processes=processes,
        wrappers=wrappers,
        reloaded_thresholds=loads,
        stages=pieces.stages,
        registers=pieces.registers,
        vhdl_stages=pieces.vhdl_stages,
        vhdl_registers=pieces.vhdl_registers,
        clock_ns=traced.clock_ns,
        part=traced.part,
        estimated=traced.estimated,
        simulator=version(verilator),
        compile_seconds=round(compile_seconds, 2),
        edited_files=tuple(name for name in run.edited if name.startswith("trace/")),
    )


class _Pieces(NamedTuple):
    """What the pieces of the block gave alone."""

    registers: RegisterCheck
    stages: tuple[StageProof, ...]
    vhdl_registers: RegisterCheck | None
    vhdl_stages: tuple[StageProof, ...]

    def failure(self) -> str | None:
        """Say which piece is wrong, or None."""
        said = (own.failure for own in (*self.stages, *self.vhdl_stages, self.registers, self.vhdl_registers) if own)
        return next(filter(None, said), None)


def _check_pieces(run: StageRun, project: Path, pipeline: Pipeline, runtime: Sequence[str]) -> _Pieces:
    """Prove each stage for all inputs in its ranges, and drive what is between them."""
    design, languages = Design.load(project), [VERILOG] if find_tool(GHDL) is None else [VERILOG, VHDL]
    with run.progress.task("the registers alone", None):
        parts = Parts(project, run.scratch / "registers", runtime, optimization="-O0")
        parts.make_registers()
        driven = register_stimulus(pipeline, design, run.config.seed)
        registers = check_registers(parts.registers_library(), design.name, driven)
        vhdl_registers = None
        if VHDL in languages:
            scratch = run.scratch / "vhdl_registers"
            vhdl_registers = check_vhdl_registers(project, stage_ports(pipeline), driven, scratch)
    proofs = _prove_stages(run, project, pipeline, languages)
    return _Pieces(registers, proofs.get(VERILOG, ()), vhdl_registers, proofs.get(VHDL, ()))


def _prove_stages(
    run: StageRun, project: Path, pipeline: Pipeline, languages: Sequence[str]
) -> dict[str, tuple[StageProof, ...]]:
    """Prove the stages in each language; none without ABC."""
    stages = stages_by_module(Design.load(project).name, pipeline)
    if (abc := abc_program()) is None:
        return {}
    proofs: dict[str, tuple[StageProof, ...]] = {}
    prover = StageProver(stages, abc, run.scratch / "traced")
    with run.progress.task("proofs of the stages", len(languages) * len(stages)) as task:
        for language in languages:
            found = []
            for proof in prover.prove(project, language, run.scratch / language, stages):
                found.append(proof)
                task.advance(1)
            proofs[language] = tuple(found)
    return proofs


def _vhdl_check(compared: Comparison) -> VhdlCheck:
    return VhdlCheck(
        passed=compared.passed,
        events=compared.events,
        mismatched_events=compared.mismatched_events,
        score_mismatches=compared.score_mismatches,
        decision_flips=compared.decision_flips,
        latent_mismatches=compared.mismatched_in(LATENTS_LAYER),
    )


def _failure(compared: Compared, settling: int | None, vhdl: Comparison | None) -> str | None:
    """Say what is wrong besides a bit that differs, or None."""
    if said := compared.timing.failure(settling):
        return said
    for what, own in (("da4ml's interpreter of the traced logic", compared.interpreted), ("the VHDL", vhdl)):
        if own is not None and not own.passed:
            return f"{what} does not give the golden codes; first in {own.first_mismatch}"
    return None


def _failure_around(wrappers: tuple[WrapperCheck, ...], loads: RegisterLoads | None) -> str | None:
    """Say what is wrong with the first wrapper that breaks its protocol, or with the registers, or None."""
    for wrapper in wrappers:
        if wrapper.failure:
            return (
                f"{wrapper.file}: {wrapper.mismatched_events:,} of {wrapper.events:,} events were lost, repeated or "
                f"wrong where gaps, back-pressure and resets came; {wrapper.failure}"
            )
    return None if loads is None or loads.passed else f"the block with registers: {loads.failure}"
