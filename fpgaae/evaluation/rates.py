"""Trigger rates: against the threshold, raw and pure, and against pile-up and run where the events know them.

The pure rate is that of events which the existing trigger does not take already. What a score goes with (HT,
multiplicity) is the matter of `fpgaae.evaluation.correlation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, chi2_contingency

from fpgaae.config.experiment import Trigger
from fpgaae.data.source import WEIGHT
from fpgaae.evaluation.binning import Bins, equal_bins, occupied
from fpgaae.hls.working_points import TEST_LEVEL, rate_khz
from fpgaae.runs.results.metrics import BinnedRate, Intervals, RateBin, RateCurve
from fpgaae.statistics import EventGroups, Interval, PassedEvents, as_scores, cumulated, effective_numbers, whole_number

N_POINTS = 120
MAX_BINS = 10  # of pile-up
MAX_RUNS = 60  # more are put together, neighbours with each other
_MIN_EXPECTED, _N_TABLES = 5, 9_999

Scores = Mapping[str, NDArray[Any]]  # process -> one an event
Groups = Mapping[str, EventGroups]  # by process
Columns = Mapping[str, Mapping[str, NDArray[np.float64]]]  # process -> column -> one an event
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class RateSettings:
    """The background, the rate of bunch crossings that its share is taken of, and the level of the intervals."""

    background: str
    trigger: Trigger
    level: float


def rate_curve(scores: Scores, groups: Groups, columns: Columns, settings: RateSettings) -> RateCurve:
    """Give rate and efficiencies at observed thresholds of one model, from all events down to one.

    The thresholds lie evenly in the logarithm of the rate; nothing is interpolated.

    Parameters
    ----------
    scores
        By process; the background among them.
    groups
        By process, in the order of the scores: the intervals count them.
    columns
        By process; one with an `existing_trigger` gets the pure rate or efficiency, too.
    """
    thresholds = _thresholds(as_scores(scores[settings.background], "background"))
    taken = {process: own for process in scores if (own := _taken(columns, process)) is not None}
    every = _passing(scores, groups, {}, thresholds, settings)
    pure = None
    if settings.background in taken:
        pure = _passing({process: scores[process] for process in taken}, groups, taken, thresholds, settings)
    return RateCurve(
        threshold=tuple(value.item() for value in thresholds),
        background_passed=every.background,
        rate_khz=every.rate_khz,
        efficiency=every.efficiency,
        pure_background_passed=pure and pure.background,
        pure_rate_khz=pure and pure.rate_khz,
        pure_efficiency=pure and pure.efficiency,
        effective_passed=_effective_passed(scores[settings.background], groups[settings.background], thresholds),
    )


def _effective_passed(
    background: NDArray[Any], groups: EventGroups, thresholds: NDArray[Any]
) -> tuple[int, ...] | None:  # fmt: skip
    """Give how many events of weight 1 those above each threshold are worth; None where events have no weights.

    By how unequal their weights are, and no more than their share of what all events are worth: the interval of the
    rate rests on that.
    """
    if groups.weights is None:
        return None
    order = np.argsort(background, kind="stable")
    firsts = np.searchsorted(background[order], thresholds, side="right")
    above = cumulated(groups.weights[order][::-1], order.size)[order.size - firsts]
    effective = effective_numbers(groups.weights[order], firsts).tolist()
    return tuple(min(n, whole_number(weight)) for n, weight in zip(effective, above.tolist(), strict=True))


class _Passing(NamedTuple):
    """What passes each threshold: events of the background, their rate, and shares of the signals."""

    background: tuple[int, ...]
    rate_khz: Intervals
    efficiency: dict[str, Intervals]


def _passing(
    scores: Scores, groups: Groups, taken: Mapping[str, Flags], thresholds: NDArray[Any], settings: RateSettings
) -> _Passing:
    """Count what passes, without the events that are taken already."""
    passed = {
        process: _passed(values, groups[process], thresholds, taken.get(process)) for process, values in scores.items()
    }
    kept, khz = passed.pop(settings.background), settings.trigger.bunch_crossing_rate_khz
    return _Passing(
        tuple(own.passed for own in kept),
        _intervals(kept, settings.level, khz),
        {signal: _intervals(own, settings.level) for signal, own in passed.items()},
    )


def rates_by_column(
    accepted: Sequence[Flags],
    groups: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.float64]],
    settings: RateSettings,
) -> dict[str, tuple[BinnedRate, ...]]:
    """Give the background's rate at each working point in bins of pile-up, and by run.

    Parameters
    ----------
    accepted
        For each working point, whether each background event is accepted.
    groups, columns
        Of the background; a column `weight` counts.

    Returns
    -------
    ``result["pileup"]`` and ``result["run"]``, as far as there are such columns: an entry a working point with `bins`
    {low, high, events, passed, rate_khz, pure_rate_khz} and the `p_value` of one rate in all bins (`same_rate`; None
    where fewer than two bins have events, none or all pass, or a bin has less than two groups on average). A bin whose
    events are of one group, such as a run where runs are the groups, stands for itself: its interval is binomial.
    """
    weights = columns.get(WEIGHT)
    if weights is not None and not (weights > 0).all():  # such events count nowhere, and a bin may have no others
        there = weights > 0
        columns = {name: values[there] for name, values in columns.items()}
        accepted, groups, weights = [flags[there] for flags in accepted], groups[there], weights[there]
    taken = columns.get("existing_trigger")
    fresh = None if taken is None else taken == 0
    result = {}
    for name, split in (("pileup", lambda values: equal_bins(values, MAX_BINS)), ("run", _by_run)):
        if name in columns:
            bins = split(columns[name])
            grouped = _GroupedBins(groups, bins, weights)
            result[name] = tuple(_binned(flags, fresh, grouped, settings) for flags in accepted)
    return result


def same_rate(passed: NDArray[Any], events: NDArray[Any], design_effect: float = 1.0) -> float:
    """Give the probability of so unequal shares in bins of one rate.

    Pearson's chi-square, with its asymptotic distribution where every bin expects 5 passing events or more. Otherwise
    that of 9,999 tables with the same sums, and the given one: a single event in a bin that expects hardly any is no
    evidence, although its chi-square is large.

    Parameters
    ----------
    passed, events
        (n_bins,) each, of weighted events effective numbers; some events pass and some fail.
    design_effect
        By how much groups enlarge the variance of a share, which chi-square is divided by; tables take whole numbers.

    Notes
    -----
    J. N. K. Rao and A. J. Scott, Ann. Statist. 12 (1984) 46, for the division (their first-order correction).
    """
    share = passed.sum() / events.sum()
    if min(share, 1 - share) * events.min() / design_effect >= _MIN_EXPECTED:
        return float(chi2.sf(_pearson(passed, events) / design_effect, passed.size - 1))
    passed, events = (np.rint(counts / design_effect).astype(np.int64) for counts in (passed, events))
    passed, events = passed[events > 0], events[events > 0]
    if not 0 < passed.sum() < events.sum():
        return 1.0
    tables = np.random.default_rng(0).multivariate_hypergeometric(events, passed.sum(), _N_TABLES, method="marginals")
    unequal = (tables**2 / events).sum(axis=1)  # chi-square but for constants, the sums being the same
    return float((1 + np.count_nonzero(unequal >= (passed**2 / events).sum() * (1 - 1e-12))) / (1 + _N_TABLES))


def _pearson(passed: NDArray[Any], events: NDArray[Any]) -> float:
    """Give Pearson's chi-square, also of two bins without Yates' correction, which would make the test too rare."""
    return float(chi2_contingency([passed, events - passed], correction=False)[0])


def _thresholds(background: NDArray[Any]) -> NDArray[Any]:
    ordered = np.sort(background)
    passing = np.unique(np.rint(np.geomspace(1, ordered.size, N_POINTS)).astype(np.int64))
    passing = passing[passing < ordered.size]
    return np.unique(ordered[ordered.size - 1 - passing])


def _passed(
    scores: NDArray[Any], groups: EventGroups, thresholds: NDArray[Any], taken: Flags | None
) -> list[PassedEvents]:
    """Count the events above each threshold, without those that are taken."""
    order = np.argsort(scores, kind="stable")
    if taken is not None:
        order = order[~taken[order]]
    firsts = np.searchsorted(scores[order], thresholds, side="right")
    return [groups.count(order[first:]) for first in firsts.tolist()]


def _taken(columns: Columns, process: str) -> Flags | None:
    found = columns.get(process, {}).get("existing_trigger")
    return None if found is None else found != 0


def _intervals(passed: Sequence[PassedEvents], level: float, unit: float = 1.0) -> Intervals:
    found = [own.interval(level) for own in passed]
    value, low, high = (tuple(float(f"{end * unit:.5g}") for end in ends) for ends in zip(*found, strict=True))
    return Intervals(value=value, low=low, high=high)


def _by_run(values: NDArray[np.float64]) -> Bins:
    runs, index = np.unique(values, return_inverse=True)
    return occupied(index // -(-runs.size // MAX_RUNS), values)


class _GroupedBins:
    """Bins of events, with the groups inside of each and those of all bins together."""

    def __init__(self, groups: NDArray[np.int64], bins: Bins, weights: NDArray[np.float64] | None = None) -> None:
        self.ends = bins.ends
        self.members = [np.flatnonzero(bins.of_event == i) for i in range(len(bins.ends))]
        of_bins = [None if weights is None else weights[own] for own in self.members]
        inside = [EventGroups(groups[own], w) for own, w in zip(self.members, of_bins, strict=True)]
        alone = [EventGroups(np.arange(own.size), w) for own, w in zip(self.members, of_bins, strict=True)]
        self._own = [b if a.n_groups == 1 else a for a, b in zip(inside, alone, strict=True)]
        self.all = EventGroups(groups, weights)

    def count(self, accepted: Flags) -> list[PassedEvents]:
        """Count the events that pass in each bin."""
        return [own.count(accepted[members]) for own, members in zip(self._own, self.members, strict=True)]

    def p_value(self, accepted: Flags) -> float | None:
        """Test whether all bins have one rate; None where that can't be told."""
        counts = self.count(accepted)
        passed, events = (np.array(numbers) for numbers in zip(*(own.counted for own in counts), strict=True))
        few = not self.all.are_single and self.all.n_groups < 2 * len(counts)
        if len(counts) < 2 or few or not 0 < passed.sum() < events.sum():
            return None
        return same_rate(passed, events, self.all.count(accepted).design_effect(TEST_LEVEL))


def _binned(accepted: Flags, fresh: Flags | None, bins: _GroupedBins, settings: RateSettings) -> BinnedRate:
    every = bins.count(accepted)
    pure = None if fresh is None else bins.count(accepted & fresh)

    def rate(passed: PassedEvents) -> Interval:
        return rate_khz(passed.interval(settings.level), settings.trigger)

    entries = tuple(
        RateBin(
            low=float(low),
            high=float(high),
            events=own.events,
            passed=own.passed,
            rate_khz=rate(own),
            pure_rate_khz=None if pure is None else rate(pure[i]),
        )
        for i, ((low, high), own) in enumerate(zip(bins.ends, every, strict=True))
    )
    return BinnedRate(bins=entries, p_value=bins.p_value(accepted))
