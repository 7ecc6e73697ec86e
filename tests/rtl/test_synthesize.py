"""What Yosys says, read; and a small block synthesized."""

from __future__ import annotations

from pathlib import Path

import networks
import pytest

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.prediction import Taken
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.synthesize import _entry, parse_usage, synthesize
from fpgaae.rtl.tools import require_tool
from fpgaae.rtl.trace import trace_trigger

SAID = """
=== autoencoder_valid ===

   Number of cells:                 99
     LUT2                            1

=== autoencoder_valid ===

   Number of wires:                 10
   Number of cells:                182
     CARRY4                          3
     DSP48E2                         2
     FDRE                           40
     FDSE                            1
     LUT2                           10
     LUT6                          100
     MUXF7                           9
     RAMB18E2                        3
     SRL16E                          4

   Estimated number of LCs:         90

Longest topological path in autoencoder_valid (length=17):
"""


def test_the_last_statistics_count() -> None:
    assert parse_usage(SAID) == (114, 41, 2, 1.5, 3, 17)


@pytest.mark.parametrize("said", ["", "Number of cells: 0\n"])
def test_no_statistics_are_an_error(said: str) -> None:
    with pytest.raises(CheckFailed, match="no statistics"):
        parse_usage(said)


def test_shares_are_given_for_known_parts_only() -> None:
    assert _entry("x", Taken(11_822, 0), "xcvu9p-flga2104-2L-e").percent == {"lut": 1.0, "ff": 0.0}
    assert _entry("x", Taken(11_822, 0), "xc7z020clg400-1").percent == {}


@pytest.mark.slow
def test_a_small_block_takes_no_dsp_and_about_what_was_estimated(tmp_path: Path) -> None:
    networks.need("yosys")
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED_OVER_VARIANCE, features)
    design = write_rtl(
        cut_into_stages(trace_trigger(GoldenTrigger(features, network)), 5.0, three_inputs=True), Firmware(), tmp_path
    )
    usage = synthesize(require_tool("yosys"), tmp_path, tmp_path)
    assert (usage.dsp, usage.bram) == (0, 0)
    assert 0.4 * design.estimated_lut < usage.lut < 2 * design.estimated_lut
    assert 0.5 * design.estimated_ff < usage.ff < 1.5 * design.estimated_ff
    assert usage.carry > 0
    assert usage.logic_levels
    assert "autoencoder_valid" in (tmp_path / "yosys.log").read_text()


@pytest.mark.slow
def test_what_is_not_verilog_fails_with_the_tools_words(tmp_path: Path) -> None:
    networks.need("yosys")
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    write_rtl(
        cut_into_stages(trace_trigger(GoldenTrigger(features, network)), 5.0, three_inputs=True), Firmware(), tmp_path
    )
    (tmp_path / "verilog" / "autoencoder_core.v").write_text("module (\n")
    with pytest.raises(CheckFailed, match=r"(?s)synthesizing .* failed .*syntax error"):
        synthesize(require_tool("yosys"), tmp_path, tmp_path)
