"""Lists of objects of any length into slots: the hardest objects, or the first ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.backends import Column

Places = NDArray[np.int64]


class ListSlots:
    """Where the objects of every event go, found from the lists of their pT.

    Parameters
    ----------
    pt
        The column that decides.
    by_value
        Whether the largest pT come first, and stay where a list is longer than the slots; equal ones keep their order.
    """

    def __init__(self, pt: Column, slots: int, *, by_value: bool) -> None:
        self.lengths = np.asarray(pt.lengths)
        self.counts: dict[str, int] = {}
        rows = np.repeat(np.arange(len(self.lengths)), self.lengths)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        self._source: Places | None = None  # None: the values in their order
        if by_value:
            self._sort(pt.values, rows, place)
        is_cut = place >= slots
        if is_cut.any():
            self._cut(pt.values, rows, is_cut)
            everything = np.arange(len(rows))
            self._source = (everything if self._source is None else self._source)[~is_cut]  # type: ignore[redundant-expr]  # _sort sets it
            rows, place = rows[~is_cut], place[~is_cut]
        self._rows, self._places = rows, place

    def fill(self, slots: NDArray[Any], values: NDArray[Any]) -> None:
        """Write the values of a list column into slots, (n, slots); those that no list reaches stay."""
        slots[self._rows, self._places] = values if self._source is None else values[self._source]

    def _sort(self, pt: NDArray[Any], rows: Places, place: Places) -> None:
        rises = np.flatnonzero((pt[1:] > pt[:-1]) & (place[1:] > 0))
        if not rises.size:
            return
        unsorted = np.zeros(len(self.lengths), dtype=np.bool_)
        unsorted[rows[rises]] = True
        mine = np.flatnonzero(unsorted[rows])
        # Lists stand one behind the other, so that sorting by list and pT permutes the values within their lists.
        order = np.lexsort((-pt[mine].astype(np.float64), rows[mine]))
        self._source = np.arange(len(rows))
        self._source[mine] = mine[order]
        self.counts["sorted"] = int(unsorted.sum())

    def _cut(self, pt: NDArray[Any], rows: Places, is_cut: NDArray[np.bool_]) -> None:
        """Count the events that lose objects, and those that lose one harder than one that stays."""
        lost = np.zeros(len(self.lengths), dtype=np.bool_)
        lost[rows[is_cut]] = True
        mine = lost[rows]
        ordered = (pt if self._source is None else pt[self._source])[mine]
        rows, is_cut = rows[mine], is_cut[mine]
        softest = np.full(len(self.lengths), np.inf)
        hardest = np.full(len(self.lengths), -np.inf)
        np.minimum.at(softest, rows[~is_cut], ordered[~is_cut])
        np.maximum.at(hardest, rows[is_cut], ordered[is_cut])
        self.counts["cut"] = int(lost.sum())
        self.counts["cut_harder"] = int((hardest > softest).sum())
