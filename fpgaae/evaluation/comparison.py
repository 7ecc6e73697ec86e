"""Float against quantized against firmware, per signal: values with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import (
    LEVEL_OF_TESTS,
    BootstrapSettings,
    Replicas,
    bootstrap,
    error_of_test,
    percentile_interval,
)
from fpgaae.evaluation.delong import ScoredGroups, compare_areas, delong
from fpgaae.runs.results.metrics import AreaTest, Estimate, MetricsBySignal, SignalMetrics, fpr_key
from fpgaae.statistics import NO_WEIGHTS, EventGroups, Interval, Weights, as_scores, whole_number

FLOAT, QUANTIZED, FIRMWARE = "float", "quantized", "firmware"
TEACHER = "teacher"  # of a student, which the other three are
BASELINES = ("sum_pt", "n_objects", "pca")
MODELS = (FLOAT, QUANTIZED, FIRMWARE, TEACHER, *BASELINES)
MIN_BACKGROUND_EVENTS = 5

Scores = Mapping[str, Mapping[str, NDArray[Any]]]
Groups = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Comparison:
    """Every model on every signal; `differences[model][signal]` are paired ones to the reference model."""

    background_events: int
    signal_events: Mapping[str, int]
    settings: BootstrapSettings
    models: Mapping[str, MetricsBySignal]
    differences: Mapping[str, MetricsBySignal]


def compare(
    scores: Scores,
    groups: Groups,
    background: str,
    settings: BootstrapSettings,
    reference: str = FLOAT,
    weights: Weights = NO_WEIGHTS,
) -> Comparison:
    """Metrics of every model on every signal, and paired differences to a reference model, where it is there.

    Intervals are percentiles of the grouped bootstrap. That of an efficiency is widened, where necessary, to contain
    the Clopper-Pearson interval at the fixed threshold, of the effective number of events: a bootstrap of zero passing
    events would claim certainty. Where several background events lie exactly at the threshold, it also contains those
    at the scores beside it that the background's rate does not exclude: replicas alone jump too rarely. Differences of
    efficiencies follow the background's fluctuations to first order (see `RankedSignal.replica`): where two thresholds
    jump from event to event independently, the jumps would drown the difference. Where several background events lie
    exactly at one of the thresholds, its jumps are real, and the difference is that of the replicas themselves.

    Parameters
    ----------
    scores
        ``scores[model][process]``, shape (n_events of the process,), in the same order of events for every model.
    groups
        ``groups[process]``, shape (n_events of the process,): the independent unit that each event belongs to.
    background
        The process that sets the thresholds; every other one is a signal.
    settings
        Replicas, confidence level, seed and false positive rates.
    weights
        ``weights[process]``, shape (n_events of the process,), 0 or more: areas, rates and efficiencies are shares of
        their sums. Where the background has some, `background_events_above` is an effective number.

    Raises
    ------
    InputError
        If a process is missing, a length differs, or a score is not finite.
    """
    _check(scores, groups, background, settings)
    replicas = bootstrap(scores, groups, background, settings, weights)
    signals = [name for name in groups if name != background]
    n_background = effective_number(groups, weights, background)
    models = {
        model: {name: metrics(own[name], n_background, settings) for name in signals} for model, own in replicas.items()
    }

    differences = {
        model: {name: difference(own[name], replicas[reference][name], n_background, settings) for name in signals}
        for model, own in replicas.items()
        if reference in replicas and model != reference
    }
    sizes = {name: len(groups[name]) for name in signals}
    return Comparison(len(groups[background]), sizes, settings, models, differences)


def effective_number(groups: Groups, weights: Weights, process: str) -> int:
    """Give the number of events of a process; of weighted ones the effective number, rounded down."""
    return whole_number(EventGroups(groups[process], weights.get(process)).effective_events)


def area_tests(
    scores: Scores, groups: Groups, background: str, weights: Weights = NO_WEIGHTS
) -> dict[str, dict[str, AreaTest]]:  # fmt: skip
    """Test the areas of quantized and firmware against the float model after DeLong, beside the bootstrap.

    Returns
    -------
    ``result[signal][model]``: `difference`, `standard_error` and `p_value`; empty without a float model.
    """
    models = [model for model in (FLOAT, FIRMWARE, QUANTIZED) if model in scores]
    if FLOAT not in models:
        return {}
    result: dict[str, dict[str, AreaTest]] = {}
    for signal in groups:
        if signal == background:
            continue
        of_background, of_signal = (
            [ScoredGroups(scores[model][process], groups[process], weights.get(process)) for model in models]
            for process in (background, signal)
        )
        areas = delong(of_background, of_signal)
        result[signal] = {model: compare_areas(areas, index, 0) for index, model in enumerate(models) if index}
    return result


def metrics(replicas: Replicas, n_background: int, settings: BootstrapSettings) -> SignalMetrics:
    """Give the metrics of one model and signal with their intervals."""
    area = percentile_interval(replicas.nominal.auc, replicas.auc, settings.confidence_level)
    found = efficiencies(replicas, n_background, settings)
    tpr = {fpr_key(fpr): own for fpr, own in zip(settings.fprs, found, strict=True)}
    return SignalMetrics(auc=Estimate(**area._asdict()), tpr=tpr)


def efficiencies(replicas: Replicas, n_background: int, settings: BootstrapSettings) -> list[Estimate]:
    """Give the efficiency of one model and signal at each false positive rate of the settings."""
    nominal, level = replicas.nominal, settings.confidence_level
    found = []
    for i, fpr in enumerate(settings.fprs):
        n_above = int(nominal.background_above[i])
        if n_above < MIN_BACKGROUND_EVENTS:
            found.append(_not_measurable(n_above, n_background, fpr))
            continue
        exact = replicas.passing[i].interval(level)
        drawn = percentile_interval(exact.value, replicas.tpr[:, i], level)
        beside = (own.interval(level) for score, own in replicas.beside[i] if score.is_possible(fpr, level))
        ends = (exact, drawn, *beside)
        interval = Interval(exact.value, min(end.low for end in ends), max(end.high for end in ends))
        found.append(Estimate(**interval._asdict(), background_events_above=n_above))
    return found


def difference(model: Replicas, reference: Replicas, n_background: int, settings: BootstrapSettings) -> SignalMetrics:
    """Give the paired differences of a model to another on one signal, with their intervals."""
    level = settings.confidence_level
    smaller = np.minimum(model.nominal.background_above, reference.nominal.background_above)
    tpr = {}
    for i, fpr in enumerate(settings.fprs):
        n_above = int(smaller[i])
        if n_above < MIN_BACKGROUND_EVENTS:
            tpr[fpr_key(fpr)] = _not_measurable(n_above, n_background, fpr)
            continue
        value = float(model.nominal.tpr[i] - reference.nominal.tpr[i])
        tied = bool(model.tied[i] or reference.tied[i])
        replicas = model.tpr_to_compare(i, tied=tied) - reference.tpr_to_compare(i, tied=tied)
        tpr[fpr_key(fpr)] = _of_difference(value, replicas, level, n_above, tied=tied)
    auc = _of_difference(model.nominal.auc - reference.nominal.auc, model.auc - reference.auc, level)
    return SignalMetrics(auc=auc, tpr=tpr)


def _of_difference(
    value: float, replicas: NDArray[np.float64], level: float, n_above: int | None = None, *, tied: bool = False
) -> Estimate:
    return Estimate(
        **percentile_interval(value, replicas, level)._asdict(),
        background_events_above=n_above,
        standard_error=error_of_test(value, replicas, tied=tied),
        interval_95=percentile_interval(value, replicas, LEVEL_OF_TESTS),
    )


def _not_measurable(n_above: int, n_background: int, fpr: float) -> Estimate:
    note = (
        f"not measurable: {n_above} of {n_background} background events pass at a false positive rate of "
        f"{fpr_key(fpr)}, and at least {MIN_BACKGROUND_EVENTS} are needed"
    )
    return Estimate(value=None, low=None, high=None, background_events_above=n_above, note=note)


def _check(scores: Scores, groups: Groups, background: str, settings: BootstrapSettings) -> None:
    if background not in groups:
        raise InputError(f"Groups are given for {sorted(groups)}: the background `{background}` is needed.")
    if not scores:
        raise InputError("There are no scores to compare: give those of at least one model.")
    if len({fpr_key(fpr) for fpr in settings.fprs}) != len(settings.fprs):
        raise InputError(f"Two of the false positive rates {settings.fprs} share a key: give one digit to each.")
    for model, own in scores.items():
        if set(own) != set(groups):
            raise InputError(
                f"The model `{model}` has scores for {sorted(own)}, and groups are given for {sorted(groups)}: "
                "score the same processes."
            )
        for process, values in own.items():
            checked = as_scores(values, f"`{model}` / `{process}`")
            if checked.size != len(groups[process]):
                raise InputError(
                    f"The model `{model}` scored {checked.size} events of `{process}`, which has "
                    f"{len(groups[process])} groups entries: score every event once."
                )
