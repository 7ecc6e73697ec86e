"""Mutants of the Verilog, judged by `prove` alone (needs da4ml)."""

from __future__ import annotations

import shutil
from pathlib import Path

from da4ml.cmvm.types import Pipeline

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Mutant
from fpgaae.prove.rtl_replay import replay
from fpgaae.prove.verdicts import Outcome, Verdict
from fpgaae.prove.verilog import Verilog, VerilogProof
from fpgaae.rtl.design import Design
from fpgaae.rtl.parts import Parts, precompiled_headers
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.stage_proof import StageProver, require_abc
from fpgaae.rtl.verilator import compile_runtime
from fpgaae.runs.results.prove import Proven

_OPTIMIZATION = "-O0"  # of what is built for one mutant


class VerilogJudge:
    """Proves the mutants of a traced project.

    Parameters
    ----------
    pool
        Words (n, n_features) that are tried where a proof fails, and that go through what is said to compute the same.
    folder
        Scratch space.
    """

    def __init__(
        self, project: Path, trigger: GoldenTrigger, pipeline: Pipeline, pool: Codes, seed: int, folder: Path
    ) -> None:
        self._project = project
        self._trigger = trigger
        self._pipeline = pipeline
        self._pool = pool
        self._seed = seed
        self._folder = folder
        stages = stages_by_module(Design.load(project).name, pipeline)
        self._prover = StageProver(stages, require_abc(), folder / "traced")
        self._headers = precompiled_headers(folder / "headers", _OPTIMIZATION)
        self._runtime = compile_runtime(folder / "runtime")
        self._sound = Parts(project, folder / "sound", self._runtime, optimization=_OPTIMIZATION, headers=self._headers)
        self._sound.make()
        golden = trigger.results(pool)
        found = replay(self._sound.library(), project, pool, golden, seed, folder)
        if found.event is not None or found.wrappers:
            raise CheckFailed("the Verilog itself differs, so that nothing can be said of mutants")

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Prove a mutant, or refute it with an event that is replayed."""
        folder = self._folder / f"proof_{index}"
        try:
            verilog = self._of(mutant, folder)
            (file,) = mutant.edits
            pieces = tuple(verilog.pieces_of(file))
            return verdict_of(verilog.refuted(pieces, self._pool, self._seed))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def contradicted(self, index: int, mutant: Mutant) -> str | None:
        """Simulate a mutant."""
        folder = self._folder / f"simulated_{index}"
        try:
            verilog = self._of(mutant, folder)
            golden = self._trigger.results(self._pool)
            library = self._built(verilog.project, mutant, verilog.build)
            found = replay(library, verilog.project, self._pool, golden, self._seed, verilog.build)
        except CheckFailed as error:
            return f"its simulation says: {str(error).strip().splitlines()[-1]}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if found.event is not None:
            return f"simulation gives column {found.event.column} another code on {found.event.hardware}"
        return next((f"{fault.file}: {fault.failure}" for fault in found.wrappers), None)

    def _of(self, mutant: Mutant, folder: Path) -> Verilog:
        project, build = folder / "project", folder / "build"
        shutil.copytree(self._project, project)
        for file, text in mutant.edits.items():
            (project / file).write_text(text, encoding="utf-8")
        build.mkdir()
        return Verilog(
            project, self._trigger, self._pipeline, build, self._prover,
            lambda build: self._built(project, mutant, build), self._project,
        )  # fmt: skip

    def _built(self, project: Path, mutant: Mutant, build: Path) -> Path:
        """Build the simulation of a mutant, with the parts of the sound project that it leaves as they are."""
        parts = Parts(project, build / "parts", self._runtime, optimization=_OPTIMIZATION, headers=self._headers)
        parts.make(self._sound, {module for file in mutant.edits for module in self._prover.concerned(file)})
        return parts.library()


def verdict_of(proof: VerilogProof) -> Verdict:
    """Give the verdict on a mutant; a simulation that does not end refutes nothing."""
    outcomes = {piece.outcome for piece in proof.pieces}
    said = "; ".join(f"{piece.name}: {piece.reason or piece.how}" for piece in proof.pieces)
    if outcomes == {Proven.PROVEN.value}:
        return Verdict(Outcome.PROVEN, "proof", said)
    if (event := proof.refutation) is not None:
        n = len(event.before) + len(event.behind)
        among = f" among {n} others" if n else ""
        where = f"on the event {' '.join(map(str, event.hardware))}{among} column {event.column} is {event.found_code}"
        by = "events in a row" if n else "event"
        return Verdict(Outcome.REFUTED, by, f"{said}; {where} instead of {event.expected_code}")
    if Proven.REFUTED.value in outcomes:
        return Verdict(Outcome.REFUTED, "events at a wrapper", said)
    if proof.crashes:
        return Verdict(Outcome.REFUTED, "run", said)
    return Verdict(Outcome.OPEN, "nothing", said)
