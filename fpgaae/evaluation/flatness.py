"""Whether the rate is flat against the sums that thresholds follow, and what that costs in efficiency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.cuts import Cut, Flags, Followed, float_cut
from fpgaae.fixedpoint import Codes
from fpgaae.hls.cells import equal_edges
from fpgaae.runs.results.flatness import FlatBin, Flatness, FlatSum, FollowedEfficiency
from fpgaae.statistics import EventGroups

N_BINS = 5


def flatness(
    cut: Cut,
    scores: Mapping[str, NDArray[Any]],
    groups: Mapping[str, EventGroups],
    background: str,
    followed: Followed,
    level: float,
) -> Flatness:  # fmt: skip
    """Give the background's rate in bins of each sum, and signals' efficiencies, with and without cells.

    Parameters
    ----------
    scores
        Of the firmware, by process.
    level
        Confidence level of the intervals, which count groups of events.
    """
    above = scores[background] > cut.at(background)
    one_for_all = float_cut(scores[background], groups[background].count(above), groups[background].weights)
    plain = scores[background] > one_for_all
    return Flatness(
        cells=len(cut.threshold.codes_of_cells or ()),
        sums=tuple(_flat_sum(name, sums, (above, plain), groups[background], level) for name, sums in followed.sums),
        efficiency={
            process: FollowedEfficiency(
                followed=groups[process].count(own > cut.at(process)).interval(level),
                plain=groups[process].count(own > one_for_all).interval(level),
            )
            for process, own in scores.items()
            if process != background
        },
    )


def _flat_sum(
    quantity: str, sums: Codes, passing: tuple[Flags, Flags], groups: EventGroups, level: float
) -> FlatSum:  # fmt: skip
    if (weightless := groups.weightless()).any():  # such events count nowhere, and a bin may have no others
        sums, groups = sums[~weightless], groups.part(~weightless)
        passing = passing[0][~weightless], passing[1][~weightless]
    place = np.searchsorted(equal_edges(sums, N_BINS), sums, side="left")
    bins = []
    for index in np.unique(place).tolist():
        own = place == index
        inside = groups.part(own)
        found, plain = (inside.count(flags[own]) for flags in passing)
        bins.append(
            FlatBin(
                low=int(sums[own].min()),
                high=int(sums[own].max()),
                events=found.events,
                passed=found.passed,
                rate=found.interval(level),
                plain_passed=plain.passed,
                plain_rate=plain.interval(level),
            )
        )
    means = [groups.count(flags).share for flags in passing]
    return FlatSum(
        quantity=quantity,
        bins=tuple(bins),
        departure=_departure([of.rate.value for of in bins], means[0]),
        plain_departure=_departure([of.plain_rate.value for of in bins], means[1]),
    )


def _departure(rates: Sequence[float], mean: float) -> float:
    """Give the largest distance from the mean as a share of it; of no rate at all, 0."""
    return max(abs(rate - mean) for rate in rates) / mean if mean else 0.0
