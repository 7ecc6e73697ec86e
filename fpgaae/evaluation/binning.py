"""Bins of about equal numbers of events, which rates and profiles are shown in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bins(NamedTuple):
    """The bin of each event, (n_events,), and the smallest and largest value in each bin, (n_bins, 2)."""

    of_event: NDArray[np.int64]
    ends: NDArray[np.float64]


def equal_bins(values: NDArray[Any], n_bins: int) -> Bins:
    """Part events into at most `n_bins` bins of about equal numbers; up to twice as many distinct values stay apart."""
    distinct, index = np.unique(values, return_inverse=True)
    if distinct.size > 2 * n_bins:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1), method="higher"))
        index = np.searchsorted(edges[1:-1], values, side="left")
    return occupied(index, values)


def occupied(index: NDArray[np.int64], values: NDArray[Any]) -> Bins:
    """Leave out the bins that hold no event, and give the ends of the others."""
    numbers, index = np.unique(index, return_inverse=True)
    low, high = np.full(numbers.size, np.inf), np.full(numbers.size, -np.inf)
    np.minimum.at(low, index, values)
    np.maximum.at(high, index, values)
    return Bins(index, np.stack([low, high], axis=1))
