"""Lists of objects of any length into slots: the hardest objects, or the first ones."""

from __future__ import annotations

from functools import cached_property
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
    none
        The pT of an entry that is no object, which comes last; a list may be padded with it.
    """

    def __init__(self, pt: Column, slots: int, *, by_value: bool, none: int = 0) -> None:
        self.lengths = np.asarray(pt.lengths)
        self.counts: dict[str, int] = {}
        self._filled = np.minimum(self.lengths, slots)  # (n,) how many slots of each event
        self._source: Places | None = None  # None: the values in their order
        hardness = pt.values if none <= 0 else np.where(pt.values == none, -1.0, pt.values)
        if by_value:
            self._sort(hardness)
        if self.lengths.max(initial=0) > slots:
            self._cut(hardness, slots, none)

    def places(self, n_slots: int, first: int) -> Places:
        """Give where the values go among the slots of all kinds, event behind event; this kind begins at `first`."""
        begins = np.arange(len(self._filled)) * n_slots + first
        behind = np.cumsum(self._filled) - self._filled  # how many values stand before those of each event
        return np.repeat(begins - behind, self._filled) + np.arange(self._filled.sum())

    def slotted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give the values of a list column that go into slots, in the order of their places."""
        return values if self._source is None else values[self._source]

    @cached_property
    def _rows(self) -> Places:
        """The event of each value."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def _first(self) -> Places:
        """The place of each event's first value among all."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    def _sort(self, pt: NDArray[Any]) -> None:
        rises = np.zeros(len(pt) + 1, dtype=np.bool_)
        np.greater(pt[1:], pt[:-1], out=rises[1:-1])
        rises[self._first] = False  # of another event than the value before
        risen = np.flatnonzero(rises)
        if not risen.size:
            return
        rows = self._rows
        unsorted = np.zeros(len(self.lengths), dtype=np.bool_)
        unsorted[rows[risen]] = True
        mine = np.flatnonzero(unsorted[rows])
        # Lists stand one behind the other, so that sorting by list and pT permutes the values within their lists.
        order = np.lexsort((-pt[mine].astype(np.float64), rows[mine]))
        self._source = np.arange(len(rows))
        self._source[mine] = mine[order]
        self.counts["sorted"] = int(unsorted.sum())

    def _cut(self, pt: NDArray[Any], slots: int, none: int) -> None:
        """Leave values out; count the events that lose objects, and those that lose one harder than one that stays."""
        everything = np.arange(len(self._rows))
        is_cut = everything - self._first[self._rows] >= slots
        source = everything if self._source is None else self._source
        lost = source[is_cut]
        self._source = source[~is_cut]
        loses = np.zeros(len(self.lengths), dtype=np.bool_)
        loses[self._rows[lost[pt[lost] != (none if none <= 0 else -1)]]] = True
        mine = (self.lengths > slots)[self._rows]
        rows, is_cut, ordered = self._rows[mine], is_cut[mine], pt[source[mine]]
        softest = np.full(len(self.lengths), np.inf)
        hardest = np.full(len(self.lengths), -np.inf)
        np.minimum.at(softest, rows[~is_cut], ordered[~is_cut])
        np.maximum.at(hardest, rows[is_cut], ordered[is_cut])
        self.counts["cut"] = int(np.count_nonzero(loses))
        self.counts["cut_harder"] = int((hardest > softest).sum())
