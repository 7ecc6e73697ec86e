"""Lists of any length into slots, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.data.backends import Column
from fpgaae.data.lists import ListSlots


@pytest.mark.parametrize("by_value", [True, False], ids=["by-pt", "by-place"])
@pytest.mark.parametrize("slots", [1, 3, 20])
@pytest.mark.parametrize("seed", range(4))
def test_slots_are_those_of_a_loop(slots: int, by_value: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = [rng.integers(1, 9, size=n).tolist() for n in rng.integers(0, 8, size=40)]
    marks = [list(range(100 * i, 100 * i + len(row))) for i, row in enumerate(lists)]
    lengths = np.array([len(row) for row in lists])
    found = ListSlots(Column(lengths, np.array([pt for row in lists for pt in row])), slots, by_value=by_value)
    everything = np.full((40, slots + 3), -1)  # two slots of other kinds in front of these, and one behind
    everything.reshape(-1)[found.places(slots + 3, 2)] = found.slotted(np.array([m for row in marks for m in row]))
    filled = everything[:, 2:-1]
    assert (everything[:, [0, 1, -1]] == -1).all()
    harder = 0
    for row, pt in enumerate(lists):
        order = sorted(range(len(pt)), key=lambda i: -pt[i]) if by_value else list(range(len(pt)))
        expected = [marks[row][i] for i in order[:slots]]
        assert filled[row].tolist() == expected + [-1] * (slots - len(expected))
        kept, cut = [pt[i] for i in order[:slots]], [pt[i] for i in order[slots:]]
        harder += bool(cut) and max(cut) > min(kept)
    assert found.counts.get("cut", 0) == sum(len(row) > slots for row in lists)
    assert found.counts.get("cut_harder", 0) == harder
    assert bool(harder) == (not by_value and slots < 7)


def test_entries_that_are_no_object_come_last_and_are_not_counted_as_cut_off() -> None:
    rows = [[7, 5, 511, 511], [511, 2, 511, 9], [3, 4, 8, 511]]
    found = ListSlots(Column(np.full(3, 4), np.array(rows, np.uint64).ravel()), 2, by_value=True, none=511)
    filled = np.zeros((3, 2))
    filled.reshape(-1)[found.places(2, 0)] = found.slotted(np.array(rows).ravel())
    assert filled.tolist() == [[7, 5], [9, 2], [8, 4]]
    assert found.counts == {"sorted": 2, "cut": 1, "cut_harder": 0}
