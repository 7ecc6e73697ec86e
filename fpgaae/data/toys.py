"""Seeded samples that are made up block by block, so that any span of them is the same however it is read.

What a toy looks like does not belong here: the reader of its domain says that.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.source import EventChunk, EventFile, Source

_BLOCK_EVENTS = 1024
Make = Callable[[np.random.Generator, int], NDArray[Any]]


class ToySource(Source):
    """Events of a generator.

    Parameters
    ----------
    make
        From a random generator and a number of events to values (n, *shape).
    seed
        Of the whole sample; each kind of toy and each block has its own random numbers.
    group_events
        Number of consecutive events that belong together.
    """

    def __init__(self, file: EventFile, seed: int, make: Make, group_events: int = 1) -> None:
        self.n_events = file.n_toy_events
        self._make = make
        self._seed = [seed, zlib.crc32(file.toy.encode())]
        self._group_events = group_events
        self._block_events = max(_BLOCK_EVENTS // group_events, 1) * group_events
        self._latest: tuple[int, NDArray[Any]] = -1, np.zeros(0)

    def read(self, start: int, count: int) -> EventChunk:
        """Make consecutive events."""
        first, last = start // self._block_events, (start + count - 1) // self._block_events
        parts = [self._block(index) for index in range(first, last + 1)]
        skipped = start - first * self._block_events
        values = np.concatenate(parts)[skipped : skipped + count]
        return EventChunk(start, values, np.arange(start, start + count) // self._group_events)

    def close(self) -> None:
        """Release nothing."""

    def _block(self, index: int) -> NDArray[Any]:
        if self._latest[0] != index:
            rng = np.random.default_rng([*self._seed, index])
            self._latest = index, self._make(rng, self._block_events)
        return self._latest[1]
