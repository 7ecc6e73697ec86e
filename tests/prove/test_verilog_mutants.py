"""Mutants of the Verilog: what the proof says of each, by which pieces, and the event that was replayed."""

from __future__ import annotations

import re
import shutil
from enum import Enum
from pathlib import Path

import networks
import numpy as np
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Mutant
from fpgaae.prove.rtl_replay import ReplayCrashes, wrapper_events
from fpgaae.prove.verdicts import Outcome
from fpgaae.prove.verilog import Verilog, VerilogProof
from fpgaae.prove.verilog_mutants import VerilogJudge, verdict_of
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.stage_proof import StageProver, abc_program, require_abc
from fpgaae.runs.results.prove import Proven, ProvenPiece

pytestmark = pytest.mark.skipif(abc_program() is None, reason="needs yosys with ABC")
CORE, STAGE, VALID = (f"verilog/autoencoder_{name}.v" for name in ("core", "core_stage0", "valid"))
ADDER = r"(shift_adder #\(\d+, \d+, \d+, \d+, \d+, -?\d+, )(\d)\)"


class Damage(Enum):
    ANY = "any"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    return write_design(networks.random_network(Score.MU_SQUARED, features), features, tmp_path_factory.mktemp("rtl"))


@pytest.fixture(scope="module")
def trigger(written: Written) -> GoldenTrigger:
    return GoldenTrigger(written.features, written.network)


@pytest.fixture(scope="module")
def prover(written: Written, tmp_path_factory: pytest.TempPathFactory) -> StageProver:
    return StageProver(
        stages_by_module("autoencoder", written.pipeline), require_abc(), tmp_path_factory.mktemp("traced")
    )


def other_sum(text: str) -> str:
    """Let a difference be a sum, or the other way round."""
    return re.sub(ADDER, lambda match: f"{match[1]}{1 - int(match[2])})", text, count=1)


def test_a_source_is_part_of_some_pieces_alone(
    written: Written, trigger: GoldenTrigger, prover: StageProver, tmp_path: Path
) -> None:  # fmt: skip
    verilog = Verilog(written.project, trigger, written.pipeline, tmp_path, prover)
    names = {file: [(piece.kind, piece.outcome) for piece in verilog.pieces_of(file)] for file in (CORE, STAGE, VALID)}
    proven = Proven.PROVEN.value
    assert names == {CORE: [("registers", proven)], STAGE: [("stage", proven)], VALID: [("wrapper", proven)]}
    assert verilog.modules_of("verilog/shift_adder.v") == list(prover.stages)


def test_rows_of_stages_are_compared_from_the_damaged_one_on(
    written: Written, prover: StageProver, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(written.project, tmp_path / "project"))
    modules = list(prover.stages)
    assert prover.compare_rows(project, written.project, modules[-1:], tmp_path / "same").equal
    file = project / STAGE
    file.write_text(other_sum(file.read_text()))
    found = prover.compare_rows(project, written.project, modules, tmp_path / "other")
    assert not found.equal
    assert found.bits is not None
    assert prover.compare_rows(project, written.project, modules[-1:], tmp_path / "behind").equal


def test_a_wrapper_gets_what_few_events_do() -> None:
    golden = np.zeros((5000, 3), dtype=np.int64)
    golden[::2, 0], golden[1::2, 1] = 5, 1
    golden[4321] = 1, 0, 1  # bit 1 of the score, which no event sets, needs none
    chosen = wrapper_events(golden, [FixedPointType(4, 4, False), *[FixedPointType(1, 1, False)] * 2])
    assert (chosen == 4321).sum() >= 16
    assert len(np.unique(chosen // 500)) == 10, "from all over"
    assert len(chosen) < 1100


@pytest.mark.parametrize(("crashes", "outcome"), [(False, Outcome.OPEN), (True, Outcome.REFUTED)])
def test_a_simulation_that_does_not_end_refutes_nothing(crashes: bool, outcome: Outcome) -> None:
    reason = "its simulation says: the simulated Verilog does not end within 300 s"
    piece = ProvenPiece(name="core", kind="registers", outcome=Proven.OPEN.value, how="bits", reason=reason)
    assert verdict_of(VerilogProof((piece,), None, crashes)).outcome is outcome


def test_a_simulation_that_fails_contradicts_a_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(*_: object) -> Verilog:
        raise ReplayCrashes("the simulated Verilog crashes (SIGABRT)")

    judge = VerilogJudge.__new__(VerilogJudge)
    monkeypatch.setattr(judge, "_folder", tmp_path, raising=False)
    monkeypatch.setattr(judge, "_of", crashes)
    said = judge.contradicted(0, Mutant(Damage.ANY, CORE, "one", {}))
    assert said == "its simulation says: the simulated Verilog crashes (SIGABRT)"


def test_a_text_that_tools_read_in_two_ways_is_not_proven(
    written: Written, trigger: GoldenTrigger, prover: StageProver, tmp_path: Path
) -> None:  # fmt: skip
    project = Path(shutil.copytree(written.project, tmp_path / "project"))
    text = "`ifdef VERILATOR\\n    assign model_out = 0;\\n`else\\n\\g<0>`endif\\n"
    replace_once(project / STAGE, r"(?s)    assign model_out.*;\n(?=\s*endmodule)", text)
    pieces = tuple(Verilog(project, trigger, written.pipeline, tmp_path / "build", prover).pieces_of(STAGE))
    assert [(p.kind, p.outcome) for p in pieces] == [("source", "open"), ("stage", "proven")]
    assert "behind `ifdef depends on the tool" in (pieces[0].reason or "")


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_each_mutant_of_the_verilog_is_refuted_by_what_was_replayed_or_proven(
    written: Written, trigger: GoldenTrigger, tmp_path: Path
) -> None:
    networks.need("verilator")
    pool = networks.events(written.features, 60)
    judge = VerilogJudge(written.project, trigger, written.pipeline, pool, 1, tmp_path)
    copy = Path(shutil.copytree(written.project, tmp_path / "copy"))

    def mutant(file: str, pattern: str, new: str) -> Mutant:
        before = (copy / file).read_text()
        replace_once(copy / file, pattern, new)
        edited = (copy / file).read_text()
        (copy / file).write_text(before)
        return Mutant(Damage.ANY, file, "one", {file: edited})

    sum_of = Mutant(Damage.ANY, STAGE, "one", {STAGE: other_sum((copy / STAGE).read_text())})
    late = mutant(CORE, r"stage1_inp <= stage0_out;", "stage1_inp <= stage1_inp | stage0_out;")
    reset = mutant(VALID, r"if \(reset\)", "if (!reset)")
    found = [judge.judge(0, of) for of in (sum_of, late, reset)]
    assert [verdict.outcome for verdict in found] == [Outcome.REFUTED] * 3
    assert found[0].by == "event"
    assert "a $or" in found[1].detail
    assert found[2].by == "events at a wrapper"
    same = mutant(CORE, r"stage1_inp <= stage0_out;", "stage1_inp <= ~~stage0_out;")
    assert judge.contradicted(0, same) is None
    assert judge.contradicted(0, sum_of) is not None
    commuted = mutant(STAGE, r"shift_adder #", "wire unused; shift_adder #")
    assert judge.judge(0, commuted).outcome is Outcome.PROVEN
