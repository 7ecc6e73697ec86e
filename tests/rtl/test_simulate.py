"""The written Verilog, clock by clock: equal to the golden codes, and every damage to it is seen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import networks
import numpy as np
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed, ToolMissing
from fpgaae.rtl.design import Design
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import YOSYS, require_tool
from fpgaae.rtl.verilator import RtlSimulation, compile_rtl, compile_runtime, probe


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Score], Written]:
    return lambda score: write_design(
        networks.random_network(score, networks.feature_map()), networks.feature_map(), tmp_path_factory.mktemp("rtl")
    )


@pytest.fixture(scope="module")
def small(write: Callable[[Score], Written]) -> Written:
    return write(Score.SQUARED_ERROR)


def test_a_project_says_whose_modules_it_holds(small: Written) -> None:
    notice = (small.project / "NOTICE.txt").read_text(encoding="utf-8")
    assert "GNU Lesser General Public License, version 3" in notice
    for file in (*small.project.rglob("*.v"), *small.project.rglob("*.vhd")):
        assert file.name in notice or file.name.startswith(f"{small.design.name}_"), file.name


class Outcome(NamedTuple):
    """What the simulation of a project showed."""

    mismatched: int
    lost: int
    latency_cycles: int
    settling_cycles: int
    most_clocks_between: int


def _simulate(written: Written, project: Path, folder: Path) -> Outcome:
    networks.need("verilator")
    runtime = compile_runtime(folder / "runtime")
    library = compile_rtl(project, firmware_rtl("rtl_driver.cpp"), folder / "build", folder / "simulation.so", runtime)
    probe(library)
    hardware = networks.events(written.features, 2000)
    golden = networks.golden(written.network, written.features, hardware)
    other = int(np.argmax(golden[:, 0] != golden[0, 0]))
    with RtlSimulation(library, project) as simulation:
        settling = simulation.settling_cycles(hardware[0], hardware[other])
        first = simulation.stream(hardware[:700])
        second = simulation.stream(hardware[700:])  # behind a gap
    found = np.concatenate([first.codes, second.codes])
    mismatched = int((found != golden).any(axis=1).sum()) if len(found) == len(golden) else len(golden)
    assert first.clocks[0] == second.clocks[0]
    between = int(np.diff(second.clocks).max())
    return Outcome(mismatched, len(golden) - len(found), int(first.clocks[0]), settling, between)


@pytest.mark.slow
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_in_verilog_equals_the_golden_codes(
    score: Score, write: Callable[[Score], Written], tmp_path: Path
) -> None:
    written = write(score)
    latency = written.design.latency_cycles
    assert latency > 3
    assert _simulate(written, written.project, tmp_path) == Outcome(0, 0, latency, latency, 1)


def _change_a_constant(verilog: Path) -> None:
    """Flip the lowest bit of a bias, which is never rounded away alone."""
    for stage in sorted(verilog.glob("*_core_stage*.v")):
        if re.search(r"\d+'b[01]*[01], v", stage.read_text()):
            replace_once(stage, r"(\d+'b[01]*)([01])(, v)", lambda m: f"{m[1]}{1 - int(m[2])}{m[3]}")
            return
    raise AssertionError("no constant")


def _change_a_table(verilog: Path) -> None:
    for table in verilog.glob("*.mem"):
        lines = table.read_text().splitlines()
        table.write_text("".join(f"{int(line, 16) ^ 1:X}\n" for line in lines))


def _drop_a_register(verilog: Path) -> None:
    replace_once(verilog / "autoencoder_core.v", r"stage1_inp <= stage0_out;", "")
    replace_once(verilog / "autoencoder_core.v", r"reg( \[\d+:0\] stage1_inp);", r"wire\1 = stage0_out;")


def _swap_two_stages(verilog: Path) -> None:
    """Let the second stage compute what the third does."""
    core = verilog / "autoencoder_core.v"
    replace_once(core, r"_core_stage1 stage1", "_core_stage2 stage1")
    replace_once(core, r"_core_stage2 stage2", "_core_stage1 stage2")


def _swap_two_inputs(verilog: Path) -> None:
    top = verilog / "autoencoder_trigger.v"
    replace_once(top, r"objects\[0\+:7\]", "objects[1+:7]")


def _delay_the_valid_bit(verilog: Path) -> None:
    replace_once(
        verilog / "autoencoder_valid.v",
        r"parameter LATENCY    = (\d+)",
        lambda m: f"{m[0][: -len(m[1])]}{int(m[1]) + 1}",
    )


@pytest.mark.slow
def test_convolutions_and_poolings_in_verilog_equal_the_golden_codes(tmp_path: Path) -> None:
    features = networks.feature_map(6)
    written = write_design(networks.convolutional_network(features), features, tmp_path)
    latency = written.design.latency_cycles
    assert _simulate(written, written.project, tmp_path) == Outcome(0, 0, latency, latency, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [_change_a_constant, _change_a_table, _drop_a_register, _swap_two_stages, _swap_two_inputs, _delay_the_valid_bit],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_damage_is_caught(damage: Callable[[Path], None], small: Written, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(small.project, project)
    damage(project / "verilog")
    found = _simulate(small, project, tmp_path)
    assert found.mismatched > 0


@pytest.mark.slow
def test_what_is_not_verilog_is_named_with_the_tools_words(small: Written, tmp_path: Path) -> None:
    networks.need("verilator")
    project = tmp_path / "project"
    shutil.copytree(small.project, project)
    with (project / "verilog" / "autoencoder_core.v").open("a") as stream:
        stream.write("module broken (\n")
    with pytest.raises(CheckFailed, match=r"(?s)Verilating .* failed with exit code.*syntax error"):
        compile_rtl(project, firmware_rtl("rtl_driver.cpp"), tmp_path / "build", tmp_path / "simulation.so", [])


def test_the_project_can_be_read_back(small: Written) -> None:
    assert Design.load(small.project) == small.design
    assert small.design.input_bits == sum(feature.hardware.bits for feature in small.features.features)
    assert len(list((small.project / "vhdl").glob("autoencoder_core*.vhd"))) == small.design.stages + 1


@pytest.mark.parametrize("program", ["verilator", "yosys"])
def test_a_missing_tool_gives_the_line_that_installs_it(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match=f"{program} is not on the PATH .*apt-get install {program}") as caught:
        require_tool(program)
    assert caught.value.exit_code == 3
    assert YOSYS == "yosys"


@pytest.mark.slow
def test_a_path_of_any_name_is_compiled_and_simulated(small: Written, tmp_path: Path) -> None:
    folder = tmp_path / "a f\u00f6lder;$x"
    folder.mkdir()
    project = shutil.copytree(small.project, folder / "project")
    latency = small.design.latency_cycles
    assert _simulate(small, project, folder) == Outcome(0, 0, latency, latency, 1)
    assert "Vrtl.mk" in (folder / "build" / "compile.log").read_text()
