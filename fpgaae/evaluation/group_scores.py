"""The mean score of each group of events, such as a clip of a sound: areas under the curve, whole and partial.

A group is judged as a whole here; events of a group that stay apart are the matter of `fpgaae.evaluation.comparison`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings, GroupResampler, percentile_interval, with_weight
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.evaluation.metrics import auc, partial_auc
from fpgaae.runs.results.metrics import GroupAreas, GroupMetrics
from fpgaae.statistics import NO_WEIGHTS, Interval, Weights

Values = NDArray[np.float64]
Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Groups = Mapping[str, NDArray[np.int64]]  # process -> one an event
_Drawn = tuple[Values, Values | None, list[NDArray[np.int64]]]  # means and weights of groups, and which are drawn
Metric = Callable[[Values, Values, Values | None, Values | None], float]


def group_means(scores: NDArray[Any], groups: NDArray[np.int64], weights: Values | None = None) -> Values:
    """Give the mean score of each group, (n_groups,), in the order of the groups' numbers; weighted, where weights are.

    Raises
    ------
    InputError
        If there is not one group an event.
    """
    if scores.shape != groups.shape or scores.ndim != 1:
        raise InputError(f"{scores.shape} scores and {groups.shape} groups don't belong together: give one each.")
    _, index, n_events = np.unique(groups, return_inverse=True, return_counts=True)
    if weights is not None:
        weights = weights / weights.max()  # equal ones are then 1: rounding makes and breaks no ties
        return np.asarray(np.bincount(index, weights=scores * weights) / np.bincount(index, weights=weights))
    return np.asarray(np.bincount(index, weights=scores) / n_events)


def evaluate_groups(
    scores: Scores,
    groups: Mapping[str, NDArray[np.int64]],
    background: str,
    max_fpr: float,
    settings: BootstrapSettings,
    weights: Weights = NO_WEIGHTS,
) -> GroupMetrics:
    """Give AUC and partial AUC of every model on every signal from the mean score of each group.

    Groups are drawn with replacement, the same for every model; `delta` is firmware - float, paired. A group has the
    mean weight of its events.

    Raises
    ------
    InputError
        If a process has fewer than two groups, or a score is not finite.
    """
    scores, groups, weights = with_weight(scores, groups, weights)
    means = {
        model: {process: group_means(own[process], groups[process], weights.get(process)) for process in groups}
        for model, own in scores.items()
    }
    group_weights: dict[str, Values] = {process: group_means(own, groups[process])
            for process, own in weights.items() if process in groups}  # fmt: skip
    metrics: dict[str, Metric] = {"auc": auc, "partial_auc": lambda b, s, w, v: partial_auc(b, s, max_fpr, w, v)}
    draws = _draws(groups, settings)
    found = {
        model: {
            signal: {name: _values(metric, *((own[process], group_weights.get(process), draws[process])
                                             for process in (background, signal)))
                     for name, metric in metrics.items()}
            for signal in groups
            if signal != background
        }
        for model, own in means.items()
    }  # fmt: skip
    level = settings.confidence_level
    delta = None
    if FLOAT in found:
        delta = {
            signal: {name: found[FIRMWARE][signal][name] - found[FLOAT][signal][name] for name in metrics}
            for signal in found[FIRMWARE]
        }
    return GroupMetrics(
        groups={process: len(own) for process, own in means[FIRMWARE].items()},
        max_false_positive_rate=max_fpr,
        models={model: _areas(own, level) for model, own in found.items()},
        delta=None if delta is None else _areas(delta, level),
    )


def _draws(groups: Groups, settings: BootstrapSettings) -> dict[str, list[NDArray[np.int64]]]:
    """Give the groups of the sample and of each replica by their places, each (n_groups,)."""
    draws = {}
    for process, own in groups.items():
        resampler = GroupResampler(own, process, settings.seed)
        counts = [resampler.ones(), *(resampler.draw() for _ in range(settings.n_replicas))]
        draws[process] = [np.repeat(np.arange(resampler.n_groups), count) for count in counts]
    return draws


def _values(metric: Metric, background: _Drawn, signal: _Drawn) -> Values:
    """Give a metric of the sample, and of each replica behind it, (1 + n_replicas,)."""
    (of_background, weights, places), (of_signal, signal_weights, signal_places) = background, signal
    return np.array([
        metric(of_background[b], of_signal[s], None if weights is None else weights[b],
               None if signal_weights is None else signal_weights[s])
        for b, s in zip(places, signal_places, strict=True)
    ])  # fmt: skip


def _areas(found: Mapping[str, Mapping[str, Values]], level: float) -> dict[str, GroupAreas]:
    def interval(values: Values) -> Interval:
        return percentile_interval(float(values[0]), values[1:], level)

    return {
        signal: GroupAreas(auc=interval(own["auc"]), partial_auc=interval(own["partial_auc"]))
        for signal, own in found.items()
    }
