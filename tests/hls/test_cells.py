"""Thresholds that follow sums over an event: their choice, and the firmware that looks them up, to the last bit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Workspace, autoencoder
from pydantic import ValidationError
from support import merged, small_config

from fpgaae.config.experiment import Config, Decorrelation
from fpgaae.config.file import load_config
from fpgaae.hls.cells import Sample, cell_thresholds, equal_edges

WANTED = {
    "against": [{"quantity": "sum", "bins": 4}, {"quantity": "multiplicity", "of": ["jet"], "bins": 3}],
    "min_events": 2,
}


def test_edges_part_events_evenly_and_never_at_the_largest_sum() -> None:
    assert equal_edges(np.arange(100), 4) == (24, 49, 74)
    assert equal_edges(np.array([0] * 60 + [1] * 30 + [2] * 10), 4) == (0, 1)
    assert equal_edges(np.full(5, 7), 4) == ()


def test_each_cell_has_the_rate_whatever_its_scores() -> None:
    rng = np.random.default_rng(1)
    cells = rng.integers(0, 6, 60_000)
    scores = np.rint(rng.exponential(100.0 * (1 + cells), 60_000)).astype(np.int64)
    found = cell_thresholds(Sample(scores, cells), (2, 3), 0.01, Decorrelation.model_validate(WANTED))
    assert found == pytest.approx(np.log(100) * 100 * (1 + np.arange(6)), rel=0.08)
    rates = [(scores[cells == cell] > found[cell]).mean() for cell in range(6)]
    assert rates == pytest.approx([0.01] * 6, abs=1e-3)


def test_a_cell_with_few_events_has_one_threshold_with_the_next() -> None:
    scores, cells = np.arange(1000), np.repeat([0, 2], 500)
    wanted = Decorrelation.model_validate({**WANTED, "min_events": 5})
    assert cell_thresholds(Sample(scores, cells), (3,), 0.01, wanted).tolist() == [494, 994, 994]
    assert cell_thresholds(Sample(scores[:400], cells[:400]), (3,), 0.01, wanted).tolist() == [395] * 3, "all there are"
    rows = np.repeat([0, 1, 3], [500, 400, 100])  # bins of the first sum 0, 0 and 1; of the second 0, 1 and 1
    assert cell_thresholds(Sample(scores, rows), (2, 2), 0.01, wanted).tolist() == [494, 994, 494, 994]
    lonely = np.repeat([0, 2, 1], [500, 400, 100])  # a row with too few events takes those of the nearest, too
    assert cell_thresholds(Sample(scores, lonely), (2, 2), 0.01, wanted).tolist() == [890, 989, 890, 989]


def test_what_no_threshold_can_follow_is_refused(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path, n_events=10))
    for change, said in (
        ({"firmware": {"io_type": "io_stream"}}, "set firmware.io_type to io_parallel"),
        ({"trigger": {"decorrelate": {"against": [{"quantity": "sum", "of": ["tau"]}]}}}, "no objects called tau"),
        ({"trigger": {"decorrelate": {"against": [{"quantity": "sum", "bins": 32}] * 2}}}, "1024 cells"),
    ):
        content = merged(config.model_dump(mode="json"), {"trigger": {"decorrelate": WANTED}})
        with pytest.raises(ValidationError, match=said):
            Config.model_validate(merged(content, change))


@pytest.fixture(scope="module")
def followed(converted: Callable[..., Workspace]) -> Workspace:
    """Give a converted experiment whose thresholds follow two sums."""
    trigger = {"thresholds": [{"false_positive_rate": 0.1}, {"false_positive_rate": 0.3}], "decorrelate": WANTED}
    return converted(autoencoder((4,), 2), trigger=trigger)


@pytest.mark.usefixtures("compiler")
def test_the_firmware_decides_by_cell_as_the_golden_network(followed: Workspace) -> None:
    followed.run("csim")
    result = followed.result("csim")
    assert result["passed"]
    assert [layer["name"] for layer in result["layers"]][-3:] == ["cell", "score", "accept"]
    cell = followed.network.cell
    assert cell is not None
    assert cell.bins == (4, 3)
    chosen = followed.result("convert")["trigger"]
    assert [len(point["codes_of_cells"]) for point in chosen["thresholds"]] == [12, 12]
    assert [of["quantity"] for of in chosen["follows"]] == ["sum", "multiplicity"]


@pytest.mark.usefixtures("compiler")
def test_an_edge_that_is_one_higher_is_refuted_and_all_else_proven(followed: Workspace, tmp_path: Path) -> None:
    workspace = followed.copy(tmp_path / "copy")
    header = workspace.project / "firmware" / "thresholds.h"
    text = header.read_text()
    edge = re.search(r"edges_0\[3\] = \{(\d+), ", text)
    assert edge is not None
    header.write_text(text.replace(edge[0], edge[0].replace(edge[1], str(int(edge[1]) + 1)), 1))
    workspace.run("prove")
    result = workspace.result("prove")
    outcomes = {layer["name"]: layer["outcome"] for layer in result["layers"]}
    assert {name for name, outcome in outcomes.items() if outcome != "proven"} == {"cell"}
    assert result["refutation"]["layer"] == "cell"
