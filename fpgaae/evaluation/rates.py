"""Trigger rates: against the threshold, raw and pure, and against pile-up and run where the events know them.

The pure rate is that of events which the existing trigger does not take already. What a score goes with (HT,
multiplicity) is the matter of `fpgaae.evaluation.correlation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from fpgaae.config.experiment import Trigger
from fpgaae.evaluation.binning import Bins, equal_bins, occupied
from fpgaae.statistics import as_scores, clopper_pearson

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


def rate_curve(scores: Scores, columns: Columns, settings: RateSettings) -> dict[str, Any]:
    """Give rate and efficiencies at observed thresholds of one model, from all events down to one.

    The thresholds lie evenly in the logarithm of the rate; nothing is interpolated.

    Parameters
    ----------
    scores
        By process; the background among them.
    columns
        By process; one with an `existing_trigger` gets the pure rate or efficiency, too.

    Returns
    -------
    Arrays of equal length: `threshold` (rising), `background_passed`, `rate_khz` {value, low, high} and
    `efficiency` {signal: {value, low, high}}; the same with `pure_` in front where it is known.
    """
    background = as_scores(scores[settings.background], "background")
    thresholds = _thresholds(background)
    result: dict[str, Any] = {"threshold": [value.item() for value in thresholds]}
    for prefix in ("", "pure_"):
        passed = {
            process: _passed(values, thresholds, _taken(columns, process) if prefix else None)
            for process, values in scores.items()
            if not prefix or _taken(columns, process) is not None
        }
        if settings.background not in passed:
            continue
        kept = passed.pop(settings.background)
        khz = settings.trigger.bunch_crossing_rate_khz
        result[f"{prefix}background_passed"] = kept.tolist()
        result[f"{prefix}rate_khz"] = _intervals(kept, background.size, settings.level, khz)
        result[f"{prefix}efficiency"] = {
            signal: _intervals(own, scores[signal].size, settings.level) for signal, own in passed.items()
        }
    return result


def rates_by_column(
    accepted: Sequence[Flags], columns: Mapping[str, NDArray[np.float64]], settings: RateSettings
) -> dict[str, list[dict[str, Any]]]:
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
            result[name] = [_binned(flags, fresh, bins, settings) for flags in accepted]
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


def _intervals(passed: NDArray[np.int64], n: int, level: float, unit: float = 1.0) -> dict[str, list[float]]:
    found = [clopper_pearson(int(k), n, level) for k in passed]
    return {
        end: [float(f"{getattr(interval, end) * unit:.5g}") for interval in found] for end in ("value", "low", "high")
    }


def _by_run(values: NDArray[np.float64]) -> Bins:
    runs, index = np.unique(values, return_inverse=True)
    return occupied(index // -(-runs.size // MAX_RUNS), values)


def _binned(accepted: Flags, fresh: Flags | None, parts: Bins, settings: RateSettings) -> dict[str, Any]:
    index, ends = parts
    n_bins, khz = len(ends), settings.trigger.bunch_crossing_rate_khz
    events = np.bincount(index, minlength=n_bins)
    passed = np.bincount(index[accepted], minlength=n_bins)
    rates = {"rate_khz": passed}
    if fresh is not None:
        rates["pure_rate_khz"] = np.bincount(index[accepted & fresh], minlength=n_bins)
    bins = [
        {
            "low": float(ends[i, 0]), "high": float(ends[i, 1]), "events": int(events[i]), "passed": int(passed[i]),
            **{
                name: {
                    end: value * khz for end, value in
                    clopper_pearson(int(counts[i]), int(events[i]), settings.level)._asdict().items()
                }
                for name, counts in rates.items()
            },
        }
        for i in range(n_bins)
    ]  # fmt: skip
    testable = n_bins > 1 and 0 < passed.sum() < events.sum()
    return {"bins": bins, "p_value": same_rate(passed, events) if testable else None}
