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
from scipy.stats import chi2_contingency

from fpgaae.config.experiment import Trigger
from fpgaae.evaluation.binning import Bins, equal_bins, occupied
from fpgaae.hls.working_points import rate_khz
from fpgaae.runs.results.metrics import BinnedRate, Intervals, RateBin, RateCurve
from fpgaae.statistics import Interval, as_scores, clopper_pearson

N_POINTS = 120
MAX_BINS = 10  # of pile-up
MAX_RUNS = 60  # more are put together, neighbours with each other
_MIN_EXPECTED, _N_TABLES = 5, 9_999

Scores = Mapping[str, NDArray[Any]]  # process -> one an event
Columns = Mapping[str, Mapping[str, NDArray[np.float64]]]  # process -> column -> one an event
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class RateSettings:
    """The background, the rate of bunch crossings that its share is taken of, and the level of the intervals."""

    background: str
    trigger: Trigger
    level: float


def rate_curve(scores: Scores, columns: Columns, settings: RateSettings) -> RateCurve:
    """Give rate and efficiencies at observed thresholds of one model, from all events down to one.

    The thresholds lie evenly in the logarithm of the rate; nothing is interpolated.

    Parameters
    ----------
    scores
        By process; the background among them.
    columns
        By process; one with an `existing_trigger` gets the pure rate or efficiency, too.
    """
    thresholds = _thresholds(as_scores(scores[settings.background], "background"))
    taken = {process: own for process in scores if (own := _taken(columns, process)) is not None}
    every = _passing(scores, {}, thresholds, settings)
    pure = None
    if settings.background in taken:
        pure = _passing({process: scores[process] for process in taken}, taken, thresholds, settings)
    return RateCurve(
        threshold=tuple(value.item() for value in thresholds),
        background_passed=every.background,
        rate_khz=every.rate_khz,
        efficiency=every.efficiency,
        pure_background_passed=pure and pure.background,
        pure_rate_khz=pure and pure.rate_khz,
        pure_efficiency=pure and pure.efficiency,
    )


class _Passing(NamedTuple):
    """What passes each threshold: events of the background, their rate, and shares of the signals."""

    background: tuple[int, ...]
    rate_khz: Intervals
    efficiency: dict[str, Intervals]


def _passing(scores: Scores, taken: Mapping[str, Flags], thresholds: NDArray[Any], settings: RateSettings) -> _Passing:
    """Count what passes, without the events that are taken already."""
    passed = {process: _passed(values, thresholds, taken.get(process)) for process, values in scores.items()}
    kept, khz = passed.pop(settings.background), settings.trigger.bunch_crossing_rate_khz
    return _Passing(
        tuple(kept.tolist()),
        _intervals(kept, scores[settings.background].size, settings.level, khz),
        {signal: _intervals(own, scores[signal].size, settings.level) for signal, own in passed.items()},
    )


def rates_by_column(
    accepted: Sequence[Flags], columns: Mapping[str, NDArray[np.float64]], settings: RateSettings
) -> dict[str, tuple[BinnedRate, ...]]:
    """Give the background's rate at each working point in bins of pile-up, and by run.

    Parameters
    ----------
    accepted
        For each working point, whether each background event is accepted.
    columns
        Of the background.

    Returns
    -------
    ``result["pileup"]`` and ``result["run"]``, as far as there are such columns: an entry a working point with `bins`
    {low, high, events, passed, rate_khz, pure_rate_khz} and the `p_value` of one rate in all bins (`same_rate`; None
    where fewer than two bins have events, or none or all pass).
    """
    taken = columns.get("existing_trigger")
    fresh = None if taken is None else taken == 0
    result = {}
    for name, split in (("pileup", lambda values: equal_bins(values, MAX_BINS)), ("run", _by_run)):
        if name in columns:
            bins = split(columns[name])
            result[name] = tuple(_binned(flags, fresh, bins, settings) for flags in accepted)
    return result


def same_rate(passed: NDArray[np.int64], events: NDArray[np.int64]) -> float:
    """Give the probability of so unequal shares in bins of one rate, for independent events.

    Pearson's chi-square, with its asymptotic distribution where every bin expects 5 passing events or more. Otherwise
    that of 9,999 tables with the same sums, and the given one: a single event in a bin that expects hardly any is no
    evidence, although its chi-square is large.

    Parameters
    ----------
    passed, events
        (n_bins,) each; some events pass and some fail.
    """
    share = passed.sum() / events.sum()
    if min(share, 1 - share) * events.min() >= _MIN_EXPECTED:
        return float(chi2_contingency([passed, events - passed])[1])
    tables = np.random.default_rng(0).multivariate_hypergeometric(events, passed.sum(), _N_TABLES, method="marginals")
    unequal = (tables**2 / events).sum(axis=1)  # chi-square but for constants, the sums being the same
    return float((1 + np.count_nonzero(unequal >= (passed**2 / events).sum() * (1 - 1e-12))) / (1 + _N_TABLES))


def _thresholds(background: NDArray[Any]) -> NDArray[Any]:
    ordered = np.sort(background)
    passing = np.unique(np.rint(np.geomspace(1, ordered.size, N_POINTS)).astype(np.int64))
    passing = passing[passing < ordered.size]
    return np.unique(ordered[ordered.size - 1 - passing])


def _passed(scores: NDArray[Any], thresholds: NDArray[Any], taken: Flags | None) -> NDArray[np.int64]:
    """Count the events above each threshold, without those that are taken."""
    ordered = np.sort(scores if taken is None else scores[~taken])
    return ordered.size - np.searchsorted(ordered, thresholds, side="right")


def _taken(columns: Columns, process: str) -> Flags | None:
    found = columns.get(process, {}).get("existing_trigger")
    return None if found is None else found != 0


def _intervals(passed: NDArray[np.int64], n: int, level: float, unit: float = 1.0) -> Intervals:
    found = [clopper_pearson(int(k), n, level) for k in passed]
    value, low, high = (tuple(float(f"{end * unit:.5g}") for end in ends) for ends in zip(*found, strict=True))
    return Intervals(value=value, low=low, high=high)


def _by_run(values: NDArray[np.float64]) -> Bins:
    runs, index = np.unique(values, return_inverse=True)
    return occupied(index // -(-runs.size // MAX_RUNS), values)


def _binned(accepted: Flags, fresh: Flags | None, parts: Bins, settings: RateSettings) -> BinnedRate:
    index, ends = parts
    n_bins = len(ends)
    events = np.bincount(index, minlength=n_bins)
    passed = np.bincount(index[accepted], minlength=n_bins)
    pure = None if fresh is None else np.bincount(index[accepted & fresh], minlength=n_bins)

    def rate(counts: NDArray[np.int64], i: int) -> Interval:
        return rate_khz(clopper_pearson(int(counts[i]), int(events[i]), settings.level), settings.trigger)

    bins = tuple(
        RateBin(
            low=float(ends[i, 0]),
            high=float(ends[i, 1]),
            events=int(events[i]),
            passed=int(passed[i]),
            rate_khz=rate(passed, i),
            pure_rate_khz=None if pure is None else rate(pure, i),
        )
        for i in range(n_bins)
    )
    testable = n_bins > 1 and 0 < passed.sum() < events.sum()
    return BinnedRate(bins=bins, p_value=same_rate(passed, events) if testable else None)
