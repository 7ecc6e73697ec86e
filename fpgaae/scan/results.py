"""What the points of a scan come to: performance, cost, the front, and who can be told from the float reference.

Values are means over the seeds. All trials are scored on the same events and resampled alike, so that every difference
is paired; the spread over the seeds says how much another training differs, and stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import error_of_test, percentile_interval
from fpgaae.evaluation.comparison import MIN_BACKGROUND_EVENTS
from fpgaae.evaluation.delong import two_sided_p_value
from fpgaae.evaluation.verdicts import MARGIN
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.runs.results.scan import MeanPerformance, PointEntry, ScannedMetric, ScanPoints, TrialEntry
from fpgaae.scan.measurement import Measurement
from fpgaae.scan.plan import Objective, Scan, ScanConfig, Values
from fpgaae.statistics import DEFAULT_CONFIDENCE_LEVEL, Interval, holm

AUC, TPR = "auc", "tpr"


class FinishedPoint(NamedTuple):
    """A point whose trials are all finished; one entry a seed."""

    label: str
    values: Values
    trials: tuple[TrialEntry, ...]
    measured: tuple[Measurement, ...]
    baselines: tuple[Measurement, ...]  # of the float reference that each trial started from


class _Metric(NamedTuple):
    """One metric of every signal, averaged over the seeds."""

    values: NDArray[np.float64]  # (n_signals,)
    replicas: NDArray[np.float64]  # (n_signals, n_replicas)
    by_seed: NDArray[np.float64]  # (n_seeds, n_signals)


def _metric(measured: Sequence[Measurement], name: str, fpr: float, *, tied: bool) -> _Metric:
    """Average a metric over the seeds; `tied` as `_tied` says of all networks that it is compared with."""
    if name == AUC:
        by_seed, replicas = [m.auc for m in measured], [m.auc_replicas for m in measured]
    else:
        at = [m.fprs.index(fpr) for m in measured]
        by_seed = [m.tpr[:, i] for m, i in zip(measured, at, strict=True)]
        own = [m.tied_tpr_replicas if tied else m.tpr_replicas for m in measured]
        replicas = [found[:, :, i] for found, i in zip(own, at, strict=True)]
    return _Metric(np.mean(by_seed, axis=0), np.mean(replicas, axis=0), np.array(by_seed))


def _tied(settings: ScanConfig, point: FinishedPoint) -> bool:
    """Tell whether scores of any network of a point tie at its threshold, whose jumps are then part of the spread."""
    rate = settings.false_positive_rate
    return any(bool(m.tied[m.fprs.index(rate)]) for m in (*point.measured, *point.baselines))


def _own_and_baseline(settings: ScanConfig, point: FinishedPoint, name: str) -> tuple[_Metric, _Metric]:
    """Give a metric of a point and of the float reference, resampled alike."""
    rate, tied = settings.false_positive_rate, _tied(settings, point)
    return _metric(point.measured, name, rate, tied=tied), _metric(point.baselines, name, rate, tied=tied)


def objective_values(settings: ScanConfig, point: FinishedPoint) -> list[float]:
    """Give a point's objectives in the order of the config: means over the seeds, and over the signals.

    Raises
    ------
    InputError
        If too few background events pass at the false positive rate to measure an efficiency.
    """
    return [_objective(settings, point, objective) for objective in settings.objectives]


def _objective(settings: ScanConfig, point: FinishedPoint, objective: Objective) -> float:
    if not objective.is_performance:
        return float(np.mean([trial.cost(objective.value) for trial in point.trials]))
    name = AUC if objective is Objective.MEAN_AUC else TPR
    if name == TPR and not _tpr_is_measurable(settings, point):
        raise InputError(
            f"fewer than {MIN_BACKGROUND_EVENTS} background events of the {settings.judged_on} split pass at a false "
            f"positive rate of {fpr_key(settings.false_positive_rate)}; give a larger `false_positive_rate`"
        )
    values = _own_and_baseline(settings, point, name)[0].values
    return float(values[_chosen(settings, point)].mean())


def _tpr_is_measurable(settings: ScanConfig, point: FinishedPoint) -> bool:
    first = point.baselines[0]
    return int(first.background_above[first.fprs.index(settings.false_positive_rate)]) >= MIN_BACKGROUND_EVENTS


def _chosen(settings: ScanConfig, point: FinishedPoint) -> list[int]:
    """Give the places of the signals that the mean is over."""
    signals = point.measured[0].signals
    return [signals.index(name) for name in settings.signals or signals]


def pareto_front(objectives: Sequence[Sequence[float]], kinds: Sequence[Objective]) -> list[bool]:
    """Tell which points no other one beats: as good in everything and better in something.

    Parameters
    ----------
    objectives
        By point, in the order of `kinds`.
    """
    signs = np.array([-1.0 if kind.is_performance else 1.0 for kind in kinds])
    costs = np.asarray(objectives, dtype=np.float64) * signs
    return [not bool(np.any(np.all(costs <= own, axis=1) & np.any(costs < own, axis=1))) for own in costs]


def summarize_points(scan: Scan, points: Sequence[FinishedPoint], failed: Mapping[str, str]) -> ScanPoints:
    """Give the content of `scan.json`."""
    settings = scan.settings
    objectives = [objective_values(settings, point) for point in points]
    front = pareto_front(objectives, settings.objectives)
    corrected = _corrected(settings, points)
    return ScanPoints(
        name=scan.name,
        base=str(scan.base_file),
        axes={name: axis.keys for name, axis in settings.axes.items()},
        seeds=settings.seeds,
        objectives=tuple(objective.value for objective in settings.objectives),
        performance=settings.performance.value,
        signals=points[0].measured[0].signals,
        false_positive_rate=settings.false_positive_rate,
        judged_on=settings.judged_on,
        significance=settings.significance,
        margin=MARGIN,
        correction="holm",
        tests=sum(len(own) for own in corrected),
        points=tuple(
            _entry(settings, point, own, on_front, tests)
            for point, own, on_front, tests in zip(points, objectives, front, corrected, strict=True)
        ),
        failed=dict(failed),
    )


Test = tuple[str, str]  # metric and signal


def _corrected(settings: ScanConfig, points: Sequence[FinishedPoint]) -> list[dict[Test, tuple[float, float]]]:
    """Give for each point the p-values of "as the float reference", plain and corrected for all tests of the scan."""
    plain = [_p_values(settings, point) for point in points]
    flat = holm([p for own in plain for p in own.values()])
    place = iter(flat.tolist())
    return [{test: (p, next(place)) for test, p in own.items()} for own in plain]


def _p_values(settings: ScanConfig, point: FinishedPoint) -> dict[Test, float]:
    """Ask of each signal's area and efficiency whether the paired difference exceeds margin and bootstrap error."""
    found = {}
    for name in _metrics(settings, point):
        own, baseline = _own_and_baseline(settings, point, name)
        tied = name == TPR and _tied(settings, point)
        for i, signal in enumerate(point.measured[0].signals):
            difference = float(own.values[i] - baseline.values[i])
            error = error_of_test(difference, own.replicas[i] - baseline.replicas[i], tied=tied)
            found[name, signal] = two_sided_p_value(difference, error, MARGIN)
    return found


def _metrics(settings: ScanConfig, point: FinishedPoint) -> tuple[str, ...]:
    """Name what is compared: efficiencies where enough background passes in both networks; ties leave fewer."""
    i = point.measured[0].fprs.index(settings.false_positive_rate)
    fewest = min(int(own.background_above[i]) for own in (*point.measured, *point.baselines))
    return (AUC, TPR) if fewest >= MIN_BACKGROUND_EVENTS else (AUC,)


def _entry(
    settings: ScanConfig,
    point: FinishedPoint,
    objectives: Sequence[float],
    on_front: bool,
    tests: Mapping[Test, tuple[float, float]],
) -> PointEntry:
    name = AUC if settings.performance is Objective.MEAN_AUC else TPR
    chosen = _chosen(settings, point)
    performance, baseline = _own_and_baseline(settings, point, name)
    return PointEntry(
        label=point.label,
        values=dict(point.values),
        on_front=on_front,
        objectives=dict(zip((o.value for o in settings.objectives), objectives, strict=True)),
        performance=_of_mean(performance, chosen),
        baseline=_of_mean(baseline, chosen),
        lut=_range([trial.lut for trial in point.trials]),
        ff=_range([trial.ff for trial in point.trials]),
        latency_ns=_range([trial.latency_ns for trial in point.trials]),
        sparsity=float(np.mean([trial.sparsity for trial in point.trials])),
        distinguishable=tuple(
            f"{signal} {metric}" for (metric, signal), (_, p) in tests.items() if p < settings.significance
        ),
        signals={
            signal: _signal_metrics(settings, point, i, tests) for i, signal in enumerate(point.measured[0].signals)
        },
        trials=point.trials,
    )


def _of_mean(metric: _Metric, chosen: Sequence[int]) -> MeanPerformance:
    """Give a mean over signals with its standard error: of the events, and of the seeds where there are several."""
    by_seed = metric.by_seed[:, chosen].mean(axis=1)
    events = float(metric.replicas[chosen].mean(axis=0).std(ddof=1))
    seeds = float(by_seed.std(ddof=1) / np.sqrt(len(by_seed))) if len(by_seed) > 1 else 0.0
    return MeanPerformance(
        value=float(by_seed.mean()),
        standard_error=float(np.hypot(events, seeds)),
        of_events=events,
        of_seeds=seeds,
        by_seed=tuple(by_seed.tolist()),
    )


def _range(values: Sequence[float]) -> Interval:
    """Give the mean over the seeds between the smallest and the largest."""
    return Interval(float(np.mean(values)), min(values), max(values))


def _signal_metrics(
    settings: ScanConfig, point: FinishedPoint, i: int, tests: Mapping[Test, tuple[float, float]]
) -> dict[str, ScannedMetric]:
    """Give each metric of a signal: its value, the paired difference from the float reference, and their ratio."""
    signal = point.measured[0].signals[i]
    result = {}
    for name in _metrics(settings, point):
        own, baseline = _own_and_baseline(settings, point, name)
        p_value, corrected = tests[name, signal]
        result[name] = ScannedMetric(
            **_interval(own.values[i], own.replicas[i])._asdict(),
            by_seed=tuple(own.by_seed[:, i].tolist()),
            baseline=_interval(baseline.values[i], baseline.replicas[i]),
            difference=_interval(own.values[i] - baseline.values[i], own.replicas[i] - baseline.replicas[i]),
            ratio=_ratio(own, baseline, i),
            p_value=p_value,
            corrected_p_value=corrected,
            distinguishable=corrected < settings.significance,
        )
    return result


def _interval(value: float, replicas: NDArray[np.float64]) -> Interval:
    return percentile_interval(float(value), replicas, DEFAULT_CONFIDENCE_LEVEL)


def _ratio(own: _Metric, baseline: _Metric, i: int) -> Interval | None:
    """Give the ratio to the reference, None where that has an efficiency of zero."""
    if baseline.values[i] <= 0 or (baseline.replicas[i] <= 0).any():
        return None
    return _interval(own.values[i] / baseline.values[i], own.replicas[i] / baseline.replicas[i])
