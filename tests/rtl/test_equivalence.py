"""Proofs that a damaged stage computes the same, and those that must not be found."""

from __future__ import annotations

from pathlib import Path

import networks
import pytest
from da4ml.cmvm.types import CombLogic, Op, QInterval

from fpgaae.rtl.equivalence import _ranges, proof_of_equality

MODULE = "toy_core_stage0"
_VERILOG = "module {module} (input [3:0] model_inp, output [3:0] model_out); {body} endmodule\n"
_VHDL = """library ieee; use ieee.std_logic_1164.all;
entity {module} is port(model_inp:in std_logic_vector(3 downto 0); model_out:out std_logic_vector(3 downto 0));
end entity {module};
architecture rtl of {module} is begin {body} end architecture rtl;
"""


def _logic(*ranges: QInterval) -> CombLogic:
    """Give a stage that puts out its inputs."""
    n = len(ranges)
    ops = [Op(index, -1, -1, 0, own, 0.0, 0.0) for index, own in enumerate(ranges)]
    return CombLogic((n, n), [0] * n, list(range(n)), [0] * n, [False] * n, ops, -1, -1)


def _proof(folder: Path, text: str, ending: str, bodies: tuple[str, str], logic: CombLogic) -> str | None:
    for name, body in zip(("sound", "damaged"), bodies, strict=True):
        source = folder / name / ("vhdl" if ending == "vhd" else "verilog") / f"{MODULE}.{ending}"
        source.parent.mkdir(parents=True)
        source.write_text(text.format(module=MODULE, body=body))
        (folder / name / "design.json").write_text(
            '{"name": "toy", "inputs": [], "score": "ap_ufixed<4,4>", "n_thresholds": 1, "stages": 1, '
            '"latency_cycles": 2, "estimated_lut": 0, "estimated_ff": 0}'
        )
    return proof_of_equality(
        folder / "sound", folder / "damaged", f"{MODULE}.{ending}", {MODULE: logic}, folder / "proof"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("damaged", "is_equal"),
    [
        ("assign model_out = model_inp ^ {4{model_inp == 4'd11}};", True),  # 11 is beyond the range
        ("assign model_out = model_inp ^ {4{model_inp == 4'd10}};", False),
        ("assign model_out = model_inp ^ {4{model_inp == 4'd1}};", True),
        ("assign model_out = model_inp ^ {4{model_inp == 4'd2}};", False),
        ("assign model_out[2:0] = model_inp[2:0];", False),  # a bit is left open
        ("assign model_out = {model_inp[4], model_inp[2:0]};", False),  # a bit that there is not
    ],
)
def test_the_ranges_of_the_inputs_count(tmp_path: Path, damaged: str, is_equal: bool) -> None:
    networks.need("yosys")
    logic = _logic(QInterval(2.0, 10.0, 1.0))
    proof = _proof(tmp_path, _VERILOG, "v", ("assign model_out = model_inp;", damaged), logic)
    assert (proof is not None) == is_equal
    if proof is not None:
        assert proof == f"Yosys and ABC prove that {MODULE} gives the same for all inputs in its ranges"


@pytest.mark.parametrize(("value", "is_equal"), [("1011", True), ("1010", False)])
def test_vhdl_is_proven_as_well(tmp_path: Path, value: str, is_equal: bool) -> None:
    for program in ("yosys", "ghdl"):
        networks.need(program)
    bodies = "model_out <= model_inp;", f'model_out <= "0000" when model_inp = "{value}" else model_inp;'
    assert (_proof(tmp_path, _VHDL, "vhd", bodies, _logic(QInterval(2.0, 10.0, 1.0))) is not None) == is_equal


def test_sources_that_are_no_stage_have_no_proof(tmp_path: Path) -> None:
    assert proof_of_equality(tmp_path, tmp_path, "verilog/toy_core.v", {MODULE: _logic()}, tmp_path / "proof") is None
    assert not (tmp_path / "proof").exists()


def test_a_condition_for_each_end_within_the_bits() -> None:
    logic = _logic(
        QInterval(0.0, 7.0, 1.0), QInterval(-4.0, 2.5, 0.5), QInterval(0.0, 0.0, 1.0), QInterval(-3.0, 3.0, 1.0),
    )  # fmt: skip
    assert list(_ranges(logic)) == [
        "$signed(model_inp[3+:4]) <= 6'sd5", "$signed(model_inp[7+:3]) >= -5'sd3",
    ]  # fmt: skip
