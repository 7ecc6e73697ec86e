"""The Verilog of a traced project piece by piece: the logic, each stage, the registers, the wrappers (needs da4ml).

That the block is the model for every event follows from all pieces together: the traced stages one behind the other are
the golden network for every word, each stage of the Verilog is the traced one, and between them each bit is passed on,
one clock older, and nothing else. A piece that is not proven is searched for an event that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
from fpgaae.prove.rtl_replay import ReplayCrashes, replay
from fpgaae.prove.traced import traced_differs
from fpgaae.rtl.design import VERILOG_FOLDER, Design, verilog_sources
from fpgaae.rtl.memory_files import check_tables, has_more_lines, with_missing_lines
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.source_text import read_in_two_ways
from fpgaae.rtl.stage_proof import VERILOG, BlockProof, StageProver, require_abc
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import VERILATOR, find_tool
from fpgaae.rtl.unrolled import compare_unrolled
from fpgaae.rtl.verilator import compile_rtl, compile_runtime
from fpgaae.rtl.wrapper_proof import PROVEN_WRAPPERS, prove_wrapper
from fpgaae.runs.results.prove import Proven, ProvenPiece, RtlRefutation

_LOGIC, _SOURCE, _TABLES, _STAGE = "logic", "source", "tables", "stage"
_REGISTERS, _WRAPPER = "registers", "wrapper"
_STAGES_BEFORE = 3  # with how many of those before it a damaged stage is compared, until all are


@dataclass(frozen=True)
class VerilogProof:
    """What was found of each piece, an event that refutes one, and whether it can't be built or run at all."""

    pieces: tuple[ProvenPiece, ...]
    refutation: RtlRefutation | None
    crashes: bool = False


@dataclass(frozen=True)
class Verilog:
    """A traced project and what it should compute.

    Parameters
    ----------
    pipeline
        What was traced.
    build
        A folder for what is in between.
    prover
        Of another project of the same pipeline, whose graphs are taken.
    simulate
        Builds the simulation of the project in a folder, where that is done in another way than at once.
    sound
        A proven project of the same pipeline: gates that stand in both are the same, and not to be proven again.
    """

    project: Path
    trigger: GoldenTrigger
    pipeline: Pipeline
    build: Path
    prover: StageProver | None = None
    simulate: Callable[[Path], Path] | None = None
    sound: Path | None = None

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
            yield from self._sources(verilog_sources(self.project))
            yield from self._tables()
            yield from self._stages(self._prover.stages)
            yield self._registers()
            for proof in (wrapper.result() for wrapper in wrappers):
                yield _piece(proof.file, _WRAPPER, proof.how, proof.failure)

    def pieces_of(self, file: str) -> Iterator[ProvenPiece]:
        """Prove the pieces that a source is part of, where all else is as it was traced.

        Parameters
        ----------
        file
            Relative to the project.
        """
        name = Path(file).name
        if not name.endswith(".mem"):
            yield from self._sources([self.project / file])
        kind = Path(file).stem.removeprefix(f"{Design.load(self.project).name}_")
        if kind in PROVEN_WRAPPERS:
            proof = prove_wrapper(self.project, kind, self.build / "wrappers")
            yield _piece(proof.file, _WRAPPER, proof.how, proof.failure)
        elif modules := self.modules_of(file):
            if name.endswith(".mem"):
                yield from self._tables()
            yield from self._stages(modules)
        else:
            yield self._registers()

    def modules_of(self, file: str) -> list[str]:
        """Name the stages that a source, or a table, is part of."""
        if not file.endswith(".mem"):
            return self._prover.concerned(file)
        sources = {module: self.project / VERILOG_FOLDER / f"{module}.v" for module in self._prover.stages}
        return [module for module, own in sources.items() if Path(file).name in own.read_text(encoding="utf-8")]

    @cached_property
    def _prover(self) -> StageProver:
        if self.prover is not None:
            return self.prover
        stages = stages_by_module(Design.load(self.project).name, self.pipeline)
        return StageProver(stages, require_abc(), self.build / "traced")

    def _logic(self) -> ProvenPiece:
        how = f"its polynomials in all words of {len(self.trigger.features)} ports, tables code by code"
        try:
            return _piece("traced logic", _LOGIC, how, traced_differs(self.trigger, self.pipeline))
        except NotFollowed as error:
            return _piece("traced logic", _LOGIC, how, str(error))

    @staticmethod
    def _sources(files: Iterable[Path]) -> Iterator[ProvenPiece]:
        for file in files:
            if (said := read_in_two_ways(file)) is not None:
                yield _piece(f"text of {file.name}", _SOURCE, "that every tool reads the same", said)

    def _tables(self) -> Iterator[ProvenPiece]:
        try:
            check_tables(self.project)
        except CheckFailed as error:
            yield _piece("tables", _TABLES, "each line", str(error))

    def _stages(self, modules: Iterable[str]) -> Iterator[ProvenPiece]:
        how = "its gates, for every input in the ranges that the stages before give"
        for proof in self._prover.prove(self.project, VERILOG, self.build / "stages", modules):
            yield _piece(proof.module, _STAGE, how, proof.failure)

    def _registers(self) -> ProvenPiece:
        design = Design.load(self.project)
        how = f"where each bit comes from and how old it is: {design.latency_cycles} clocks in all, an event a clock"
        types = self.trigger.result_types
        said = registers_differ(self.project, self.pipeline, types, self.build / "registers")
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
        if all(piece.kind == _TABLES for piece in wrong) and not has_more_lines(self.project):
            return self._of_tables(pieces, wrong)
        try:
            return self._searched(pieces, wrong, pool, seed)
        except CheckFailed as error:
            said = str(error).strip().splitlines()[-1]
            wrong_pieces = _with(pieces, wrong, Proven.OPEN, more=f"its simulation says: {said}")
            return VerilogProof(wrong_pieces, None, isinstance(error, ReplayCrashes))

    @staticmethod
    def _of_tables(pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece]) -> VerilogProof:
        how = "each line that an input of a stage reaches, by the gates of the stages"
        return VerilogProof(_with(pieces, wrong, Proven.PROVEN, how=how), None)

    def _searched(
        self, pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece], pool: Codes, seed: int
    ) -> VerilogProof:  # fmt: skip
        kinds = {piece.kind for piece in wrong}
        if _STAGE in kinds and kinds <= {_STAGE, _TABLES} and self.simulate is None:
            return self._by_block(pieces, wrong, pool, seed, None)
        library = self._library()
        found = self._replayed(library, pieces, wrong, pool, seed)
        if found.refutation is not None:
            return found
        if kinds == {_TABLES}:
            return self._of_tables(pieces, wrong)
        if kinds <= {_STAGE, _TABLES}:
            return self._by_block(pieces, wrong, pool, seed, library)
        return self._by_clocks(found, wrong, pool, seed, library) if kinds == {_REGISTERS} else found

    def _library(self) -> Path:
        if self.simulate is None and find_tool(VERILATOR) is None:
            raise CheckFailed(f"{VERILATOR} is not there to replay an event")
        try:
            return (self.simulate or self._simulation)(self.build)
        except CheckFailed as error:
            raise ReplayCrashes(str(error)) from None

    def _by_clocks(
        self, found: VerilogProof, wrong: list[ProvenPiece], pool: Codes, seed: int, library: Path
    ) -> VerilogProof:
        """Follow the registers over the clocks: either nothing of other events reaches an output, or ABC gives them."""
        try:
            proof = compare_unrolled(self._prover, self.project, self.pipeline, self.build / "clocks")
        except CheckFailed:
            return found
        if proof.equal:
            how = "all stages with what is between them, whatever a register keeps: it reaches no output for any event"
            return VerilogProof(_with(found.pieces, wrong, Proven.PROVEN, how=how), None)
        if proof.events is None:
            return found
        pool = np.concatenate([np.stack([self.words(bits) for bits in proof.events]), pool])
        return self._replayed(library, found.pieces, wrong, pool, seed)

    def _by_block(
        self, pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece], pool: Codes, seed: int, library: Path | None
    ) -> VerilogProof:  # fmt: skip
        """Compare all stages in a row: either no output sees what one does otherwise, or ABC gives an event."""
        block = self._block(wrong)
        if block.equal:
            return self._out_of_reach(pieces, wrong)
        if block.bits is not None:
            pool = np.concatenate([self.words(block.bits)[None], pool])
        return self._replayed(library or self._library(), pieces, wrong, pool, seed)

    @staticmethod
    def _out_of_reach(pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece]) -> VerilogProof:
        how = "all stages in a row: what it gives otherwise reaches no output for any event"
        return VerilogProof(_with(pieces, wrong, Proven.PROVEN, how=how), None)

    def _block(self, wrong: list[ProvenPiece]) -> BlockProof:
        """Compare the stages in a row from the damaged one on, whatever is in its range; then with some before it."""
        if self.sound is None:
            return self._prover.prove_block(self.project, self.build / "block")
        modules = list(self._prover.stages)
        first = min(modules.index(piece.name) for piece in wrong if piece.kind == _STAGE)
        proof = BlockProof(False, None)
        for start in sorted({*range(first, max(first - _STAGES_BEFORE, 0), -1), 0}, reverse=True):
            proof = self._prover.compare_rows(self.project, self.sound, modules[start:], self.build / f"from_{start}")
            if proof.equal:
                break
        return proof

    def words(self, bits: int) -> Codes:
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

    def _simulation(self, build: Path) -> Path:
        library, driver = build / "simulation.so", firmware_rtl("rtl_driver.cpp")
        compile_rtl(self.project, driver, build / "verilated", library, compile_runtime(build / "runtime"))
        return library

    def _replayed(
        self, library: Path, pieces: tuple[ProvenPiece, ...], wrong: list[ProvenPiece], pool: Codes, seed: int
    ) -> VerilogProof:  # fmt: skip
        golden = self.trigger.results(pool)
        found, more = replay(library, self.project, pool, golden, seed, self.build), ""
        if found.event is None and (filled := with_missing_lines(self.project, self.build / "filled")) is not None:
            found = replay(library, filled, pool, golden, seed, self.build)
            more = "with ones in the lines that are missing" if found.event else ""
        of_block = [piece for piece in wrong if piece.kind != _WRAPPER]
        pieces = _with(pieces, of_block, Proven.REFUTED if found.event else Proven.OPEN, more=more)
        for fault in found.wrappers:
            of = [piece for piece in wrong if piece.name == fault.file]
            pieces = _with(pieces, of, Proven.REFUTED, more=f"simulated, {fault.failure}")
        return VerilogProof(pieces, found.event if of_block else None)


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
