"""Turn-ons: efficiency of float and firmware in bins of a quantity, with binomial intervals that count groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fpgaae.runs.results.metrics import RateCurve, Rates
from fpgaae.runs.results.review import Efficiencies, Improvement, TurnOn
from fpgaae.statistics import NO_WEIGHTS, EventGroups, Weights

N_BINS = 12
_QUANTILES = 200
_INTEGERS = 25  # as many distinct whole numbers are a bin each
_SPAN = 100  # from the smallest to the largest of them, beyond which empty bins between them would tell nothing
MIN_BACKGROUND_EVENTS = 5  # behind a point of the significance
Values = NDArray[np.float64]
Accepted = Sequence[Mapping[str, NDArray[np.bool_]]]  # one a threshold: flags by model


def shared_edges(values: Mapping[str, Values], n_bins: int = N_BINS) -> Values:
    """Give edges of bins that all processes fill: quantiles in which each process counts the same.

    Parameters
    ----------
    values
        By process, without NaN; a process may have no event.

    Returns
    -------
    Rising edges, at least two; few distinct whole numbers have bins of their own, and stand in the middle of these
    where they are not far apart.
    """
    filled = [found for found in values.values() if found.size]
    if not filled:
        return np.array([0.0, 1.0])
    distinct = np.unique(np.concatenate([np.unique(found) for found in filled]))
    if distinct.size <= _INTEGERS and (distinct == np.rint(distinct)).all():
        if distinct[-1] - distinct[0] > _SPAN:
            return np.concatenate([distinct[:1] - 0.5, (distinct[1:] + distinct[:-1]) / 2, distinct[-1:] + 0.5])
        return np.arange(distinct[0], distinct[-1] + 2) - 0.5
    grids = np.concatenate([np.quantile(found, np.linspace(0, 1, _QUANTILES)) for found in filled])
    edges = np.unique(np.quantile(grids, np.linspace(0, 1, n_bins + 1), method="higher"))
    return edges if edges.size > 1 else np.array([edges[0], edges[0] + 1.0])


def turn_on(
    values: Mapping[str, Values],
    groups: Mapping[str, NDArray[np.int64]],
    accepted: Mapping[str, Accepted],
    unit: str,
    level: float,
    weights: Weights = NO_WEIGHTS,
) -> TurnOn:
    """Count what passes in bins of a quantity.

    Parameters
    ----------
    values
        By process, (n_events,); NaN of an event that does not have the quantity, which then counts nowhere.
    groups
        By process, (n_events,): the intervals count them. A bin whose events are of one group is binomial.
    accepted
        By process: for each threshold, whether each model accepts each event.
    level
        Confidence level of the intervals.
    weights
        By process, (n_events,); an event of weight 0 counts nowhere.
    """
    known = {process: ~np.isnan(found) & (weights.get(process, 1.0) > 0) for process, found in values.items()}
    edges = shared_edges({process: found[known[process]] for process, found in values.items()})
    n_thresholds = len(next(iter(accepted.values())))
    thresholds: list[dict[str, Mapping[str, Efficiencies]]] = [{} for _ in range(n_thresholds)]
    for process, found in values.items():
        places = np.flatnonzero(known[process])
        index = np.clip(np.searchsorted(edges, found[places], side="right") - 1, 0, len(edges) - 2)
        members = [places[index == i] for i in range(len(edges) - 1)]
        of_process = weights.get(process)
        inside = [_groups_of(groups[process][own], None if of_process is None else of_process[own]) for own in members]
        for of_threshold, flags in zip(thresholds, accepted[process], strict=True):
            of_threshold[process] = {
                model: _efficiencies([passes[own] for own in members], inside, level) for model, passes in flags.items()
            }
    return TurnOn(
        unit=unit,
        edges=tuple(edges.tolist()),
        thresholds=tuple(thresholds),
        without={process: int(np.count_nonzero(~own)) for process, own in known.items()},
    )


def _groups_of(labels: NDArray[np.int64], weights: Values | None) -> EventGroups | None:
    """Give the groups of a bin's events; a single one says nothing of how events differ, and they stand alone."""
    if not labels.size:
        return None
    groups = EventGroups(labels, weights)
    return EventGroups(np.arange(labels.size), weights) if groups.n_groups == 1 else groups


def _efficiencies(
    passes: Sequence[NDArray[np.bool_]], groups: Sequence[EventGroups | None], level: float
) -> Efficiencies:
    counts = [None if own is None else own.count(flags) for own, flags in zip(groups, passes, strict=True)]
    return Efficiencies(
        events=tuple(0 if found is None else found.events for found in counts),
        passed=tuple(0 if found is None else found.passed for found in counts),
        efficiency=tuple(None if found is None else found.interval(level) for found in counts),
    )


def improvements(rates: Rates) -> dict[str, dict[str, Improvement]]:
    """Give TPR / sqrt(FPR) of every model and signal, as far down as enough background events pass.

    The ends are those of the efficiency over the square root of the opposite ends of the rate: cautious, since both
    rarely lie at their ends at once. Of weighted events those that pass have to be worth as many of weight 1.

    Returns
    -------
    ``result[signal][model]``.

    Notes
    -----
    J. Gallicchio et al., JHEP 04 (2011) 069, for the significance improvement characteristic.
    """
    result: dict[str, dict[str, Improvement]] = {}
    for model, curve in rates.models.items():
        for signal in curve.efficiency:
            result.setdefault(signal, {})[model] = _improvement(curve, signal, rates.bunch_crossing_rate_khz)
    return result


def _improvement(curve: RateCurve, signal: str, bunch_crossings_khz: float) -> Improvement:
    passed = curve.background_passed if curve.effective_passed is None else curve.effective_passed
    enough = (np.array(passed) >= MIN_BACKGROUND_EVENTS) & (np.array(curve.rate_khz.low) > 0)
    efficiency, rate = curve.efficiency[signal], curve.rate_khz
    fpr, low, high = (np.array(ends)[enough] / bunch_crossings_khz for ends in (rate.value, rate.low, rate.high))
    tpr = [np.array(ends)[enough] for ends in (efficiency.value, efficiency.low, efficiency.high)]
    value, least, most = (
        tuple(float(f"{each:.5g}") for each in top / np.sqrt(bottom))
        for top, bottom in zip(tpr, (fpr, high, low), strict=True)
    )
    return Improvement(
        false_positive_rate=tuple(fpr.tolist()),
        background_passed=tuple(np.array(curve.background_passed)[enough].tolist()),
        value=value,
        low=least,
        high=most,
    )
