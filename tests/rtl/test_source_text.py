"""Verilog that tools may read in two ways is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpgaae.rtl.source_text import read_in_two_ways
from fpgaae.rtl.templates import firmware_rtl

SOUND = "// see `fpgaae trace`\n`timescale 1 ns / 1 ps\n`default_nettype none\nmodule block (input a);\nendmodule\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("endmodule", "`ifdef SYNTHESIS\n`endif\nendmodule", "block.v, line 5: what a tool reads behind `ifdef"),
        ("endmodule", "// synopsys translate_off\nendmodule", "line 5: what a tool reads behind translate_off"),
        ("endmodule", "endmodule module other; endmodule", "block.v holds the module other"),
        ("endmodule", "endmodule\nmodule other;\nendmodule", "block.v holds the module other, which may stand"),
    ],
)
def test_what_may_be_read_in_two_ways_is_named(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    file = tmp_path / "block.v"
    file.write_text(SOUND.replace(old, new, 1))
    found = read_in_two_ways(file)
    assert found is None if said is None else said in (found or "")


def test_the_shipped_table_is_read_in_one_way() -> None:
    assert read_in_two_ways(firmware_rtl("lookup_table.v")) is None
