"""Weights of events in areas, efficiencies, thresholds and rates: an event of weight 3 is as three of its group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from results import NO_RATES, threshold

from fpgaae.config.experiment import Threshold, Trigger
from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings, bootstrap
from fpgaae.evaluation.comparison import area_tests, compare, effective_number
from fpgaae.evaluation.cuts import Followed, cuts
from fpgaae.evaluation.decisions import decisions
from fpgaae.evaluation.flatness import flatness
from fpgaae.evaluation.group_scores import evaluate_groups
from fpgaae.evaluation.metrics import auc, partial_auc, roc_curve
from fpgaae.evaluation.rates import RateSettings, rate_curve, rates_by_column
from fpgaae.evaluation.review.turn_ons import improvements, turn_on
from fpgaae.fixedpoint import parse_type
from fpgaae.hls.working_points import choose_thresholds
from fpgaae.runs.record import plain
from fpgaae.statistics import EventGroups, clopper_pearson, threshold_at_fpr

SETTINGS = BootstrapSettings(n_replicas=20, fprs=(0.3, 0.1))
TRIGGER = Trigger(
    bunch_crossing_rate_khz=1000, thresholds=(Threshold(false_positive_rate=0.3), Threshold(false_positive_rate=0.1))
)
MODELS = ("float", "quantized", "firmware")
SIZES = {"background": 300, "signal": 80}


class Sample:
    """Scores of three models, groups and whole weights of 0 to 3, and the same with every event repeated as often."""

    def __init__(self, seed: int, *, tied: bool) -> None:
        rng = np.random.default_rng(seed)
        self.groups = {name: rng.integers(0, n // 3, n) for name, n in SIZES.items()}
        self.weights = {name: rng.integers(0, 4, n).astype(np.float64) for name, n in SIZES.items()}
        self.scores: dict[str, dict[str, NDArray[Any]]] = {}
        for model in MODELS:
            found = {name: rng.normal(name == "signal", 1, n) for name, n in SIZES.items()}
            self.scores[model] = {n: np.rint(3 * v).astype(np.int64) if tied else v for n, v in found.items()}

    def repeated(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: np.repeat(own, self.weights[name].astype(np.int64)) for name, own in values.items()}

    def repeated_scores(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {model: self.repeated(own) for model, own in self.scores.items()}


@pytest.mark.parametrize("tied", [False, True], ids=["continuous", "tied"])
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_whole_weights_are_repetitions(tied: bool, seed: int) -> None:
    sample = Sample(seed, tied=tied)
    once, weights = sample.scores["firmware"], sample.weights
    copied = sample.repeated(once)
    w = weights["background"], weights["signal"]
    assert auc(once["background"], once["signal"], *w) == pytest.approx(auc(copied["background"], copied["signal"]))
    partial = partial_auc(once["background"], once["signal"], 0.2, *w)
    assert partial == pytest.approx(partial_auc(copied["background"], copied["signal"], 0.2))
    for fpr in SETTINGS.fprs:
        assert threshold_at_fpr(once["background"], fpr, w[0]) == threshold_at_fpr(copied["background"], fpr)
    of_weights = bootstrap(sample.scores, sample.groups, "background", SETTINGS, weights)
    of_copies = bootstrap(sample.repeated_scores(), sample.repeated(sample.groups), "background", SETTINGS)
    for model in MODELS:
        own, other = of_weights[model]["signal"], of_copies[model]["signal"]
        assert own.nominal.auc == pytest.approx(other.nominal.auc, rel=1e-9)
        assert own.nominal.tpr == pytest.approx(other.nominal.tpr, rel=1e-9)
        assert own.auc == pytest.approx(other.auc, rel=1e-9)  # in every replica
        assert own.tpr == pytest.approx(other.tpr, rel=1e-9)
    tests = area_tests(sample.scores, sample.groups, "background", weights)["signal"]["firmware"]
    copies = area_tests(sample.repeated_scores(), sample.repeated(sample.groups), "background")["signal"]["firmware"]
    assert tests.difference == pytest.approx(copies.difference, rel=1e-9, abs=1e-12)
    groups = evaluate_groups(sample.scores, sample.groups, "background", 0.2, SETTINGS, weights)
    assert groups.groups["signal"] == len(np.unique(sample.groups["signal"][weights["signal"] > 0]))


def _everything(sample: Sample, weights: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Give all that is made of scores, but how many events some are worth."""
    columns = {name: {"run": np.arange(n) // 100.0, "existing_trigger": np.arange(n) % 3.0}
               for name, n in SIZES.items()}  # fmt: skip
    columns = {name: own | ({"weight": weights[name]} if weights else {}) for name, own in columns.items()}
    groups = {name: EventGroups(labels, weights.get(name)) for name, labels in sample.groups.items()}
    of_rates = RateSettings("background", TRIGGER, 0.68)
    background, signal = (sample.scores["firmware"][name] for name in SIZES)
    points = choose_thresholds(background, sample.groups["background"], TRIGGER, 0.68, weights.get("background"))
    chosen = [point.entry(parse_type("ap_ufixed<16,8>"), TRIGGER) for point in points]
    flags = [background > point.code for point in chosen]
    of_scores = {model: {n: v.astype(np.float64) for n, v in own.items()} for model, own in sample.scores.items()}
    w, v = weights.get("background"), weights.get("signal")
    accepted = {name: [{"float": v > 3}] for name, v in sample.scores["float"].items()}
    found = {
        "compare": compare(sample.scores, sample.groups, "background", SETTINGS, weights=weights).models,
        "delong": area_tests(sample.scores, sample.groups, "background", weights),
        "rates": replace(rate_curve(sample.scores["firmware"], groups, columns, of_rates), effective_passed=None),
        "runs": rates_by_column(flags, sample.groups["background"], columns["background"], of_rates),
        "decisions": decisions(of_scores, groups, "background", cuts(chosen), TRIGGER, 0.68),
        "groups": evaluate_groups(sample.scores, sample.groups, "background", 0.2, SETTINGS, weights),
        "turn_on": turn_on(sample.scores["float"], sample.groups, accepted, "", 0.68, weights),
        "curve": [own.tolist() for own in roc_curve(background, signal, background_weights=w, signal_weights=v)],
        "points": [(point.code, point.rate, point.passed.effective(0.95)) for point in points],
    }  # fmt: skip
    return {name: plain(own) for name, own in found.items()}


def _close(one: Any, other: Any) -> bool:  # noqa: ANN401
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_close(own, other[key]) for key, own in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_close, one, other))
    return bool(one == pytest.approx(other, rel=1e-4, abs=1e-9)) if isinstance(one, float | int) else one == other


@pytest.mark.parametrize("weight", [1.0, 0.3], ids=["1", "0.3"])
def test_equal_weights_change_nothing(weight: float) -> None:
    sample = Sample(5, tied=True)
    found, without = (
        _everything(sample, {n: np.full(size, weight) for n, size in SIZES.items()}),
        _everything(sample, {}),
    )
    for name, own in without.items():
        assert _close(own, found[name]), name


def test_weights_change_everything() -> None:
    sample = Sample(5, tied=True)
    found, without = _everything(sample, sample.weights), _everything(sample, {})
    assert [name for name, own in without.items() if _close(own, found[name])] == []


def test_the_effective_number_is_that_of_kish() -> None:
    groups = EventGroups(np.arange(4), np.array([1.0, 1.0, 2.0, 0.0]))
    assert groups.effective_events == pytest.approx(16 / 6)  # by hand: (1 + 1 + 2)^2 / (1 + 1 + 4)
    passed = groups.count(np.array([False, False, True, True]))
    assert (passed.passed, passed.events) == (2, 4)
    assert passed.share == pytest.approx(0.5)  # 2 of 4
    assert passed.interval(0.9).value == pytest.approx(0.5)
    assert groups.count(np.ones(4, dtype=np.bool_)).interval(0.9).high == 1
    none = groups.count(np.zeros(4, dtype=np.bool_))
    assert none.interval(0.9) == pytest.approx(clopper_pearson(0, 16 / 6, 0.9))


def test_the_interval_of_a_weighted_share_covers_it() -> None:
    """Heavy events pass more often, so that the effective number of all would be too large for those that pass."""
    rng, hits, n_toys = np.random.default_rng(3), 0, 600
    for _ in range(n_toys):
        heavy = rng.random(1000) < 0.2
        weights = np.where(heavy, 8.0, 1.0)
        passes = rng.random(1000) < np.where(heavy, 0.1, 0.02)
        interval = EventGroups(np.arange(1000), weights).count(passes).interval(0.6827)
        true = (0.2 * 8 * 0.1 + 0.8 * 0.02) / (0.2 * 8 + 0.8)
        hits += interval.low <= true <= interval.high
    assert hits / n_toys > 0.6827 - 2 * np.sqrt(0.6827 * 0.3173 / n_toys)
    assert hits / n_toys < 0.85


def test_few_heavy_events_above_a_threshold_measure_no_efficiency() -> None:
    weights = np.ones(1000)
    weights[990] = 100.0  # of 10 events above the threshold the most weight is that of one
    scores = {"float": {"background": np.arange(1000.0), "signal": np.arange(1000.0)}}
    groups = {name: np.arange(1000) for name in SIZES}
    settings = BootstrapSettings(n_replicas=20, fprs=(0.1,))
    (estimate,) = (
        compare(scores, groups, "background", settings, weights={"background": weights})
        .models["float"]["signal"]
        .tpr.values()
    )
    assert estimate.value is None
    assert "not measurable: 1 of 109 background events pass" in str(estimate.note)


@pytest.mark.parametrize("weight", [0.0, 1e-9], ids=["0", "1e-9"])
def test_events_without_weight_above_all_others_are_no_rate_to_divide_by(weight: float) -> None:
    weights = np.append(np.ones(1000), np.full(6, weight))
    scores = {"background": np.arange(1006.0), "signal": np.arange(900.0, 1000.0)}
    groups = {"background": EventGroups(np.arange(1006), weights), "signal": EventGroups(np.arange(100))}
    curve = rate_curve(scores, groups, {}, RateSettings("background", TRIGGER, 0.68))
    assert curve.effective_passed is not None
    assert dict(zip(curve.background_passed, curve.effective_passed, strict=True))[13] == 7, "7 of weight 1"
    rates = replace(NO_RATES, models={"float": curve}, bunch_crossing_rate_khz=TRIGGER.bunch_crossing_rate_khz)
    found = improvements(rates)["signal"]["float"]
    assert min(found.background_passed) == 11, "five of weight 1 and the six"
    assert max(found.high) < 100


def test_bins_of_a_sum_take_no_events_without_weight() -> None:
    weights = np.repeat([1.0, 0.0], [500, 100])  # those of the largest sums have none
    sums, scores = np.arange(600), {"background": np.arange(600.0) % 50}
    (cut,) = cuts([replace(threshold(code=39, value=39.0), codes_of_cells=(39,))])
    followed = Followed({"background": np.zeros(600, dtype=np.int64)}, (("sum", sums),))
    groups = {"background": EventGroups(np.arange(600), weights)}
    (of,) = flatness(cut._replace(cells=followed.cells), scores, groups, "background", followed, 0.68).sums
    assert [(own.high, own.events, own.passed) for own in of.bins] == [(99 + 100 * i, 100, 20) for i in range(5)]
    assert of.departure == pytest.approx(0)


@pytest.mark.parametrize(("weight", "n"), [(0.1, 10), (0.3, 3), (0.7, 19_999)])
def test_equal_weights_are_worth_a_whole_number_of_events(weight: float, n: int) -> None:
    assert effective_number({"background": np.arange(n)}, {"background": np.full(n, weight)}, "background") == n


def test_events_that_all_have_no_weight_are_refused() -> None:
    nothing = np.zeros(300)
    sample = Sample(1, tied=False)
    with pytest.raises(InputError, match="weights of all 300 events are 0"):
        choose_thresholds(np.arange(300), np.arange(300), TRIGGER, 0.68, nothing)
    with pytest.raises(InputError, match="weights of all 300 events of `background` are 0"):
        compare(sample.scores, sample.groups, "background", SETTINGS, weights={"background": nothing})
