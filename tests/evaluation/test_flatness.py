"""Thresholds by cell in the evaluation: who accepts what, and rates in bins, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from results import threshold

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, QUANTIZED
from fpgaae.evaluation.cuts import Followed, cuts, follow
from fpgaae.evaluation.flatness import flatness
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.report.flatness import cost_rows, flat_tables, terminal_tables
from fpgaae.statistics import EventGroups

CELL = Cell.of("cell", [BinnedSum((0, 1), False, (4,))])
CODES = {"background": np.repeat([[0, 1], [2, 3]], 500, axis=0), "signal": np.array([[4, 0], [4, 1]])}
BY_CELL = replace(threshold(code=100), codes_of_cells=(489, 939))  # on the grid of the score, whose fraction is its own


def _followed() -> Followed:
    found = follow(CELL, list(CODES.items()), "background")
    assert found is not None
    return found


def _scores() -> dict[str, dict[str, np.ndarray]]:
    step = 2.0**-BY_CELL.fraction
    firmware = {"background": np.arange(1000) * step, "signal": np.array([490, 900]) * step}
    other = {"background": np.arange(1000)[::-1] * 1.0, "signal": np.array([0.0, 2000.0])}
    return {FIRMWARE: firmware, QUANTIZED: firmware, FLOAT: other}


def test_cells_are_those_of_the_hardware_integers() -> None:
    found = _followed()
    assert {process: cells.tolist() for process, cells in found.cells.items()} == {
        "background": [0] * 500 + [1] * 500, "signal": [0, 1],
    }  # fmt: skip
    ((name, sums),) = found.sums
    assert (name, np.unique(sums).tolist()) == ("sum", [1, 5])
    assert follow(None, [], "background") is None


def test_each_event_is_compared_with_the_threshold_of_its_cell() -> None:
    (cut,) = cuts([BY_CELL], _followed())
    accepted = cut.accepted(_scores(), EventGroups(np.arange(1000)), "background")
    assert accepted["signal"][FIRMWARE].tolist() == [True, False]
    firmware, of_float = (accepted["background"][model].reshape(2, 500).sum(axis=1) for model in (FIRMWARE, FLOAT))
    assert firmware.tolist() == [10, 60]
    assert of_float.tolist() == [10, 60], "as many in each cell"
    assert np.flatnonzero(accepted["background"][FLOAT]).tolist() == [*range(10), *range(500, 560)]
    with pytest.raises(ValueError, match="needs the cell of each event"):
        BY_CELL.codes_at(None)


def test_rates_in_bins_and_what_flatness_costs() -> None:
    (cut,) = cuts([BY_CELL], _followed())
    scores = _scores()[FIRMWARE]
    groups = {process: EventGroups(np.arange(len(own))) for process, own in scores.items()}
    found = flatness(cut, scores, groups, "background", _followed(), 0.68)
    (of,) = found.sums
    assert [(own.low, own.high, own.events, own.passed, own.plain_passed) for own in of.bins] == [
        (1, 1, 500, 10, 0), (5, 5, 500, 60, 70),
    ]  # fmt: skip
    assert of.departure == pytest.approx((0.12 - 0.07) / 0.07)
    assert of.plain_departure == pytest.approx(1)
    assert (found.cells, found.efficiency["signal"].followed.value, found.efficiency["signal"].plain.value) == (
        2,
        0.5,
        0,
    )
    (table,) = flat_tables(found, 0)
    assert "by 2 cells against the sum: within 71.4 % of the mean, one threshold for all within 100 %" in table.title
    assert table.rows[1][:3] == ("5", "500", "1.20e-01")
    assert cost_rows(found)[0].followed.startswith("50.00 %")
    assert len(list(terminal_tables([found]))) == 2
