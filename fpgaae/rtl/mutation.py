"""The proof of the check of `rtl`: damaged copies of a traced project, each of which that check must catch.

A damaged stage is caught where the proof of the stages (`fpgaae.rtl.stage_proof`) gives an input for which it differs,
and equivalent where it is proven. What is around them is simulated in parts (`fpgaae.rtl.parts`), so that only that is
built anew, and in VHDL, where GHDL is installed, as a whole. Tables are checked before either (needs da4ml).
"""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import Pipeline

from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Made, Mutant, damaged_copies, make_mutants
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.hls.verdicts import Outcome, Verdict, judge_all, same_program, uncaught
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.progress import Progress
from fpgaae.rtl.design import Design
from fpgaae.rtl.ghdl import simulate_vhdl
from fpgaae.rtl.memory_files import check_tables
from fpgaae.rtl.mutant_run import ALL, FEW, PAIR, REGISTERS, WRAPPERS, Found
from fpgaae.rtl.mutants import VERILOG_KINDS
from fpgaae.rtl.parts import Parts, precompiled_headers
from fpgaae.rtl.pipeline import load_pipeline, stage_ports, stages_by_module
from fpgaae.rtl.register_check import register_stimulus
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.rtl_sources import RtlSources
from fpgaae.rtl.stage_proof import VERILOG, VHDL, StageProver, require_abc
from fpgaae.rtl.tools import GHDL, find_tool
from fpgaae.rtl.verilator import compile_runtime
from fpgaae.rtl.vhdl_mutants import VHDL_KINDS
from fpgaae.rtl.vhdl_registers import check_vhdl_registers
from fpgaae.rtl.wrapper_proof import PROVEN_WRAPPERS, prove_wrapper
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.mutants import NotMade, RtlMutantsResult
from fpgaae.runs.results.rtl import RtlResult, TraceResult

MUTANTS_FILE = "mutants.json"
FEW_EVENTS, VHDL_EVENTS, WRAPPER_EVENTS = 300, 20, 500  # of each origin
_FIRST_VHDL_EVENTS = 4
_TIMEOUT_S = 300
_OPTIMIZATION = "-O0"  # of what is built for one mutant
_NO_GHDL = "GHDL is not installed, which simulates the VHDL: apt-get install ghdl (Debian, Ubuntu)"


class Mutation:
    """Builds and checks the mutants of one traced project.

    Parameters
    ----------
    stimuli
        What the design is fed with.
    pipeline
        The stages, which are proven alone.
    folder
        Scratch space.
    """

    def __init__(
        self,
        project: Path,
        trigger: GoldenTrigger,
        stimuli: Stimuli,
        pipeline: Pipeline,
        seed: int,
        folder: Path,
    ) -> None:
        self._project = project
        self._folder = folder
        self._stimulus = folder / "stimulus.npz"
        self._trigger = trigger
        self._pipeline = pipeline
        origins = _origins(stimuli)
        first = [events[:VHDL_EVENTS] for events in origins]
        self._vhdl_events = np.concatenate([events[:_FIRST_VHDL_EVENTS] for events in first]), np.concatenate(first)
        parts = {
            FEW: np.concatenate([events[:FEW_EVENTS] for events in origins]),
            ALL: np.concatenate([events[FEW_EVENTS:] for events in origins]),
            WRAPPERS: np.concatenate([events[:WRAPPER_EVENTS] for events in origins]),
        }
        arrays = {f"{name}/hardware": events for name, events in parts.items()}
        arrays |= {f"{name}/golden": trigger.results(events) for name, events in parts.items()}
        design = Design.load(project)
        driven = register_stimulus(pipeline, design, seed)
        self._registers = stage_ports(pipeline), driven
        arrays |= {f"{REGISTERS}/given": driven.given, f"{REGISTERS}/seen": driven.seen}
        self._prover = StageProver(stages_by_module(design.name, pipeline), require_abc(), folder / "traced")
        arrays |= {f"{PAIR}/hardware": _pair(parts[FEW], arrays[f"{FEW}/golden"]), "seed": np.array(seed)}
        np.savez(self._stimulus, **arrays)  # type: ignore[arg-type]
        check_tables(project)
        self._headers = precompiled_headers(folder / "headers", _OPTIMIZATION)
        self._runtime = compile_runtime(folder / "runtime")
        self._sound = Parts(project, folder / "sound", self._runtime)
        self._sound.make()
        self._sound.make_registers()
        if (verdict := self._simulate(project, self._sound, folder)) is not None:
            raise CheckFailed(
                f"the project itself does not pass, so that nothing can be said of mutants: {verdict.detail}"
            )

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Build a mutant and check it."""
        folder = self._folder / f"mutant_{index}"
        project = folder / "project"
        try:
            shutil.copytree(self._project, project)
            for file, text in mutant.edits.items():
                (project / file).write_text(text, encoding="utf-8")
            try:
                check_tables(project)
            except CheckFailed as error:
                return Verdict(Outcome.CAUGHT, "tables", detail=str(error))
            if any(file.endswith(".vhd") for file in mutant.edits):
                return self._judge_vhdl(project, folder, mutant)
            return self._judge_verilog(project, folder, mutant)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _judge_verilog(self, project: Path, folder: Path, mutant: Mutant) -> Verdict:
        if (verdict := self._judge_stages(project, VERILOG, folder, mutant)) is not None:
            return verdict
        parts = Parts(project, folder / "build", self._runtime, optimization=_OPTIMIZATION, headers=self._headers)
        try:
            differs = parts.make(self._sound)
            parts.make_registers(self._sound, list(mutant.edits))
        except CheckFailed as error:
            return Verdict(Outcome.CAUGHT, "compiler", detail=_error_line(str(error)))
        if not differs:
            return same_program("Verilator makes the same program")
        return self._simulate(project, parts, folder) or uncaught(mutant, self._proof_around(project, folder, mutant))

    def _proof_around(self, project: Path, folder: Path, mutant: Mutant) -> str | None:
        """Prove what is around the stages where that holds the damage."""
        (file,) = mutant.edits
        kind = Path(file).stem.removeprefix(f"{self._sound.design.name}_")
        if kind in PROVEN_WRAPPERS:
            proof = prove_wrapper(project, kind, folder / "proof")
            return f"Yosys proves it {proof.how}" if proof.failure is None else None
        if registers_differ(project, self._pipeline, self._trigger.result_types, folder / "proof") is not None:
            return None
        return "each bit between the stages comes from where it did, and is as old"

    def _judge_stages(self, project: Path, language: str, folder: Path, mutant: Mutant) -> Verdict | None:
        """Prove the stages that hold the damage; None of what no stage holds."""
        (file,) = mutant.edits
        concerned = self._prover.concerned(file)
        if not concerned:
            return None
        for proof in self._prover.prove(project, language, folder / "proof", concerned):
            if proof.failure is not None:
                return Verdict(Outcome.CAUGHT, "proof", detail=proof.failure)
        what = "the stage gives" if len(concerned) == 1 else f"each of the {len(concerned)} stages gives"
        return uncaught(mutant, f"Yosys and ABC prove that {what} what was traced for all inputs in its ranges")

    def _simulate(self, project: Path, parts: Parts, folder: Path) -> Verdict | None:
        """Check the built parts in a process of its own; give what caught it."""
        result = folder / "found.json"
        command = [
            sys.executable, "-m", "fpgaae.rtl.mutant_run", str(parts.library()), str(project), str(self._stimulus),
            str(result),
        ]  # fmt: skip
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            done = run_program(command, "a mutant", limit_s=_TIMEOUT_S, environment=single)
        except ProgramHangs:
            return Verdict(Outcome.CAUGHT, "timeout", detail=f"it does not end within {_TIMEOUT_S} s")
        if done.returncode < 0:
            return Verdict(Outcome.CAUGHT, "crash", detail=f"it ends with {signal.Signals(-done.returncode).name}")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            if "CheckFailed" in last:
                return Verdict(Outcome.CAUGHT, "check", detail=last.partition(": ")[2])
            raise CheckFailed(f"the check of a mutant failed by itself: {last}")
        found = read_record(Found, result, "look into `fpgaae.rtl.mutant_run`")
        return None if found.by is None else Verdict(Outcome.CAUGHT, found.by, detail=found.detail)

    def _judge_vhdl(self, project: Path, folder: Path, mutant: Mutant) -> Verdict:
        """Compare the VHDL: the first events of each origin, the registers, then as many events as `rtl` takes."""
        if (verdict := self._judge_stages(project, VHDL, folder, mutant)) is not None:
            return verdict
        for turn, events in enumerate(self._vhdl_events):
            try:
                codes = simulate_vhdl(project, events, folder / f"ghdl_{turn}")
            except CheckFailed as error:
                return Verdict(Outcome.CAUGHT, "GHDL", detail=_error_line(str(error)))
            golden = self._trigger.results(events)
            if len(wrong := np.argwhere(codes != golden)):
                event, column = wrong[0].tolist()
                detail = f"column {column} of event {event}: {codes[event, column]} instead of {golden[event, column]}"
                return Verdict(Outcome.CAUGHT, "VHDL", detail=detail)
            if turn == 0:
                registers = check_vhdl_registers(project, *self._registers, folder / "registers")
                if registers.failure:
                    return Verdict(Outcome.CAUGHT, "VHDL registers", detail=registers.failure)
        return uncaught(mutant, None)


def _origins(stimuli: Stimuli) -> list[Codes]:
    """Give the hardware integers of each origin."""
    found: dict[str, list[Codes]] = {}
    for source in stimuli.sources():
        if source.origin != LAYERS and len(hardware := stimuli.make(source).hardware):
            found.setdefault(source.origin, []).append(hardware)
    return [np.concatenate(parts) for parts in found.values()]


def _pair(hardware: Codes, golden: Codes) -> Codes:
    """Give two events of different score, or none."""
    other = int(np.argmax(golden[:, 0] != golden[0, 0]))
    return hardware[[0, other]] if other else hardware[:0]


def _error_line(text: str) -> str:
    lines = text.splitlines()
    return next((line for line in lines if "rror" in line and "exit code" not in line), lines[-1]).strip()


def run_mutation(experiment: Experiment, n: int, progress: Progress) -> RtlMutantsResult:
    """Damage the traced project of an experiment n times, and write `mutants.json` beside `rtl.json`.

    The config's seed chooses the places. Without GHDL no VHDL is damaged, and the result says so.

    Raises
    ------
    ToolMissing
        If there is no Yosys with ABC, Verilator or compiler.
    InputError
        If the stage `rtl` did not pass on the project as `trace` wrote it.
    """
    result = experiment.result(RtlResult)
    if not result.passed or result.edited_files:
        raise InputError(
            f"{experiment.result_path('rtl')} is not of the project as `trace` wrote it; run "
            f"`fpgaae trace {experiment.config_file} --force` and `fpgaae rtl {experiment.config_file}` first"
        )
    features = FeatureMap.of(experiment.result(DataResult))
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), features)
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger, edges.hardware)
    project = experiment.stage_folder("trace") / experiment.result(TraceResult).project_dir
    pipeline = load_pipeline(experiment.stage_folder("trace"))
    with damaged_copies(experiment) as scratch:
        made = _make(RtlSources(project), n, experiment.config.seed)
        with progress.task("the sound project", None):
            mutation = Mutation(project, trigger, stimuli, pipeline, experiment.config.seed, scratch)
        judged = judge_all(mutation, made, experiment.config.seed, progress)
        fingerprint = read_manifest(experiment.stage_folder("rtl"))["fingerprint"]
        mutants = RtlMutantsResult(**vars(judged), rtl_fingerprint=fingerprint)
        write_json(experiment.stage_folder("rtl") / MUTANTS_FILE, as_json(mutants))
    return mutants


def _make(sources: RtlSources, n: int, seed: int) -> Made:
    if find_tool(GHDL) is not None:
        return make_mutants(sources, (*VERILOG_KINDS, *VHDL_KINDS), n, seed)
    made = make_mutants(sources, VERILOG_KINDS, n, seed)
    without = tuple(
        NotMade(damage=str(damage), reason=_NO_GHDL)
        for damage in dict.fromkeys(kind.damage.value for kind in VHDL_KINDS)
    )
    return made._replace(not_made=(*made.not_made, *without))
