"""The front of clock against latency, resumed point by point, and the floor plan: with a chip that is made up."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import networks
import numpy as np
import pytest
from conftest import Workspace
from examples import examples_of, run_examples

from fpgaae.errors import CheckFailed, InputError
from fpgaae.place import front
from fpgaae.place.floor_plan import floor_plan
from fpgaae.place.front import place_front
from fpgaae.place.pipelining import Placed, Placer
from fpgaae.place.programs import Program, Programs
from fpgaae.progress import SilentProgress
from fpgaae.report.deployment import deployment_of
from fpgaae.report.place_figures import floor_plan_figure, pareto
from fpgaae.runs.results.place import CriticalPath, FrontPoint

_PATH = CriticalPath(start="a", end="b", delay_ns=9.0, logic_ns=4.0, routing_ns=5.0, stage=0, layers=("hidden",))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give an experiment that is traced."""
    workspace = networks.tiny_workspace(tmp_path_factory.mktemp("traced"))
    workspace.run("trace")
    return workspace


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a chip be routed in no time, each adder 4 ns, and give the numbers of adders that were."""
    found: list[int] = []

    def place(_: Placer, depth: int, project: Path, clock_mhz: float) -> Placed:
        assert clock_mhz == 400
        found.append(depth)
        design = SimpleNamespace(stages=24 // depth, latency_cycles=24 // depth + 1)
        routed = SimpleNamespace(clock_mhz=250 / depth, lut=900, ff=2400 // depth, path=_PATH)
        return Placed(project, design, routed, depth, 1.0, lambda *_: None)  # type: ignore[arg-type]

    program = Program(("none",), "none 1")
    monkeypatch.setattr(front, "find_programs", lambda: Programs(program, program, program))
    monkeypatch.setattr(Placer, "place", place)
    return found


def test_each_point_is_placed_once_and_again_where_what_it_rests_on_changed(
    traced: Workspace, placed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, progress = traced.experiment, SilentProgress()

    def cut_off(placer: Placer, depth: int, project: Path, clock_mhz: float) -> Placed:
        raise CheckFailed("killed")

    assert [own.depth for own in place_front(experiment, [4, 2], progress).points] == [2, 4]
    with monkeypatch.context() as patch:
        patch.setattr(Placer, "place", cut_off)
        with pytest.raises(CheckFailed):
            place_front(experiment, [2, 3], progress)
    assert placed == [2, 4]
    assert [own.depth for own in place_front(experiment, [2, 3, 4, 4], progress).points] == [2, 3, 4]
    assert placed == [2, 4, 3]
    file = experiment.folder / "place_front" / "adders_2.json"
    content = json.loads(file.read_text())
    content["made_from"]["router"] = "nextpnr 0"
    file.write_text(json.dumps(content))
    place_front(experiment, [2, 3, 4], progress)
    assert placed == [2, 4, 3, 2]
    with monkeypatch.context() as patch:
        patch.setattr(front, "sources_hash", lambda _: "other Verilog")
        place_front(experiment, [4], progress)
    assert placed == [2, 4, 3, 2, 4]
    file.write_text("{}")
    with pytest.raises(InputError, match=r"adders_2\.json: made_from is missing; remove .*adders_2\.json, and it is"):
        place_front(experiment, [2, 3, 4], progress)
    file.unlink()
    for wrong in ([], [0], [101]):
        with pytest.raises(InputError, match="--adders"):
            place_front(experiment, wrong, progress)


@pytest.mark.usefixtures("placed")
def test_the_front_is_drawn_and_shown_in_the_report_while_it_is_of_this_block(traced: Workspace) -> None:
    run_examples(examples_of("place_front"), traced.folder)
    experiment = traced.experiment
    folder = experiment.folder / "place_front"
    assert (folder / "front.png").stat().st_size > 10_000
    (figure,) = deployment_of(experiment, is_placed=False).figures
    assert figure.title == "Clock against latency"
    content = json.loads((folder / "front.json").read_text())
    content["logic"] = "0" * 64
    (folder / "front.json").write_text(json.dumps(content))
    shown = deployment_of(experiment, is_placed=False)
    assert shown.figures == ()
    assert "is of another traced block, and is left out; run `fpgaae place" in shown.left_out[0]


def _point(latency_ns: float, clock_mhz: float) -> FrontPoint:
    return FrontPoint(
        depth=1, stages=1, latency_cycles=1, latency_ns=latency_ns, clock_mhz=clock_mhz, lut=1, ff=1, seconds=1.0,
        critical_path=_PATH,
    )  # fmt: skip


def test_the_front_holds_what_nothing_else_beats() -> None:
    points = [_point(90, 60), _point(80, 50), _point(85, 45), _point(100, 60), _point(120, 90), _point(80, 49)]
    assert [(own.latency_ns, own.clock_mhz) for own in pareto(points)] == [(80, 50), (90, 60), (120, 90)]


def _routed(folder: Path, *cells: tuple[str, str, str]) -> Path:
    module = {name: {"type": kind, "attributes": {"NEXTPNR_BEL": bel}} for name, kind, bel in cells}
    file = folder / "routed.json"
    file.write_text(json.dumps({"modules": {"top": {"cells": module}}}))
    return file


def test_cells_are_counted_by_tile_and_layer(tmp_path: Path) -> None:
    routed = _routed(
        tmp_path,
        ("block.core.stage0.op_7.out_LUT4_Z", "TRELLIS_COMB", "X3/Y4/SLICEA.K0"),
        ("block.core.stage0.op_7.out_CCU2C_S0$CCU2_COMB1", "TRELLIS_COMB", "X3/Y4/SLICEA.K1"),
        ("block.core.stage1.v2_TRELLIS_FF_Q", "TRELLIS_FF", "X3/Y4/SLICEB.FF0"),
        ("block.core.stage1_inp_TRELLIS_FF_Q_3", "TRELLIS_FF", "X72/Y50/SLICEB.FF1"),
        ("$nextpnr_CCU2C_3$CCU2_COMB0", "TRELLIS_COMB", "X5/Y6/SLICEA.K0"),
        ("result_TRELLIS_FF_Q", "TRELLIS_FF", "X0/Y0/SLICEA.FF0"),
        ("in[1]$tr_io", "TRELLIS_IO", "X0/Y1/PIOA"),
    )
    plan = floor_plan(routed, "25k", lambda stage, operation: {7: "hidden", 2: "mu"}[operation])
    found = Counter({
        (name, x, y): n
        for name, own in plan.groups.items()
        for x, y, n in zip(own.columns, own.rows, own.cells, strict=True)
    })  # fmt: skip
    assert found == {
        ("hidden", 3, 4): 2, ("mu", 3, 4): 1, ("registers between stages", 72, 50): 1, ("other logic", 5, 6): 1,
        ("harness", 0, 0): 1,
    }  # fmt: skip
    figure = floor_plan_figure(plan)
    image = np.asarray(figure.axes[0].images[0].get_array())
    assert image.shape == (51, 73, 3)
    assert (image != image[10, 10]).any(axis=2).sum() == 4
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"hidden, 2", "mu, 1", "harness, 1"}


@pytest.mark.parametrize("bel", ["X73/Y4/SLICEA.K0", "SLICEA", "X3/Y51/SLICEA.K0"])
def test_a_cell_that_lies_nowhere_on_the_chip_is_a_sentence(tmp_path: Path, bel: str) -> None:
    with pytest.raises(CheckFailed, match="does not say where each cell lies"):
        floor_plan(_routed(tmp_path, ("result_TRELLIS_FF_Q", "TRELLIS_FF", bel)), "25k", lambda *_: None)
