"""Cells of an array that their bits do not hold: integers are refused, measured values are counted.

What becomes of objects does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import ArrayWidth, Data
from fpgaae.data.source import EventChunk, EventFile, with_counts
from fpgaae.errors import InputError
from fpgaae.runs.results.data import FEW_OBJECTS, is_saturated

_SENSELESS_SHARE = 0.5  # of all cells other than 0


def _limits(array: ArrayWidth) -> tuple[int, int]:
    """Give the smallest and largest count of a cell."""
    half = 1 << (array.bits - 1)
    return (-half, half - 1) if array.signed else (0, 2 * half - 1)


def _beyond(values: NDArray[np.number], array: ArrayWidth) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Give the counts of cells, (n, n_cells), and which of them the bits do not hold; cells without a port hold all."""
    counts = np.rint(values.reshape(len(values), -1) / np.float64(array.lsb))
    low, high = _limits(array)
    beyond = (counts < low) | (counts > high)
    beyond[:, list(array.absent)] = False
    return counts, beyond


def within_bits(chunk: EventChunk, file: EventFile | Path, data: Data, array: ArrayWidth) -> EventChunk:
    """Give integer cells that the bits hold: saturated and counted where `data.clip` says so, and refused otherwise.

    What is measured, or made by a domain's reader, is rounded and saturated, as its readout does it.

    Raises
    ------
    InputError
        If an integer is beyond the bits.
    """
    if chunk.values.dtype.kind not in "iu" or array.lsb != 1 or data.reader is not None:
        return chunk
    low, high = _limits(array)
    if chunk.values.min(initial=0) >= low and chunk.values.max(initial=0) <= high:
        return chunk
    counts, beyond = _beyond(chunk.values, array)
    if not beyond.any():
        return chunk
    n = int(np.count_nonzero(beyond))
    if data.clip:
        return with_counts(chunk, "clipped", {array.name: n})
    event, cell = (int(i) for i in np.argwhere(beyond)[0])
    extreme = counts[beyond][np.argmax(np.abs(counts[beyond]))]
    raise InputError(
        f"{file}: event {chunk.first_event + event}, cell {cell} holds {counts[event, cell]:.0f}, but "
        f"`data.hardware.array` holds {low} to {high}: {n:,} of the {counts.size:,} cells of its chunk are beyond, up "
        f"to {extreme:.0f}; give `bits` that hold them, or let them be saturated with `data.clip: true`"
    )


class CellTally:
    """Counts of the cells of one process, of all events that `where` keeps."""

    def __init__(self, array: ArrayWidth) -> None:
        self._array = array
        self._filled = self._beyond = self._nothing = 0

    def add(self, values: NDArray[np.number]) -> None:
        """Take in cells, (n, *shape)."""
        counts, beyond = _beyond(values, self._array)
        filled = values.reshape(counts.shape) != 0
        filled[:, list(self._array.absent)] = False
        self._filled += int(np.count_nonzero(filled))
        self._beyond += int(np.count_nonzero(beyond))
        self._nothing += int(np.count_nonzero(filled & (counts == 0)))

    def state(self) -> list[int]:
        """Give the counts."""
        return [self._filled, self._beyond, self._nothing]

    def take(self, state: Sequence[int]) -> None:
        """Take in the counts of another one."""
        self._filled, self._beyond, self._nothing = (a + b for a, b in zip(self.state(), state, strict=True))

    def warnings(self) -> Iterator[str]:
        """Say what a user has to look at."""
        if self._filled < FEW_OBJECTS:
            return
        share, name = f"of {self._filled:,} {self._array.name} values other than 0", self._array.name
        if is_saturated(self._beyond, self._filled):
            yield (
                f"{self._beyond:,} {share} ({self._beyond / self._filled:.1%}) are beyond what their bits hold, and "
                f"saturated: is the `lsb` of {name} right?"
            )
        if self._nothing > _SENSELESS_SHARE * self._filled:
            yield (
                f"{self._nothing:,} {share} ({self._nothing / self._filled:.1%}) round to 0: is the `lsb` of {name} "
                "too large?"
            )
