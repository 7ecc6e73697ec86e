"""Float against quantized against firmware, per signal: values with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings, Replicas, bootstrap, percentile_interval
from fpgaae.evaluation.delong import ScoredGroups, compare_areas, delong
from fpgaae.statistics import Interval, as_scores, clopper_pearson

FLOAT, QUANTIZED, FIRMWARE = "float", "quantized", "firmware"
TEACHER = "teacher"  # of a student, which the other three are
BASELINES = ("sum_pt", "n_objects", "pca")
MODELS = (FLOAT, QUANTIZED, FIRMWARE, TEACHER, *BASELINES)
MIN_BACKGROUND_EVENTS = 5
DELTAS = {FIRMWARE: "delta", QUANTIZED: "delta_quantized"}  # model: key in metrics.json of its difference to float

Scores = Mapping[str, Mapping[str, NDArray[Any]]]
Groups = Mapping[str, NDArray[np.int64]]


class Spread(NamedTuple):
    """How far the replicas of a difference spread: what a test of it needs."""

    standard_error: float
    interval_95: Interval


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval, or the reason why there is none.

    `background_events_above` is set at a false positive rate only: the background events above the threshold (of a
    difference, the smaller number of the two models). `spread` is set for differences.
    """

    interval: Interval | None
    background_events_above: int | None = None
    note: str | None = None
    spread: Spread | None = None

    def to_json(self) -> dict[str, Any]:
        """As written into `metrics.json`; absent parts are left out, a missing interval is three nulls."""
        low_high = self.interval or (None, None, None)
        result: dict[str, Any] = dict(zip(("value", "low", "high"), low_high, strict=True))
        if self.background_events_above is not None:
            result["background_events_above"] = self.background_events_above
        if self.note is not None:
            result["note"] = self.note
        if self.spread is not None:
            result |= {"standard_error": self.spread.standard_error, "interval_95": self.spread.interval_95._asdict()}
        return result


@dataclass(frozen=True)
class SignalMetrics:
    """AUC and signal efficiencies, or the difference of both between two models."""

    auc: Estimate
    tpr: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """As written into `metrics.json`."""
        return {"auc": self.auc.to_json(), "tpr": {key: estimate.to_json() for key, estimate in self.tpr.items()}}


@dataclass(frozen=True)
class Comparison:
    """Every model on every signal; `differences[model][signal]` are paired ones to the reference model."""

    background_events: int
    signal_events: Mapping[str, int]
    settings: BootstrapSettings
    models: Mapping[str, Mapping[str, SignalMetrics]]
    differences: Mapping[str, Mapping[str, SignalMetrics]]

    def to_json(self) -> dict[str, Any]:
        """As written into `metrics.json`; a difference whose models are not both there is left out."""
        result: dict[str, Any] = {
            "background_events": self.background_events,
            "signal_events": dict(self.signal_events),
            "confidence_level": self.settings.confidence_level,
            "replicas": self.settings.n_replicas,
            "seed": self.settings.seed,
            "models": {model: signals_to_json(own) for model, own in self.models.items()},
        }
        for model, key in DELTAS.items():
            if model in self.differences:
                result[key] = signals_to_json(self.differences[model])
        return result


def signals_to_json(metrics: Mapping[str, SignalMetrics]) -> dict[str, Any]:
    """Give the metrics of every signal as written into `metrics.json`."""
    return {signal: own.to_json() for signal, own in metrics.items()}


def fpr_key(fpr: float) -> str:
    """Name a false positive rate as `metrics.json` does, for example ``1e-03``."""
    return f"{fpr:.0e}"


def compare(
    scores: Scores, groups: Groups, background: str, settings: BootstrapSettings, reference: str = FLOAT
) -> Comparison:
    """Metrics of every model on every signal, and paired differences to a reference model, where it is there.

    Intervals are percentiles of the grouped bootstrap. That of an efficiency is widened, where necessary, to contain
    the Clopper-Pearson interval at the fixed threshold: a bootstrap of zero passing events would claim certainty.
    Differences of efficiencies follow the background's fluctuations to first order (see `SignalReplica.linear_tpr`):
    where two thresholds jump from event to event independently, the jumps would drown the difference.

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

    Raises
    ------
    InputError
        If a process is missing, a length differs, or a score is not finite.
    """
    _check(scores, groups, background, settings)
    replicas = bootstrap(scores, groups, background, settings)
    signals = [name for name in groups if name != background]
    n_background = len(groups[background])
    models = {
        model: {name: metrics(own[name], len(groups[name]), n_background, settings) for name in signals}
        for model, own in replicas.items()
    }

    differences = {
        model: {name: difference(own[name], replicas[reference][name], n_background, settings) for name in signals}
        for model, own in replicas.items()
        if reference in replicas and model != reference
    }
    return Comparison(n_background, {name: len(groups[name]) for name in signals}, settings, models, differences)


def area_tests(scores: Scores, groups: Groups, background: str) -> dict[str, dict[str, Any]]:
    """Test the areas of quantized and firmware against the float model after DeLong, beside the bootstrap.

    Returns
    -------
    ``result[signal][model]``: `difference`, `standard_error` and `p_value`; empty without a float model.
    """
    models = [model for model in (FLOAT, *DELTAS) if model in scores]
    if FLOAT not in models:
        return {}
    result: dict[str, dict[str, Any]] = {}
    for signal in groups:
        if signal == background:
            continue
        of_background, of_signal = (
            [ScoredGroups(scores[model][process], groups[process]) for model in models]
            for process in (background, signal)
        )
        areas = delong(of_background, of_signal)
        tests = {model: compare_areas(areas, index, 0) for index, model in enumerate(models) if index}
        result[signal] = {model: test._asdict() for model, test in tests.items()}
    return result


def metrics(replicas: Replicas, n_signal: int, n_background: int, settings: BootstrapSettings) -> SignalMetrics:
    """Give the metrics of one model and signal with their intervals."""
    area = percentile_interval(replicas.nominal.auc, replicas.auc, settings.confidence_level)
    found = efficiencies(replicas, n_signal, n_background, settings)
    return SignalMetrics(Estimate(area), {fpr_key(fpr): own for fpr, own in zip(settings.fprs, found, strict=True)})


def efficiencies(replicas: Replicas, n_signal: int, n_background: int, settings: BootstrapSettings) -> list[Estimate]:
    """Give the efficiency of one model and signal at each false positive rate of the settings."""
    nominal, level = replicas.nominal, settings.confidence_level
    found = []
    for i, fpr in enumerate(settings.fprs):
        n_above = int(nominal.background_above[i])
        if n_above < MIN_BACKGROUND_EVENTS:
            found.append(_not_measurable(n_above, n_background, fpr))
            continue
        exact = clopper_pearson(int(nominal.events_above[i]), n_signal, level)
        drawn = percentile_interval(exact.value, replicas.tpr[:, i], level)
        interval = Interval(exact.value, min(exact.low, drawn.low), max(exact.high, drawn.high))
        found.append(Estimate(interval, n_above))
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
        tpr[fpr_key(fpr)] = _of_difference(value, model.linear_tpr[:, i] - reference.linear_tpr[:, i], level, n_above)
    auc = _of_difference(model.nominal.auc - reference.nominal.auc, model.auc - reference.auc, level)
    return SignalMetrics(auc, tpr)


def _of_difference(value: float, replicas: NDArray[np.float64], level: float, n_above: int | None = None) -> Estimate:
    spread = Spread(float(replicas.std(ddof=1)), percentile_interval(value, replicas, 0.95))
    return Estimate(percentile_interval(value, replicas, level), n_above, None, spread)


def _not_measurable(n_above: int, n_background: int, fpr: float) -> Estimate:
    note = (
        f"not measurable: {n_above} of {n_background} background events pass at a false positive rate of "
        f"{fpr_key(fpr)}, and at least {MIN_BACKGROUND_EVENTS} are needed"
    )
    return Estimate(None, n_above, note)


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
