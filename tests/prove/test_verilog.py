"""The registers and wrappers of a written project are proven, and each damage to them is found; so is what follows."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import networks
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed, ToolMissing
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.pipeline import error_of
from fpgaae.prove.verilog import Verilog
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.stage_proof import abc_program
from fpgaae.rtl.wrapper_proof import PROVEN_WRAPPERS, prove_wrapper
from fpgaae.runs.results.prove import Proven, ProvenPiece, ProveResult, RtlRefutation

pytestmark = pytest.mark.skipif(abc_program() is None, reason="needs yosys with ABC")
CORE, TRIGGER, VALID, AXIS = (f"verilog/autoencoder_{name}.v" for name in ("core", "trigger", "valid", "axis"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    return write_design(networks.random_network(Score.MU_SQUARED, features), features, tmp_path_factory.mktemp("rtl"))


@pytest.fixture
def damaged(written: Written, tmp_path: Path) -> Written:
    return written._replace(project=Path(shutil.copytree(written.project, tmp_path / "project")))


def registers(written: Written, folder: Path) -> str | None:
    """Say what is wrong with the registers."""
    return registers_differ(written.project, written.pipeline, written.design.results, folder / "build")


def test_the_registers_are_proven(written: Written, tmp_path: Path) -> None:
    assert registers(written, tmp_path) is None


@pytest.mark.parametrize(
    ("file", "pattern", "new", "said"),
    [
        (CORE, r"stage1_inp <= stage0_out;", "stage1_inp <= {stage0_out[0], stage0_out} >> 1;", "bit 0 of the in"),
        (CORE, r"stage1_inp <= stage0_out;", "stage1_inp <= ~stage0_out;", r"a \$not"),
        (CORE, r"model_out <= (stage\d+_out);", r"model_out <= stage0_out;", "is right"),
        (CORE, r"reg (\[\d+:0\]) stage1_inp;", r"reg \1 stage1_inp; reg \1 late;", None),
        (CORE, r"stage1_inp <= stage0_out;", "late <= stage0_out; stage1_inp <= late;", "2 clocks old where"),
        (CORE, r"posedge clk", "negedge clk", "takes no value at the rising edge"),
        (CORE, r"stage0_inp <= model_inp;", "if (model_inp[0]) stage0_inp <= model_inp;", r"a \$(mux|dffe)"),
        (CORE, r"\.model_inp\(stage1_inp\)", ".model_inp({stage1_inp[0], stage1_inp} >> 1)", "bit 0 of the in"),
        (TRIGGER, r"objects\[0\+:", "objects[1+:", "bit 0 of the input of autoencoder_core_stage0 is bit 1 of objects"),
        (TRIGGER, r"assign accept\[0\] = .*;", "assign accept[0] = 1'b0;", "bit 0 of accept is the constant 0"),
        (TRIGGER, r"assign accept\[0\] = .*;", "assign accept[0] = core_output[0];", "bit 0 of accept is bit 0 of"),
    ],
)  # fmt: skip
def test_each_damage_to_the_registers_is_named(
    damaged: Written, tmp_path: Path, file: str, pattern: str, new: str, said: str | None
) -> None:  # fmt: skip
    if "late <=" in new:
        replace_once(damaged.project / file, r"reg (\[\d+:0\]) stage1_inp;", r"reg \1 stage1_inp; reg \1 late;")
    replace_once(damaged.project / file, pattern, new)
    found = registers(damaged, tmp_path)
    if said is None:
        assert found is None, "a register that nothing reads changes nothing"
    else:
        assert found is not None
        assert re.search(said, found), found


def test_the_wrappers_are_proven(written: Written, tmp_path: Path) -> None:
    assert [prove_wrapper(written.project, kind, tmp_path).failure for kind in PROVEN_WRAPPERS] == [None, None]


@pytest.mark.parametrize(
    ("file", "pattern", "new"),
    [
        (VALID, r"if \(reset\) under_way <= 0;\n\s*else", ""),
        (VALID, r"under_way\[LATENCY-1\]", "under_way[LATENCY-2]"),
        (VALID, r"\.objects\(in_objects\)", ".objects(~in_objects)"),
        (VALID, r"\.score\(out_score\)", ".score()"),
        (AXIS, r"!promised\[DEPTH_BITS\]", "1'b1"),
        (AXIS, r"taken <= taken \+ 1'b1", "taken <= taken + 2'd2"),
        (AXIS, r"last\[LATENCY-1\], accept", "last[LATENCY-2], accept"),
        (AXIS, r"if \(result\) written", "if (result && m_axis_tready) written"),
        (AXIS, r"written != taken", "written != taken && aclk"),
        (AXIS, r"if \(event_in && !result_out\) promised", "if (event_in) promised"),
        (AXIS, r"\], accept, score\}", "], accept, score ^ 1'b1}"),
        (AXIS, r"            under_way <= 0;\n", ""),
        (AXIS, r"!promised\[DEPTH_BITS\]", "!promised[DEPTH_BITS] && !promised[0]"),
        (AXIS, r"tlast  = oldest", "tlast  = !oldest"),
        (AXIS, r"fifo\[taken\[DEPTH_BITS-1:0\]\]", "fifo[taken[DEPTH_BITS-1:0] ^ 1'b1]"),
    ],
)
def test_each_damage_to_a_wrapper_is_found(
    damaged: Written, tmp_path: Path, file: str, pattern: str, new: str
) -> None:  # fmt: skip
    replace_once(damaged.project / file, pattern, new)
    kind = "valid" if file == VALID else "axis"
    assert prove_wrapper(damaged.project, kind, tmp_path).failure is not None


def test_a_wrapper_of_unknown_depth_is_named_not_refused(damaged: Written, tmp_path: Path) -> None:
    replace_once(damaged.project / AXIS, r"parameter DEPTH_BITS ", "parameter PLACES_BITS ")
    assert prove_wrapper(damaged.project, "axis", tmp_path).failure == "it has no parameter DEPTH_BITS of at most 8"


def verilog(written: Written, folder: Path) -> Verilog:
    """Give what is proven of a written project."""
    return Verilog(written.project, GoldenTrigger(written.features, written.network), written.pipeline, folder / "all")


def test_a_stage_that_differs_where_no_output_sees_it_is_proven_with_all_behind_it(
    damaged: Written, tmp_path: Path
) -> None:  # fmt: skip
    pool = networks.events(damaged.features, 50)
    sound = verilog(damaged, tmp_path)
    pieces = tuple(sound.pieces())
    assert {piece.outcome for piece in pieces} == {Proven.PROVEN.value}
    assert {piece.kind for piece in pieces} == {"logic", "stage", "registers", "wrapper"}
    stage = next(piece for piece in pieces if piece.kind == "stage")
    wrong = tuple(replace(p, outcome=Proven.OPEN.value, reason="said so") if p is stage else p for p in pieces)
    assert "reaches no output" in next(p for p in sound.refuted(wrong, pool, 1).pieces if p.name == stage.name).how


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_a_damaged_stage_is_refuted_by_an_event_that_is_replayed(damaged: Written, tmp_path: Path) -> None:
    networks.need("verilator")
    file = damaged.project / "verilog/autoencoder_core_stage0.v"
    replace_once(file, r"shift_adder #\((\d+), (\d+), (\d+), (\d+), (\d+), (-?\d+), 0\)",
                 r"shift_adder #(\1, \2, \3, \4, \5, \6, 1)")  # fmt: skip
    proof = verilog(damaged, tmp_path)
    pieces = tuple(proof.pieces())
    assert [piece.name for piece in pieces if piece.outcome != Proven.PROVEN.value] == ["autoencoder_core_stage0"]
    found = proof.refuted(pieces, networks.events(damaged.features, 1)[:1], 1)
    assert found.refutation is not None
    assert found.refutation.expected_code != found.refutation.found_code
    assert next(piece.outcome for piece in found.pieces if piece.kind == "stage") == Proven.REFUTED.value


_RESULT = ProveResult(
    passed=False, input_bits=4, weight_bits=0, paths=3, layers=(), refutation=None, assumptions=(), edited_files=(),
    seconds=1.0,
)  # fmt: skip
_PIECE = ProvenPiece(
    name="core_stage1", kind="stage", outcome=Proven.REFUTED.value, how="its gates", reason="bit 3 is another one"
)  # fmt: skip


def test_what_is_wrong_with_the_verilog_is_one_sentence_and_a_missing_tool_another_error() -> None:
    event = RtlRefutation(hardware=(1, 2), column=0, expected_code=3, found_code=4)
    refuted = error_of(replace(_RESULT, pieces=(_PIECE,), rtl_refutation=event))
    assert isinstance(refuted, CheckFailed)
    assert str(refuted).endswith("the simulated event in prove.json gives the score 4 instead of 3")
    still_open = error_of(replace(_RESULT, pieces=(replace(_PIECE, outcome=Proven.OPEN.value),)))
    assert str(still_open) == "core_stage1 could not be proven: bit 3 is another one"
    missing = error_of(replace(_RESULT, missing_tool="yosys is not on the PATH"))
    assert isinstance(missing, ToolMissing)
    assert str(missing) == "the HLS sources are proven, the Verilog is not: yosys is not on the PATH"
    assert error_of(replace(_RESULT, passed=True)) is None
