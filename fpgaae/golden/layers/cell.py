"""The cell of an event, in which its threshold is looked up: bins of exact sums of hardware integers (NumPy only).

It reads the hardware integers themselves, not the network's inputs, which are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Partly, Values


class BinnedSum(NamedTuple):
    """A sum of hardware integers, or of how many of them are above zero, and the edges of its bins.

    Parameters
    ----------
    places
        Features that are summed, in rising order; none of them is ever negative.
    counts
        Whether it counts those above zero instead of adding them.
    edges
        Codes of the sum, rising: an event lies in the bin whose number is that of the edges below its sum.
    """

    places: tuple[int, ...]
    counts: bool
    edges: tuple[int, ...]

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) + 1

    def sums(self, hardware: NDArray[np.integer]) -> Codes:
        """Give the sum of each event, (n_events,), of its hardware integers (n_events, n_features)."""
        read = hardware[:, list(self.places)].astype(np.int64)
        return np.asarray(((read > 0) if self.counts else read).sum(axis=1, dtype=np.int64))

    def bins(self, hardware: NDArray[np.integer]) -> Codes:
        """Give the bin of each event, (n_events,)."""
        return np.asarray(np.searchsorted(np.array(self.edges), self.sums(hardware), side="left"), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Cell(Layer):
    """The number of an event's cell: its bin of each sum, the last one counting by ones."""

    kind = "cell"
    sums: tuple[BinnedSum, ...]

    @classmethod
    def of(cls, name: str, sums: Sequence[BinnedSum]) -> Cell:
        """Make it from sums with their bins."""
        width = max(prod(of.n_bins for of in sums) - 1, 1).bit_length()
        return cls(name, (), 1, FixedPointType(width, width, False), sums=tuple(sums))

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return prod(self.bins)

    @property
    def bins(self) -> tuple[int, ...]:
        """Number of bins of each sum."""
        return tuple(of.n_bins for of in self.sums)

    @property
    def ends(self) -> tuple[Codes, Codes]:
        """The first and the last cell."""
        return np.zeros(1, dtype=np.int64), np.array([self.n_cells - 1], dtype=np.int64)

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Find the cell of hardware integers, (n_events, n_features)."""
        found = np.ravel_multi_index(tuple(of.bins(inputs[0].codes) for of in self.sums), self.bins)
        return Tensor(np.asarray(found, dtype=np.int64)[:, None], 0)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Find the cell; nothing of it is ever rounded."""
        del sources, partly
        return self.run([Tensor(inputs[0].astype(np.int64), 0)]).codes.astype(np.float64)

    def range(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Give the first and the last cell."""
        del sources
        return 0, self.n_cells - 1

    def arrays(self) -> dict[str, Codes]:
        """Give places and edges of each sum."""
        found: dict[str, Codes] = {}
        for index, of in enumerate(self.sums):
            found[f"places_{index}"] = np.array(of.places, dtype=np.int64)
            found[f"edges_{index}"] = np.array(of.edges, dtype=np.int64)
        return found

    def _settings(self) -> dict[str, Any]:
        return {"counts": [of.counts for of in self.sums]}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        sums = [
            BinnedSum(tuple(arrays[f"places_{i}"].tolist()), bool(counts), tuple(arrays[f"edges_{i}"].tolist()))
            for i, counts in enumerate(entry["counts"])
        ]
        return {"sums": tuple(sums)}
