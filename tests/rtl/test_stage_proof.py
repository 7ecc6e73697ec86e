"""Proofs that stages compute what was traced, and damage of which none must be found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import networks
import numpy as np
import pytest
from da4ml.cmvm.types import CombLogic, Op, QInterval
from designs import Written, replace_once, write_design
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.rtl.design import THREE_INPUT_ADDER
from fpgaae.rtl.logic_graph import write_stage
from fpgaae.rtl.pipeline import interpretable, load_pipeline, stages_by_module
from fpgaae.rtl.stage_proof import VERILOG, VHDL, StageProver, _ranges, require_abc
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.three_input import pairs_of
from fpgaae.runs.results.rtl import StageProof

MODULE = "toy_core_stage0"
_VERILOG = "module {module} (input [3:0] model_inp, output [3:0] model_out); {body} endmodule\n"
_VHDL = """library ieee; use ieee.std_logic_1164.all;
entity {module} is port(model_inp:in std_logic_vector(3 downto 0); model_out:out std_logic_vector(3 downto 0));
end entity {module};
architecture rtl of {module} is begin {body} end architecture rtl;
"""
_SUM = re.compile(
    r"(?P<head>shift_adder #\(\d+, \d+, [01], [01], )(?P<bits>\d+)(?P<tail>, -?\d+, [01]\) op_\d+ \([^,]+, [^,]+, )"
    r"(?P<name>v\d+)\[\d+:0\]\);"
)


@pytest.fixture(
    scope="module", params=[Score.MU_SQUARED_OVER_VARIANCE, Score.MASKED_SQUARED_ERROR], ids=lambda s: s.value
)
def design(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    return write_design(networks.random_network(request.param, features), features, tmp_path_factory.mktemp("rtl"))


def _logic(*ranges: QInterval) -> CombLogic:
    """Give a stage that puts out its inputs."""
    n = len(ranges)
    ops = [Op(index, -1, -1, 0, own, 0.0, 0.0) for index, own in enumerate(ranges)]
    return CombLogic((n, n), [0] * n, list(range(n)), [0] * n, [False] * n, ops, -1, -1)


def _proof(folder: Path, text: str, language: str, body: str) -> StageProof:
    """Prove a stage whose input, from 2 to 10, is put out."""
    ending = {VERILOG: "v", VHDL: "vhd"}[language]
    source = folder / "project" / ("vhdl" if language == VHDL else "verilog") / f"{MODULE}.{ending}"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text.format(module=MODULE, body=body))
    (folder / "project" / "design.json").write_text(
        '{"name": "toy", "inputs": [], "score": "ap_ufixed<4,4>", "n_thresholds": 1, "stages": 1, '
        '"latency_cycles": 2, "estimated_lut": 0, "estimated_ff": 0}'
    )
    prover = StageProver({MODULE: _logic(QInterval(2.0, 10.0, 1.0))}, require_abc(), folder / "traced")
    (proof,) = prover.prove(folder / "project", language, folder / "proof", [MODULE])
    return proof


@pytest.mark.parametrize(
    ("body", "differs_for"),
    [
        ("assign model_out = model_inp;", None),
        ("assign model_out = model_inp ^ {4{model_inp == 4'd11}};", None),  # 11 is beyond the range
        ("assign model_out = model_inp ^ {4{model_inp == 4'd10}};", "0xa"),
        ("assign model_out = model_inp ^ {4{model_inp == 4'd1}};", None),
        ("assign model_out = model_inp ^ {4{model_inp == 4'd2}};", "0x2"),
        ("assign model_out = {model_inp[2:0], model_inp[3]};", "0x"),
        ("assign model_out[2:0] = model_inp[2:0];", ""),  # a bit is left open
        ("assign model_out = {model_inp[4], model_inp[2:0]};", ""),  # a bit that there is not
        ("assign model_out = mistaken(;", ""),
    ],
)
def test_the_ranges_of_the_inputs_count(tmp_path: Path, body: str, differs_for: str | None) -> None:
    networks.need("yosys")
    proof = _proof(tmp_path, _VERILOG, VERILOG, body)
    assert proof.proven == (proof.failure is None) == (differs_for is None)
    if differs_for:
        assert proof.failure is not None
        assert proof.failure.startswith(f"{MODULE}: bit ")
        assert f"is not what was traced for model_inp = {differs_for}" in proof.failure


@pytest.mark.parametrize(("n_lines", "is_equal"), [(10, False), (11, True)])
def test_a_missing_line_of_a_table_is_not_taken_for_the_zero_that_belongs_there(
    tmp_path: Path, n_lines: int, is_equal: bool
) -> None:  # fmt: skip
    networks.need("yosys")
    folder = tmp_path / "project" / "verilog"
    folder.mkdir(parents=True)
    shutil.copy(firmware_rtl("lookup_table.v"), folder)
    (folder / "table.mem").write_text("".join(f"{entry ^ 10:X}\n" for entry in range(n_lines)))
    table = 'wire [3:0] entry; lookup_table #(4, 4, "table.mem") op (model_inp, entry);'
    body = f"{table} assign model_out = entry ^ 4'd10;"
    assert _proof(tmp_path, _VERILOG, VERILOG, body).proven is is_equal


@pytest.mark.parametrize(("value", "is_equal"), [("1011", True), ("1010", False)])
def test_vhdl_is_proven_as_well(tmp_path: Path, value: str, is_equal: bool) -> None:
    for program in ("yosys", "ghdl"):
        networks.need(program)
    body = f'model_out <= "0000" when model_inp = "{value}" else model_inp;'
    proof = _proof(tmp_path, _VHDL, VHDL, body)
    assert (proof.module, proof.proven) == (MODULE, is_equal)
    if not is_equal:
        assert proof.failure is not None
        assert proof.failure.startswith(f"{MODULE} (VHDL): bit ")


def test_a_condition_for_each_end_within_the_bits() -> None:
    logic = _logic(
        QInterval(0.0, 7.0, 1.0), QInterval(-4.0, 2.5, 0.5), QInterval(0.0, 0.0, 1.0), QInterval(-3.0, 3.0, 1.0),
    )  # fmt: skip
    assert list(_ranges(logic)) == [
        "$signed(model_inp[3+:4]) <= 6'sd5", "$signed(model_inp[7+:3]) >= -5'sd3",
    ]  # fmt: skip


def _evaluated(graph: Path, inputs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give what a graph of a binary AIGER file puts out for inputs (n, n_inputs)."""
    content = graph.read_bytes()
    head, _, rest = content.partition(b"\n")
    n, n_inputs, _, n_outputs, n_nodes = map(int, head.split()[1:])
    *lines, rest = rest.split(b"\n", n_outputs)
    values = np.zeros((n + 1, len(inputs)), dtype=bool)
    values[1 : n_inputs + 1] = inputs.T
    stream = iter(rest)

    def difference() -> int:
        found = shift = 0
        while True:
            byte = next(stream)
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found

    for place in range(n_inputs + 1, n_inputs + n_nodes + 1):
        larger = 2 * place - difference()
        smaller = larger - difference()
        values[place] = (values[larger >> 1] ^ bool(larger & 1)) & (values[smaller >> 1] ^ bool(smaller & 1))
    return np.stack([values[int(line) >> 1] ^ bool(int(line) & 1) for line in lines], axis=1)


def _bits(codes: NDArray[np.int64], kifs: NDArray[np.int64]) -> NDArray[np.bool_]:
    columns = [(codes[:, place] >> bit) & 1 for place, width in enumerate(kifs.sum(axis=0)) for bit in range(width)]
    return np.array(columns, dtype=bool).T.reshape(len(codes), -1)


def test_the_graph_of_a_stage_computes_what_the_interpreter_does(design: Written, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for logic in design.pipeline.solutions:
        write_stage(logic, tmp_path / "stage.aig", joins_sums=True)
        low, high, step = (np.array([getattr(own, name) for own in logic.inp_qint]) for name in ("min", "max", "step"))
        drawn = rng.random((2000, len(low)))
        drawn[::2] = rng.integers(2, size=drawn[::2].shape)  # ends of the ranges
        codes = np.round(low / step + np.floor(drawn * ((high - low) / step + 0.999))).astype(np.int64)
        values = interpretable(logic).predict(codes * step / 2.0 ** np.array(logic.inp_shifts), n_threads=1)
        expected = (values.reshape(len(codes), -1) * 2.0 ** logic.out_kifs[2]).astype(np.int64)
        found = _evaluated(tmp_path / "stage.aig", _bits(codes, logic.inp_kifs))
        np.testing.assert_array_equal(found, _bits(expected, logic.out_kifs))
        beyond = codes.copy()
        wide = np.flatnonzero(high / step + 1 < 2.0 ** (logic.inp_kifs.sum(axis=0) - logic.inp_kifs[0]))
        if len(wide):  # a code that the bits hold and the range does not
            beyond[:, wide[0]] = round(high[wide[0]] / step[wide[0]]) + 1
            assert not _evaluated(tmp_path / "stage.aig", _bits(beyond, logic.inp_kifs)).any()


def _without_highest_bit(match: re.Match[str]) -> str:
    top = int(match["bits"]) - 1
    name = match["name"]
    return f"{match['head']}{top}{match['tail']}{name}[{top - 1}:0]); assign {name}[{top}] = {name}[{top - 1}];"


def _affine(logic: CombLogic) -> list[bool]:
    """Tell of each operation whether it is a sum of inputs and constants."""
    found: list[bool] = []
    for op in logic.ops:
        both = op.opcode in {0, 1} and found[op.id0] and found[op.id1]
        found.append(op.opcode == -1 or both or (op.opcode == 4 and found[op.id0]))
    return found


@pytest.mark.slow
def test_a_sum_that_lacks_its_highest_bit_is_caught_in_every_stage(design: Written, tmp_path: Path) -> None:
    """The last sum of inputs that it puts out; what lies behind a rectifier need not reach the ends of its range."""
    for program in ("yosys", "ghdl"):
        networks.need(program)
    stages = stages_by_module(design.design.name, design.pipeline)
    prover = StageProver(stages, require_abc(), tmp_path / "traced")
    for language in (VERILOG, VHDL):
        proofs = list(prover.prove(design.project, language, tmp_path / language, stages))
        assert proofs == [StageProof(module=module, proven=True, failure=None) for module in stages]
    project = tmp_path / "project"
    shutil.copytree(design.project, project)
    damaged = []
    for module, logic in stages.items():
        file = project / "verilog" / f"{module}.v"
        text, affine = file.read_text(), _affine(logic)
        seen = {place for place in logic.out_idxs if place >= 0 and affine[place]}
        if sums := [match for match in _SUM.finditer(text) if int(match["name"][1:]) in seen]:
            last = sums[-1]
            file.write_text(text[: last.start()] + _without_highest_bit(last) + text[last.end() :])
            damaged.append(module)
    assert damaged
    found = [own.module for own in prover.prove(project, VERILOG, tmp_path / "wrong", stages) if not own.proven]
    assert found == damaged
    (project / "verilog" / f"{damaged[0]}.v").unlink()
    (missing,) = prover.prove(project, VERILOG, tmp_path / "missing", damaged[:1])
    assert missing.failure is not None
    assert missing.failure.startswith(f"{damaged[0]} can't be read: ")


@pytest.mark.slow
def test_primitives_that_do_not_add_are_caught_in_every_stage_that_has_them(design: Written, tmp_path: Path) -> None:
    """Nothing else sees them where a stage is proven: `rtl` then simulates a sum in their place."""
    networks.need("yosys")
    stages = stages_by_module(design.design.name, design.pipeline)
    concerned = [module for module, logic in stages.items() if pairs_of(logic)]
    assert concerned
    project = Path(shutil.copytree(design.project, tmp_path / "project"))
    replace_once(project / "verilog" / f"{THREE_INPUT_ADDER}.v", r" \| \(B & C\)", "")
    prover = StageProver(stages, require_abc(), tmp_path / "traced")
    proofs = prover.prove(project, VERILOG, tmp_path / "wrong", concerned)
    assert [own.module for own in proofs if not own.proven] == concerned


def test_the_stages_that_hold_a_source(design: Written, tmp_path: Path) -> None:
    name = design.design.name
    stages = stages_by_module(name, design.pipeline)
    prover = StageProver(stages, "abc", tmp_path)
    assert prover.concerned(f"verilog/{name}_core_stage1.v") == [f"{name}_core_stage1"]
    assert prover.concerned("vhdl/mux.vhd") == list(stages)
    assert prover.concerned(f"verilog/{name}_core.v") == []


def test_a_pipeline_that_is_missing_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pipeline\.json is missing; run the stage `trace` with --force"):
        load_pipeline(tmp_path)
    for text in ("[[", "{}", "[[[1]]]"):
        (tmp_path / "pipeline.json").write_text(text)
        with pytest.raises(InputError, match=r"pipeline\.json is damaged"):
            load_pipeline(tmp_path)
