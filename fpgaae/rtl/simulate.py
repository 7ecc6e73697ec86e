"""The stage `rtl`: the traced project, simulated clock by clock, bit for bit against the golden codes (needs da4ml).

da4ml's own interpreter of the traced logic runs beside it, so that a difference between what was traced and what was
written shows as such. The wrappers of the block get some of the events with gaps, back-pressure and resets. Where GHDL
is installed, the VHDL goes through the first events of each origin, too.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline

from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.stimulus import LAYERS, Source, Stimuli
from fpgaae.rtl.design import LOGIC_FILE, Design
from fpgaae.rtl.ghdl import simulate_vhdl
from fpgaae.rtl.memory_files import check_tables
from fpgaae.rtl.parts import Parts
from fpgaae.rtl.pipeline import load_pipeline, stage_ports, stages_by_module
from fpgaae.rtl.register_check import check_registers, register_stimulus
from fpgaae.rtl.stage_proof import VERILOG, VHDL, StageProver, abc_program
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.timing import Timing
from fpgaae.rtl.tools import GHDL, VERILATOR, find_tool, require_tool, version
from fpgaae.rtl.verilator import RtlSimulation, compile_rtl, compile_runtime, probe
from fpgaae.rtl.vhdl_registers import check_vhdl_registers
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import (
    InterpreterCheck,
    RegisterCheck,
    RtlResult,
    StageProof,
    TraceResult,
    VhdlCheck,
    WrapperCheck,
)
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

LIBRARY_FILE = "simulation.so"
_VHDL_EVENTS = 20  # of each origin: GHDL takes some ten to a hundred events a second
_WRAPPER_EVENTS = 500  # of each origin


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
        compile_rtl(project, driver, run.scratch / "build", library, runtime)
        probe(library)
    compile_seconds = time.perf_counter() - started
    bench = _Bench(run)
    with RtlSimulation(library, project) as simulation:
        settling = bench.settling_cycles(simulation)
        with run.progress.task("RTL simulation", bench.n_events) as task:
            for events in bench.simulate(simulation):
                task.advance(events)
        with run.progress.task("wrappers", None):
            wrappers = bench.drive_wrappers(simulation, project)
        design = simulation.design
    pieces = _check_pieces(run, project, pipeline, runtime)
    vhdl = None
    if find_tool(GHDL) is not None:
        with run.progress.task("VHDL simulation", None):
            vhdl = bench.simulate_vhdl(project, run.scratch / "ghdl")
    total, interpreted, timing = bench.total, bench.interpreted, bench.timing
    # The piece that is wrong is a better answer than what became wrong by it.
    failure = pieces.failure() or _failure(bench, settling, vhdl) or _wrapper_failure(wrappers)
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
        wrappers=wrappers,
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
    proofs: dict[str, tuple[StageProof, ...]] = {}
    stages = stages_by_module(design.name, pipeline)
    if (abc := abc_program()) is not None:
        prover = StageProver(stages, abc, run.scratch / "traced")
        with run.progress.task("proofs of the stages", len(languages) * len(stages)) as task:
            for language in languages:
                found = []
                for proof in prover.prove(project, language, run.scratch / language, stages):
                    found.append(proof)
                    task.advance(1)
                proofs[language] = tuple(found)
    return _Pieces(registers, proofs.get(VERILOG, ()), vhdl_registers, proofs.get(VHDL, ()))


def _vhdl_check(compared: Comparison) -> VhdlCheck:
    return VhdlCheck(
        passed=compared.passed,
        events=compared.events,
        mismatched_events=compared.mismatched_events,
        score_mismatches=compared.score_mismatches,
        decision_flips=compared.decision_flips,
        latent_mismatches=compared.mismatched_in(LATENTS_LAYER),
    )


def _failure(bench: _Bench, settling: int | None, vhdl: Comparison | None) -> str | None:
    """Say what is wrong besides a bit that differs, or None."""
    if said := bench.timing.failure(settling):
        return said
    for what, compared in (("da4ml's interpreter of the traced logic", bench.interpreted), ("the VHDL", vhdl)):
        if compared is not None and not compared.passed:
            return f"{what} does not give the golden codes; first in {compared.first_mismatch}"
    return None


def _wrapper_failure(wrappers: tuple[WrapperCheck, ...]) -> str | None:
    """Say what is wrong with the first wrapper that breaks its protocol, or None."""
    for wrapper in wrappers:
        if wrapper.failure:
            return (
                f"{wrapper.file}: {wrapper.mismatched_events:,} of {wrapper.events:,} events were lost, repeated or "
                f"wrong where gaps, back-pressure and resets came; {wrapper.failure}"
            )
    return None


class _Bench:
    """The stimulus of a run, the golden network, and what was compared so far."""

    def __init__(self, run: StageRun) -> None:
        features = FeatureMap.of(run.result(DataResult))
        self._seed = run.config.seed
        self._trigger = GoldenTrigger.load(run.upstream("convert"), features)
        self._logic = CombLogic.load(run.upstream("trace") / LOGIC_FILE)
        edges = EdgeEvents.load(run.upstream("convert") / EDGES_FILE)
        self._stimuli = Stimuli(run.config, run.upstream("data"), self._trigger, edges.hardware)
        self._plan = [source for source in self._stimuli.sources() if source.origin != LAYERS]
        names = self._trigger.names_of_outputs
        self.total, self.interpreted = Comparison.of_layers(names), Comparison.of_layers(names)
        self.timing = Timing()

    @property
    def n_events(self) -> int:
        """How many events the plan holds at most; those that are no hardware integers fall away."""
        return sum(source.stop - source.start for source in self._plan)

    def golden(self, hardware: Codes) -> dict[str, Tensor]:
        """Give the golden codes of what the block puts out, of hardware integers."""
        tensors = self._trigger.run(hardware)
        return {name: tensors[name] for name in self.total.layers}

    def settling_cycles(self, simulation: RtlSimulation) -> int | None:
        """Measure the latency of the data between two events of different score; None if all scores are the same."""
        hardware = self._stimuli.make(self._plan[0]).hardware
        scores = self._trigger.scores(hardware)
        other = int(np.argmax(scores != scores[0]))
        return simulation.settling_cycles(hardware[0], hardware[other]) if other else None

    def simulate(self, simulation: RtlSimulation) -> Iterator[int]:
        """Stream and compare the plan part by part; yields the events of each."""
        for source in self._plan:
            hardware = self._stimuli.make(source).hardware
            if len(hardware):
                self._compare(simulation, source, hardware)
            yield source.stop - source.start

    def drive_wrappers(self, simulation: RtlSimulation, project: Path) -> tuple[WrapperCheck, ...]:
        """Drive the wrappers with the first events of each origin, and all at the edges."""
        hardware = np.concatenate([hardware for _, hardware in self._stimuli.few(_WRAPPER_EVENTS)])
        stimulus = Stimulus(hardware, self._trigger.results(hardware), self._trigger.accept.size)
        return drive_wrappers(simulation, project, stimulus, self._seed)

    def simulate_vhdl(self, project: Path, build: Path) -> Comparison:
        """Compare the VHDL on the first events of each origin, and on all at the edges."""
        parts = list(self._stimuli.few(_VHDL_EVENTS))
        codes = simulate_vhdl(project, np.concatenate([hardware for _, hardware in parts]), build)
        result = Comparison.of_layers(list(self.total.layers))
        for source, hardware in parts:
            found, codes = codes[: len(hardware)], codes[len(hardware) :]
            result.merge(self._compared(found, self.golden(hardware), source))
        return result

    def _compare(self, simulation: RtlSimulation, source: Source, hardware: Codes) -> None:
        golden = self.golden(hardware)
        started = time.perf_counter()
        codes, clocks = simulation.stream(hardware)
        self.timing.seconds += time.perf_counter() - started
        self.timing.add(len(hardware), clocks)
        expected = {name: Tensor(tensor.codes[: len(codes)], tensor.fraction) for name, tensor in golden.items()}
        self.total.merge(self._compared(codes, expected, source))
        interpreted = self._logic.predict(hardware.astype(np.float64), n_threads=1).astype(np.int64)
        self.interpreted.merge(self._compared(interpreted, golden, source))

    def _compared(self, codes: Codes, golden: dict[str, Tensor], source: Source) -> Comparison:
        return compare_codes(self._trigger.of_outputs(codes), golden, source.origin, source.start)
