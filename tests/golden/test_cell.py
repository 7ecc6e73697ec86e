"""The cell of an event and the thresholds of each cell, against sums and decisions worked by hand."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import pytest
import word_objects

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Tensor
from fpgaae.golden.cell_events import cell_events
from fpgaae.golden.edges import edge_events
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.golden.network import CELL_LAYER, GOLDEN_FILE
from fpgaae.golden.trigger import GoldenTrigger

FEATURES = networks.feature_map(4)  # pT at 0, 3, 6, 9
SUMS = (BinnedSum((0, 3, 6, 9), False, (150, 250, 400)), BinnedSum((3, 6, 9), True, (1, 2)))


def test_a_cell_counts_the_edges_below_each_sum() -> None:
    cell = Cell.of(CELL_LAYER, SUMS)
    events = np.zeros((5, 12), dtype=np.int64)
    events[:, [0, 3, 6, 9]] = [[0, 0, 0, 0], [150, 0, 0, 0], [150, 1, 0, 0], [100, 50, 50, 51], [127, 127, 127, 127]]
    events[:, 1] = -16  # an eta counts nowhere
    assert cell.bins == (4, 3)
    assert cell.run([Tensor(events, 0)]).codes[:, 0].tolist() == [0, 0, 3, 6 + 2, 9 + 2]
    assert (cell.type.width, cell.n_cells, cell.range(())) == (4, 12, (0, 11))


def test_each_cell_has_its_own_threshold(tmp_path: Path) -> None:
    trigger, events = networks.followed(FEATURES, SUMS), networks.events(FEATURES, 400)
    scores, cells = trigger.scores(events), trigger.cells(events)
    assert cells is not None
    assert len(np.unique(cells)) > 6
    expected = [
        [score > trigger.thresholds[i, cell] for i in range(2)] for score, cell in zip(scores, cells, strict=True)
    ]
    found = trigger.score_and_decisions(events)
    assert np.array_equal(found[:, 1:], expected)
    assert 0 < found[:, 1:].mean() < 1
    trigger.network.save(tmp_path / GOLDEN_FILE)
    again = GoldenTrigger.load(tmp_path, FEATURES)
    assert again.network.cell == trigger.network.cell
    assert np.array_equal(again.score_and_decisions(events), found)


def test_registers_hold_thresholds_of_all_events_alone() -> None:
    plain = GoldenTrigger(FEATURES, networks.random_network(Score.SQUARED_ERROR, FEATURES))
    assert plain.thresholds_for_all("a package") == plain.thresholds.tolist()
    with pytest.raises(InputError, match=r"a package has one register a threshold.*leave trigger\.decorrelate out"):
        networks.followed(FEATURES, SUMS).thresholds_for_all("a package")


def test_inputs_alone_lie_in_the_first_cell() -> None:
    trigger, events = networks.followed(FEATURES, SUMS), networks.events(FEATURES, 50)
    golden = trigger.network.run(trigger.input_codes(events))
    assert not golden[CELL_LAYER].codes.any()
    scores = golden[trigger.network.score.name].codes
    assert np.array_equal(golden[trigger.accept.name].codes, scores > trigger.thresholds[:, 0])


def test_both_sides_of_each_threshold_and_edge_are_looked_for() -> None:
    trigger = networks.followed(FEATURES, SUMS)
    found = edge_events(trigger, networks.events(FEATURES, 300), seed=1)
    cells, scores = trigger.cells(found.hardware), trigger.scores(found.hardware)
    above = scores[:, None] - trigger.accept.by_cell[cells]
    for index, of in enumerate(SUMS):
        sums = of.sums(found.hardware)
        for edge in of.edges:
            assert {edge, edge + 1} <= set(sums.tolist()), f"sum {index}"
    missing = [name for name in found.not_reached if "of its cell" in name]
    assert sum({-1, 0, 1} <= set(column.tolist()) for column in above.T) + len(missing) >= 2


@pytest.mark.parametrize("words", [False, True], ids=["integers", "words"])
def test_every_feature_of_a_sum_takes_an_event_over_an_edge(words: bool) -> None:
    features = word_objects.word_features() if words else FEATURES
    places = tuple(range(0, len(features), 3))
    sums = (BinnedSum(places, False, (7, 20)), BinnedSum(places, True, (1,)))
    trigger = networks.followed(features, sums)
    events = cell_events(trigger)
    codes = features.codes_of_words(events)
    assert len(events) == 2 * len(places)
    for of, own in zip(sums, (codes[: len(places)], codes[len(places) :]), strict=True):
        for row, place in enumerate(places):
            without = own[row].copy()
            without[place] -= 1
            assert of.bins(own[row][None])[0] == of.bins(without[None])[0] + 1
