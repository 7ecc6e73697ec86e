"""The written VHDL in GHDL: equal to the golden codes, and damage to it is seen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import parse_type
from fpgaae.rtl import project
from fpgaae.rtl.ghdl import simulate_vhdl


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Written:
    networks.need("ghdl")
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED_OVER_VARIANCE, features)  # it has tables, too
    return write_design(network, features, tmp_path_factory.mktemp("rtl"))


def _wrong(written: Written, folder: Path, build: Path) -> int:
    hardware = networks.events(written.features, 100)
    golden = networks.golden(written.network, written.features, hardware)
    found = simulate_vhdl(folder, hardware, build)
    assert found.shape == golden.shape
    return int((found != golden).any(axis=1).sum())


@pytest.mark.slow
def test_the_vhdl_equals_the_golden_codes(small: Written, tmp_path: Path) -> None:
    assert _wrong(small, small.project, tmp_path / "build") == 0


def _change_a_constant(vhdl: Path) -> None:
    for stage in sorted(vhdl.glob("*_core_stage*.vhd")):
        if re.search(r'<= "[01]+";', stage.read_text()):
            replace_once(stage, r'(<= "[01]*)([01])(";)', lambda m: f"{m[1]}{1 - int(m[2])}{m[3]}")
            return
    raise AssertionError("no constant")


def _change_a_table(vhdl: Path) -> None:
    for table in vhdl.glob("*.mem"):
        lines = table.read_text().splitlines()
        table.write_text("".join(f"{int(line, 16) ^ 1:0{len(line)}X}\n" for line in lines))


def _drop_a_register(vhdl: Path) -> None:
    core = vhdl / "autoencoder_core.vhd"
    replace_once(core, r"stage1_inp <= stage0_out;", "")
    replace_once(core, r"\n    process\(clk\)", "\n    stage1_inp <= stage0_out;\n    process(clk)")


def _swap_two_stages(vhdl: Path) -> None:
    core = vhdl / "autoencoder_core.vhd"
    replace_once(core, r"work\.autoencoder_core_stage1 port", "work.autoencoder_core_stage_2 port")
    replace_once(core, r"work\.autoencoder_core_stage2 port", "work.autoencoder_core_stage1 port")
    replace_once(core, r"stage_2 port", "stage2 port")


def _swap_two_inputs(vhdl: Path) -> None:
    replace_once(vhdl / "autoencoder_trigger.vhd", r"objects\(6 downto 0\)", "objects(7 downto 1)")


@pytest.mark.parametrize(
    "damage",
    [_change_a_constant, _change_a_table, _drop_a_register, _swap_two_stages, _swap_two_inputs],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_damage_is_caught(damage: Callable[[Path], None], small: Written, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(small.project, copy)
    damage(copy / "vhdl")
    if damage is _swap_two_stages:  # a stage does not fit into the place of one of another width
        with pytest.raises(CheckFailed, match=r"(?s)analysing the VHDL .* match"):
            _wrong(small, copy, tmp_path / "build")
    else:
        assert _wrong(small, copy, tmp_path / "build") > 0


@pytest.mark.parametrize(
    ("where", "kind", "vhdl", "verilog"),
    [
        ((3, 5, 0, False), "ap_ufixed<5,5>", "core(7 downto 3)", "core[3+:5]"),
        ((3, 5, 1, True), "ap_ufixed<8,8>", '"00" & core(7 downto 3) & "0"', "{2'b0, core[3+:5], 1'b0}"),
        ((3, 5, 1, True), "ap_ufixed<4,4>", 'core(5 downto 3) & "0"', "{core[3+:3], 1'b0}"),  # a sign that is never set
        ((3, 0, 0, False), "ap_ufixed<2,2>", '"00"', "2'b0"),
        ((3, 5, 0, True), "ap_fixed<7,3>", "(1 downto 0 => core(7)) & core(7 downto 3)", "{{2{core[7]}}, core[3+:5]}"),
        ((3, 5, 0, False), "ap_fixed<7,3>", '"00" & core(7 downto 3)', "{2'b0, core[3+:5]}"),
    ],
)
def test_a_port_of_the_core_is_brought_to_its_type(
    where: tuple[int, int, int, bool], kind: str, vhdl: str, verilog: str
) -> None:
    assert project._vhdl_padded("core", project._Slice(*where), parse_type(kind)) == vhdl
    assert project._padded("core", project._Slice(*where), parse_type(kind)) == verilog


def test_undefined_bits_are_no_code(small: Written, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(small.project, copy)
    replace_once(copy / "vhdl" / "autoencoder_trigger.vhd", r"accept\(0 downto 0\) <= .*;", "")
    found = simulate_vhdl(copy, networks.events(small.features, 20), tmp_path / "build")
    assert set(found[:, 1]) == {-(2**63)}
    assert np.all(found[:, 0] >= 0)


def test_what_is_not_vhdl_is_named_with_the_tools_words(small: Written, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(small.project, copy)
    (copy / "vhdl" / "autoencoder_core.vhd").write_text("entity broken is")
    with pytest.raises(CheckFailed, match=r"(?s)analysing the VHDL of .* failed with exit code"):
        simulate_vhdl(copy, networks.events(small.features, 20), tmp_path / "build")
