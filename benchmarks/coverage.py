"""How often intervals hold the truth and tests reject it, with scores that tie and events in groups: toys.

All toys are normal scores; those of a group are correlated. Models of a pair are equally good: the same events, each
with noise of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.result import Goal, Result, Settings
from fpgaae.config.experiment import Trigger
from fpgaae.evaluation.bootstrap import BootstrapSettings, bootstrap
from fpgaae.evaluation.comparison import area_tests, difference, metrics
from fpgaae.evaluation.decisions import same_rate
from fpgaae.evaluation.delong import two_sided_p_value
from fpgaae.hls.working_points import TEST_LEVEL, choose_thresholds
from fpgaae.runs.results.metrics import Estimate
from fpgaae.statistics import DEFAULT_CONFIDENCE_LEVEL, EventGroups

NAME = "coverage"
_TOYS, _QUICK_TOYS = 2000, 40
_FALSE = 0.05
_LEVELS = (DEFAULT_CONFIDENCE_LEVEL, 0.95)
_SIZES, _CORRELATIONS, _STEPS = (1, 2, 10, 30), (0.0, 0.5, 0.9), (0.0, 0.02, 0.1, 0.25)
_RATES = (0.05, 0.005)
_EVENTS, _CHOICE_EVENTS = 6000, 9000
_BACKGROUND, _SIGNAL, _DISTANCE, _NOISE = 1800, 900, 1.0, 0.3
_FPR, _REPLICAS = 0.02, 100
_N_ERRORS = 4  # binomial ones that a figure may lie off, as many figures are looked at


class _Share(NamedTuple):
    """How often something happened in toys."""

    what: str
    toy: str
    wanted: float
    happened: list[bool]
    is_coverage: bool

    @property
    def goal(self) -> Goal:
        """At least the level for intervals, and at most 5 % for tests, up to binomial errors."""
        error = _N_ERRORS * float(np.sqrt(self.wanted * (1 - self.wanted) / len(self.happened)))
        limit = self.wanted - error if self.is_coverage else self.wanted + error
        share = float(np.mean(self.happened))
        return Goal(f"{self.what}, {self.toy}", 100 * share, 100 * limit, "%", at_least=self.is_coverage)


def run(settings: Settings) -> Result:
    """Run all toys, and judge the worst figure of each kind."""
    n_toys = _QUICK_TOYS if settings.quick else _TOYS
    result = Result(NAME, ("figure", "toys", "wanted %", "found %", "binomial error %"))
    worst: dict[str, Goal] = {}
    for share in (*_rates(n_toys), *_requested(n_toys), *_pairs(n_toys)):
        goal = share.goal
        error = 100 * float(np.sqrt(share.wanted * (1 - share.wanted) / n_toys))
        result.rows.append((goal.what, n_toys, 100 * share.wanted, goal.value, error))
        sign = 1 if share.is_coverage else -1
        if share.what not in worst or sign * (goal.value - goal.limit) < sign * (
            worst[share.what].value - worst[share.what].limit
        ):
            worst[share.what] = goal
    result.goals += list(worst.values())
    return result


def _normal(rng: np.random.Generator, n: int, size: int, correlation: float) -> NDArray[np.float64]:
    common = np.repeat(rng.normal(size=-(-n // size)), size)[:n]
    return np.asarray(np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=n))


def _rates(n_toys: int) -> Iterator[_Share]:
    """Share of intervals of a rate at a fixed threshold that hold the true one."""
    rng = np.random.default_rng(1)
    for size in _SIZES:
        groups = EventGroups(np.arange(_EVENTS) // size)
        for correlation in _CORRELATIONS if size > 1 else (0.0,):
            for rate in _RATES:
                cut = norm.isf(rate)
                toys = [groups.count(_normal(rng, _EVENTS, size, correlation) > cut) for _ in range(n_toys)]
                for level in _LEVELS:
                    held = [own.low <= rate <= own.high for own in (toy.interval(level) for toy in toys)]
                    toy = f"groups of {size}, correlation {correlation:g}, {rate * _EVENTS:g} events pass"
                    yield _Share(f"rate holds at {100 * level:.3g} %", toy, level, held, is_coverage=True)


def _requested(n_toys: int) -> Iterator[_Share]:
    """Share of samples of the same events that are said not to agree with the requested rate."""
    rng = np.random.default_rng(2)
    for size in _SIZES:
        groups = EventGroups(np.arange(_EVENTS) // size)
        for correlation in _CORRELATIONS if size > 1 else (0.0,):
            for rate in _RATES:
                wrong = [_disagrees(rng, groups, size, correlation, rate) for _ in range(n_toys)]
                toy = f"groups of {size}, correlation {correlation:g}, {rate * _EVENTS:g} events pass"
                yield _Share("false `agrees: false`", toy, _FALSE, wrong, is_coverage=False)


def _disagrees(rng: np.random.Generator, groups: EventGroups, size: int, correlation: float, rate: float) -> bool:
    trigger = Trigger.model_validate({"thresholds": [{"false_positive_rate": rate}]})
    choice, here = (
        np.rint(4096 * _normal(rng, n, size, correlation)).astype(np.int64) for n in (_CHOICE_EVENTS, _EVENTS)
    )
    (point,) = choose_thresholds(choice, np.arange(_CHOICE_EVENTS) // size, trigger, TEST_LEVEL)
    counts = (point.passed, groups.count(here > point.code))
    return same_rate(*(own.effective(TEST_LEVEL) for own in counts)) < _FALSE


def _pairs(n_toys: int) -> Iterator[_Share]:
    """Share of pairs of equal models that are told apart, and of intervals that hold the truth."""
    for step in _STEPS:
        for size in _SIZES if step in (0.0, 0.25) else (1,):
            found: dict[tuple[str, float], list[bool]] = defaultdict(list)
            for seed in range(n_toys):
                for key, happened in _of_pair(step, size, seed).items():
                    found[key].append(happened)
            toy = f"steps of {step:g}, groups of {size}"
            for (what, wanted), all_happened in found.items():
                coverage = wanted != _FALSE
                yield _Share(what, toy, wanted, all_happened, coverage)


def _of_pair(step: float, size: int, seed: int) -> dict[tuple[str, float], bool]:
    rng = np.random.default_rng([seed, size, int(1000 * step)])
    exact = {p: _normal(rng, n, size, 0.5) + s for p, n, s in (("b", _BACKGROUND, 0.0), ("s", _SIGNAL, _DISTANCE))}
    noisy = {m: {p: x + _NOISE * rng.normal(size=x.size) for p, x in exact.items()} for m in ("float", "firmware")}
    scores: dict[str, dict[str, NDArray[Any]]] = {
        m: {p: np.rint(x / step) * step if step else x for p, x in own.items()} for m, own in noisy.items()
    }
    groups = {p: np.arange(x.size) // size for p, x in exact.items()}
    drawn = bootstrap(scores, groups, "b", BootstrapSettings(_REPLICAS, seed=seed, fprs=(_FPR,)))
    models = {model: own["s"] for model, own in drawn.items()}
    result = {}
    for level in _LEVELS:
        settings = BootstrapSettings(_REPLICAS, level, seed, (_FPR,))
        single = metrics(models["float"], _BACKGROUND, settings)
        pair = difference(models["firmware"], models["float"], _BACKGROUND, settings)
        true_auc, true_tpr = _truth(step)
        for name, estimates, auc, tpr in (("", single, true_auc, true_tpr), (" difference", pair, 0.0, 0.0)):
            (of_tpr,) = estimates.tpr.values()
            for metric, estimate, true in (("AUC", estimates.auc, auc), ("TPR", of_tpr, tpr)):
                result[f"{metric}{name} holds at {100 * level:.3g} %", level] = _holds(estimate, true)
    (tpr_difference,) = pair.tpr.values()
    for metric, estimate in (("AUC", pair.auc), ("TPR", tpr_difference)):
        result[f"equal {metric} told apart", _FALSE] = _is_rejected(estimate)
    test = area_tests(scores, groups, "b")["s"]["firmware"]
    result["DeLong: equal AUC told apart", _FALSE] = test.p_value < _FALSE
    return result


def _truth(step: float) -> tuple[float, float]:
    """Give area and efficiency of normal scores on a grid: the threshold is the lowest that its rate allows."""
    spread = np.sqrt(1 + _NOISE**2)
    edges = np.arange(-8 + step / 2, 8, step) if step else np.linspace(-8, 8, 60_001)
    background, signal = (norm.sf(edges, shift, spread) for shift in (0.0, _DISTANCE))
    cells = -np.diff(background, prepend=1.0, append=0.0)
    below_edge, above_edge = np.append(1.0, signal), np.append(signal, 0.0)
    area = float(cells @ (below_edge + above_edge) / 2)  # ties count half
    return area, float(signal[background <= _FPR].max())


def _holds(estimate: Estimate, true: float) -> bool:
    return estimate.interval is not None and estimate.interval.low <= true <= estimate.interval.high


def _is_rejected(estimate: Estimate) -> bool:
    if estimate.value is None or estimate.standard_error is None:
        return False
    return two_sided_p_value(estimate.value, estimate.standard_error) < _FALSE
