"""The Verilog of a traced project piece by piece: the logic, each stage, the registers, the wrappers (needs da4ml).

That the block is the model for every event follows from all pieces together: the traced stages one behind the other are
the golden network for every word, each stage of the Verilog is the traced one, and between them each bit is passed on,
one clock older, and nothing else. A piece that is not proven is searched for an event that shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import Pipeline

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import NotFollowed
from fpgaae.prove.traced import traced_differs
from fpgaae.rtl.design import Design
from fpgaae.rtl.memory_files import check_tables
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.stage_proof import VERILOG, StageProver, require_abc
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import VERILATOR, find_tool
from fpgaae.rtl.verilator import RtlSimulation, compile_rtl, compile_runtime, probe
from fpgaae.rtl.wrapper_proof import PROVEN_WRAPPERS, prove_wrapper
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.results.prove import Proven, ProvenPiece, RtlRefutation

_LOGIC, _STAGE, _REGISTERS, _WRAPPER = "logic", "stage", "registers", "wrapper"


@dataclass(frozen=True)
class VerilogProof:
    """What was found of each piece, and an event that refutes one."""

    pieces: tuple[ProvenPiece, ...]
    refutation: RtlRefutation | None


@dataclass(frozen=True)
class Verilog:
    """A traced project and what it should compute.

    Parameters
    ----------
    pipeline
        What was traced.
    build
        A folder for what is in between.
    """

    project: Path
    trigger: GoldenTrigger
    pipeline: Pipeline
    build: Path

    def pieces(self) -> Iterator[ProvenPiece]:
        """Prove piece by piece.

        Raises
        ------
        ToolMissing
            If there is no Yosys with ABC.
        """
        with ThreadPoolExecutor(1) as pool:  # the wrappers take another program's time
            wrappers = [
                pool.submit(prove_wrapper, self.project, kind, self.build / "wrappers") for kind in PROVEN_WRAPPERS
            ]
            yield self._logic()
            yield from self._stages()
            yield self._registers()
            for proof in (wrapper.result() for wrapper in wrappers):
                yield _piece(proof.file, _WRAPPER, proof.how, proof.failure)

    @cached_property
    def _prover(self) -> StageProver:
        stages = stages_by_module(Design.load(self.project).name, self.pipeline)
        return StageProver(stages, require_abc(), self.build / "traced")

    def _logic(self) -> ProvenPiece:
        how = f"its polynomials in all words of {len(self.trigger.features)} ports, tables code by code"
        try:
            return _piece("traced logic", _LOGIC, how, traced_differs(self.trigger, self.pipeline))
        except NotFollowed as error:
            return _piece("traced logic", _LOGIC, how, str(error))

    def _stages(self) -> Iterator[ProvenPiece]:
        try:
            check_tables(self.project)
        except CheckFailed as error:
            yield _piece("tables", _STAGE, "each line", str(error))
        how = "its gates, for every input in the ranges that the stages before give"
        for proof in self._prover.prove(self.project, VERILOG, self.build / "stages", self._prover.stages):
            yield _piece(proof.module, _STAGE, how, proof.failure)

    def _registers(self) -> ProvenPiece:
        design = Design.load(self.project)
        how = f"where each bit comes from and how old it is: {design.latency_cycles} clocks in all, an event a clock"
        score = self.trigger.network.score
        said = registers_differ(self.project, self.pipeline, not score.type.signed, self.build / "registers")
        return _piece(f"{design.name}_trigger", _REGISTERS, how, said)

    # ---- where a piece is not proven ----

    def refuted(self, pieces: tuple[ProvenPiece, ...], pool: Codes, seed: int) -> VerilogProof:
        """Search an event that shows what is not proven, and replay it in the simulated Verilog.

        Parameters
        ----------
        pool
            (n, n_features) words that are tried first.
        """
        wrong = [piece for piece in pieces if piece.outcome != Proven.PROVEN.value]
        if not wrong:
            return VerilogProof(pieces, None)
        if all(piece.kind == _STAGE for piece in wrong):
            block = self._prover.prove_block(self.project, self.build / "block")
            if block.equal:
                how = "all stages in a row: what it gives otherwise reaches no output for any event"
                return VerilogProof(_with(pieces, wrong, Proven.PROVEN, how=how), None)
            if block.bits is not None:
                pool = np.concatenate([self._words(block.bits)[None], pool])
        if find_tool(VERILATOR) is None:
            return VerilogProof(_with(pieces, wrong, Proven.OPEN, more=f"{VERILATOR} is not there to replay it"), None)
        try:
            return self._replayed(pieces, wrong, pool, seed)
        except CheckFailed as error:
            said = str(error).strip().splitlines()[-1]
            return VerilogProof(_with(pieces, wrong, Proven.OPEN, more=f"its simulation says: {said}"), None)

    def _words(self, bits: int) -> Codes:
        """Read the bits that the first stage gets as the words on the ports."""
        words, low = [], 0
        for kif, kind in zip(
            np.asarray(self.pipeline.solutions[0].inp_kifs).T.tolist(), Design.load(self.project).inputs, strict=True
        ):
            width, zeros = sum(kif), max(-kif[2], 0)
            code = (bits >> low & (1 << width) - 1) << zeros
            low += width
            words.append(code - (1 << kind.width) if kind.signed and width and code >> (kind.width - 1) else code)
        return np.array(words, dtype=np.int64)

    def _replayed(
        self, pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece], pool: Codes, seed: int
    ) -> VerilogProof:  # fmt: skip
        golden = self.trigger.score_and_decisions(pool)
        library, driver = self.build / "simulation.so", firmware_rtl("rtl_driver.cpp")
        compile_rtl(self.project, driver, self.build / "verilated", library, compile_runtime(self.build / "runtime"))
        probe(library)
        of_block = [piece for piece in wrong if piece.kind != _WRAPPER]
        with RtlSimulation(library, self.project) as simulation:
            refutation = self._first_difference(simulation, pool, golden) if of_block else None
            drives = drive_wrappers(simulation, self.project, Stimulus(pool, golden), seed)
        pieces = _with(pieces, of_block, Proven.REFUTED if refutation else Proven.OPEN)
        for drive in drives:
            of = [piece for piece in wrong if piece.name == drive.file]
            if drive.failure:
                pieces = _with(pieces, of, Proven.REFUTED, more=f"simulated, {drive.failure}")
        return VerilogProof(pieces, refutation)

    @staticmethod
    def _first_difference(simulation: RtlSimulation, pool: Codes, golden: Codes) -> RtlRefutation | None:
        codes = simulation.stream(pool).codes
        differing = np.argwhere(codes != golden[: len(codes)])
        if not len(differing):
            return None
        event, column = differing[0].tolist()
        return RtlRefutation(
            hardware=tuple(map(int, pool[event])),
            column=column,
            expected_code=int(golden[event, column]),
            found_code=int(codes[event, column]),
        )


def _piece(name: str, kind: str, how: str, reason: str | None) -> ProvenPiece:
    outcome = Proven.PROVEN if reason is None else Proven.OPEN
    return ProvenPiece(name=name, kind=kind, outcome=outcome.value, how=how, reason=reason)


def _with(
    pieces: tuple[ProvenPiece, ...], those: list[ProvenPiece], outcome: Proven, how: str | None = None, more: str = ""
) -> tuple[ProvenPiece, ...]:  # fmt: skip
    """Give some pieces another outcome."""
    names = {piece.name for piece in those}
    return tuple(
        piece
        if piece.name not in names
        else replace(
            piece,
            outcome=outcome.value,
            how=how or piece.how,
            reason=None if outcome is Proven.PROVEN else "; ".join(filter(None, (piece.reason, more))),
        )
        for piece in pieces
    )
