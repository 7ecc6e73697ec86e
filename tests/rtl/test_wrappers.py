"""The hand-written wrappers, driven by cocotb in Icarus: `wrapper_protocol.py` says what is checked.

The trigger block is a stand-in of the same ports: a delay line that adds 3.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import networks
import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from fpgaae.rtl.templates import wrapper_text

_LATENCY = 6
_VALUES = {
    "PROJECT": "dut", "INPUT_BITS": 13, "SCORE_BITS": 14, "N_ACCEPT": 2, "LATENCY": _LATENCY, "DEPTH_BITS": 3,
}  # fmt: skip
_STAND_IN = f"""
module dut_trigger (input wire clk, input wire [12:0] objects, output wire [13:0] score, output wire [1:0] accept);
    reg [12:0] line [0:{_LATENCY - 1}];
    integer i;
    always @(posedge clk) begin
        line[0] <= objects;
        for (i = 1; i < {_LATENCY}; i = i + 1) line[i] <= line[i-1];
    end
    assign score = line[{_LATENCY - 1}] + 3;
    assign accept = line[{_LATENCY - 1}][1:0];
endmodule
"""


def _failed(folder: Path, wrapper: str, text: str, tests: str) -> tuple[int, int]:
    """Run the cocotb tests whose names match; give how many ran and how many failed."""
    networks.need("iverilog")
    source = folder / "dut.v"
    source.write_text(f"`timescale 1 ns / 1 ps\n{_STAND_IN}\n{text}")
    runner = get_runner("icarus")
    top = f"dut_{wrapper}"
    runner.build(
        sources=[source], hdl_toplevel=top, build_dir=folder, timescale=("1ns", "1ps"), log_file=folder / "build.log"
    )
    results = folder / "results.xml"
    with suppress(SystemExit):  # of a test that failed; a simulator that did not start leaves no results
        runner.test(
            hdl_toplevel=top, test_module="wrapper_protocol", test_dir=Path(__file__).parent, build_dir=folder,
            results_xml=str(results), test_filter=tests, log_file=folder / "test.log",
            extra_env={"COCOTB_REWRITE_ASSERTION_FILES": ""},  # would import pytest, for a second each time
        )  # fmt: skip
    return get_results(results)


@pytest.mark.slow
@pytest.mark.parametrize(("wrapper", "n_tests"), [("axis", 7), ("valid", 4)])
def test_a_wrapper_keeps_its_protocol(wrapper: str, n_tests: int, tmp_path: Path) -> None:
    found = _failed(tmp_path, wrapper, wrapper_text(f"{wrapper}.v", _VALUES), f"{wrapper}_")
    assert found == (n_tests, 0), (tmp_path / "test.log").read_text()[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrapper", "old", "new", "tests"),
    [
        ("axis", "!promised[DEPTH_BITS]", "1'b1", "axis_takes"),
        ("axis", "promised  <= 0;\n", "\n", "axis_forgets"),
        ("axis", "under_way <= 0;\n", "\n", "axis_forgets"),
        ("axis", "aresetn && !promised", "!promised", "axis_forgets"),
        ("axis", "last <= (last << 1)", "last <= last", "axis_keeps"),
        ("axis", "assign m_axis_tvalid = written", "assign m_axis_tvalid = clock[0] && written", "axis_keeps"),
        ("valid", "if (reset) under_way <= 0;\n        else", "", "valid_"),
        ("valid", "under_way[LATENCY-1];", "under_way[LATENCY-2];", "valid_"),
    ],
    ids=[
        "takes what it can't hold", "keeps promises over a reset", "keeps events over a reset", "takes in a reset",
        "loses tlast", "takes an offer back", "valid over a reset", "valid too early",
    ],
)  # fmt: skip
def test_a_broken_wrapper_is_caught(wrapper: str, old: str, new: str, tests: str, tmp_path: Path) -> None:
    text = wrapper_text(f"{wrapper}.v", _VALUES)
    assert old in text
    broken = text.replace(old, new).replace(
        "reg [LATENCY-1:0]     under_way",
        "reg [3:0] clock = 0;\n    always @(posedge aclk) clock <= clock + 1;\n    reg [LATENCY-1:0]     under_way",
    )
    n_tests, failed = _failed(tmp_path, wrapper, broken, tests)
    assert n_tests >= 1
    assert failed >= 1
