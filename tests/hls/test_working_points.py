"""Thresholds on the grid of the integer score: brute force, ties, rates in kHz, and what independent events give."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fpgaae.config.experiment import Threshold, Trigger
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.hls.working_points import WorkingPoint, choose_thresholds, kept_crossings, rate_khz
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult, SeenEvents
from fpgaae.statistics import clopper_pearson

SCORE = FixedPointType(12, 8, signed=False)
LEVEL = 0.6827
RATES = st.floats(1e-6, 0.999)
SCORES = hnp.arrays(np.int64, st.integers(1, 200), elements=st.integers(0, 12) | st.integers(0, 4095))


def _trigger(*rates: float) -> Trigger:
    return Trigger(thresholds=tuple(Threshold(false_positive_rate=rate) for rate in rates))


def _choose(background: Codes, rate: float) -> WorkingPoint:
    (point,) = choose_thresholds(background, np.arange(len(background)), _trigger(rate), LEVEL)
    return point


@given(SCORES, RATES)
@settings(deadline=None)
def test_a_threshold_is_the_smallest_code_that_keeps_the_rate(background: Codes, rate: float) -> None:
    point = _choose(background, rate)
    wanted = next(code for code in range(4096) if np.mean(background > code) <= rate)
    assert (background > point.code).sum() == (background > wanted).sum() == point.n_passed
    if np.mean(background > point.code - 1) > rate:
        assert point.code == wanted
    else:
        assert wanted == 0, "no event lies below: every smaller threshold would pass them as well"
    assert point.n_events == len(background)
    assert point.n_at == (background == point.code).sum() > 0


@given(SCORES, st.lists(RATES, min_size=1, max_size=8))
@settings(deadline=None)
def test_several_thresholds_are_each_alone_and_in_the_order_of_the_config(
    background: Codes, rates: list[float]
) -> None:
    points = choose_thresholds(background, np.arange(len(background)), _trigger(*rates), LEVEL)
    assert [point.requested for point in points] == rates
    assert list(points) == [_choose(background, rate) for rate in rates]


def test_the_order_of_the_events_does_not_matter() -> None:
    background = np.random.default_rng(1).integers(0, 50, 1000)
    assert _choose(background, 0.03) == _choose(background[::-1], 0.03) == _choose(np.sort(background), 0.03)


def test_ties_all_fail_and_lower_the_rate() -> None:
    """10 of 100 events may pass; 4 have the code 9 and 10 the code 8, so that a threshold of 8 lets 4 pass."""
    background = np.concatenate([np.full(86, 3), np.full(10, 8), np.full(4, 9)])
    point = _choose(background, 0.1)
    assert (point.code, point.n_passed, point.n_at) == (8, 4, 10)
    assert point.rate.value == 0.04
    assert point.rate == clopper_pearson(4, 100, LEVEL)


@pytest.mark.parametrize("saturated", [1, 5, 50])
def test_a_saturated_score_lets_no_event_of_the_last_code_pass(saturated: int) -> None:
    background = np.concatenate([np.arange(100), np.full(saturated, SCORE.max_code)])
    point = _choose(background, 1e-3)
    assert (point.code, point.n_passed, point.n_at) == (SCORE.max_code, 0, saturated)
    assert point.rate.low == 0 < point.rate.high


def test_one_event_sets_a_threshold() -> None:
    point = _choose(np.array([7]), 0.5)
    assert (point.code, point.n_passed, point.n_at, point.n_events) == (7, 0, 1, 1)


def test_a_threshold_as_the_result_file_states_it() -> None:
    trigger = Trigger(bunch_crossing_rate_khz=40_000, thresholds=(Threshold(rate_khz=2_000),))
    (point,) = choose_thresholds(np.arange(200), np.arange(200), trigger, 0.9)
    entry = as_json(point.entry(SCORE, trigger))
    interval = clopper_pearson(10, 200, 0.9)
    assert entry.pop("false_positive_rate") == interval._asdict()
    assert entry.pop("rate_khz") == {"value": 2_000.0, "low": 40_000 * interval.low, "high": 40_000 * interval.high}
    assert entry == {
        "code": 189, "fraction": 4, "value": 189 / 16, "requested_false_positive_rate": 0.05,
        "requested_rate_khz": 2_000.0, "events": 200, "events_passed": 10, "events_at_threshold": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "rate", "says"),
    [
        (10_000, 1e-3, None),
        (9_999, 1e-3, "fewer than 10 of 9,999 events are expected above it"),
        (9_900, 1e-3, "9.9 of 9,900 events are expected above it"),
        (100, 1e-3, "it is the largest score that was seen, and 0.1 of 100 events are expected above it"),
    ],
)
def test_a_threshold_of_few_events_is_in_doubt(events: int, rate: float, says: str | None) -> None:
    trigger = Trigger.model_validate({"thresholds": [{"false_positive_rate": rate}]})
    (point,) = choose_thresholds(np.arange(events), np.arange(events), trigger, 0.9)
    doubt = point.entry(SCORE, trigger).doubt
    assert doubt is None if says is None else doubt is not None and doubt.startswith(says)


def test_events_that_share_groups_support_a_threshold_less() -> None:
    trigger = Trigger.model_validate({"thresholds": [{"false_positive_rate": 0.05}]})
    (alone,), (grouped,) = (
        choose_thresholds(np.arange(800), labels, trigger, 0.9) for labels in (np.arange(800), np.arange(800) // 8)
    )
    assert alone.entry(SCORE, trigger).doubt is None
    assert "are expected above it" in str(grouped.entry(SCORE, trigger).doubt)


def test_a_largest_score_that_many_events_have_is_in_doubt() -> None:
    trigger = Trigger.model_validate({"thresholds": [{"false_positive_rate": 0.05}]})
    (point,) = choose_thresholds(np.minimum(np.arange(1000), 900), np.arange(1000), trigger, 0.9)
    said = "it is the largest score that was seen, which so many events have that none passes; ask for a rate above"
    assert str(point.entry(SCORE, trigger).doubt).startswith(said)


@pytest.mark.parametrize("weight", [0.1, 1 / 3])
def test_equal_weights_put_no_threshold_in_doubt(weight: float) -> None:
    trigger = Trigger.model_validate({"thresholds": [{"false_positive_rate": 0.01}]})
    (point,) = choose_thresholds(np.arange(1000), np.arange(1000), trigger, 0.9, np.full(1000, weight))
    assert point.entry(SCORE, trigger).doubt is None


def test_a_threshold_chosen_on_groups_states_how_many_events_count() -> None:
    """Every event four times: the interval is that of the events once, and so is the number of effective events."""
    trigger = Trigger(bunch_crossing_rate_khz=40_000, thresholds=(Threshold(rate_khz=2_000),))
    (point,) = choose_thresholds(np.repeat(np.arange(200), 4), np.repeat(np.arange(200), 4), trigger, 0.9)
    entry = as_json(point.entry(SCORE, trigger))
    assert (entry["events"], entry["events_passed"]) == (800, 40)
    assert entry["effective_events"] == pytest.approx(200)
    assert entry["false_positive_rate"] == pytest.approx(clopper_pearson(10, 200, 0.9)._asdict())


def test_a_rate_in_khz_is_the_share_times_the_crossings_with_both_ends() -> None:
    rate = clopper_pearson(3, 1000)
    found = rate_khz(rate, Trigger(bunch_crossing_rate_khz=28_608.8))
    assert found == tuple(share * 28_608.8 for share in rate)
    assert found.value == pytest.approx(85.8264)


@pytest.mark.parametrize("rate", [0.005, 0.05, 0.3])
def test_intervals_cover_the_true_rate_of_the_threshold_in_68_percent_of_toys(rate: float) -> None:
    """Toys at a fixed threshold, whose true rate is known; Clopper and Pearson never cover less than the level."""
    rng = np.random.default_rng(4)
    n_events, n_toys = 2000, 3000
    passed = rng.binomial(n_events, rate, n_toys)
    points = {k: WorkingPoint(rate, 0, n_events, k, 1, LEVEL).rate for k in set(passed.tolist())}
    covered = np.mean([points[k].low <= rate <= points[k].high for k in passed.tolist()])
    spread = (LEVEL * (1 - LEVEL) / n_toys) ** 0.5
    assert covered > LEVEL - 4 * spread
    assert covered < LEVEL + 0.12, "nor far more"


def test_independent_events_pass_at_the_requested_rate() -> None:
    """The threshold is an order statistic: on new events the mean rate is (k + 1) / (n + 1) for k allowed of n."""
    rng = np.random.default_rng(5)
    n_events, rate, achieved = 2_000, 0.01, []
    for _ in range(300):
        point = _choose(rng.integers(0, 2**40, n_events), rate)
        assert point.rate.value == rate, "without ties, the rate on the same events is the one that was asked for"
        achieved.append(1 - (point.code + 1) / 2**40)
    expected = (20 + 1) / (n_events + 1)
    spread = (expected * (1 - expected) / n_events / len(achieved)) ** 0.5
    assert abs(np.mean(achieved) - expected) < 5 * spread
    assert np.mean(achieved) == pytest.approx(rate, rel=0.1)


def test_the_interval_of_another_split_holds_the_requested_rate_as_often_as_two_binomials_allow() -> None:
    """Choose on one half, count on the other: both halves fluctuate, so that the sigmas add in quadrature."""
    rng = np.random.default_rng(6)
    n_events, rate = 3_000, 0.02
    pulls = []
    for _ in range(300):
        chosen, checked = rng.exponential(1000, (2, n_events)).astype(np.int64) * 1000 + rng.integers(
            0, 1000, (2, n_events)
        )
        passed = int((checked > _choose(chosen, rate).code).sum())
        pulls.append((passed / n_events - rate) / (2 * rate * (1 - rate) / n_events) ** 0.5)
    assert abs(np.mean(pulls)) < 0.25
    assert 0.85 < np.std(pulls) < 1.15


def test_the_coverage_of_the_interval_is_the_exact_binomial_sum() -> None:
    n, rate = 50, 0.1
    held = [k for k in range(n + 1) if WorkingPoint(rate, 0, n, k, 1, LEVEL).rate.low <= rate]
    held = [k for k in held if WorkingPoint(rate, 0, n, k, 1, LEVEL).rate.high >= rate]
    assert sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in held) >= LEVEL


def _data(read: int, **dropped: int) -> DataResult:
    seen = SeenEvents(events_read=read, dropped=dropped, empty_events=0, objects={}, largest_pt={})
    return DataResult(events={}, feature_types=(), files={}, seen={"background": seen})


def test_events_that_were_left_out_are_bunch_crossings_all_the_same() -> None:
    trigger = Trigger(bunch_crossing_rate_khz=1000, thresholds=(Threshold(rate_khz=100), Threshold(rate_khz=300)))
    background = np.arange(800)  # of 1,000 events within `where`, 200 were empty or saturated
    crossings = kept_crossings(trigger, _data(1500, where=500, empty=150, saturated=50), "background")
    points = choose_thresholds(background, background, crossings, LEVEL)
    assert [point.n_passed for point in points] == [100, 300], "100 and 300 of 1,000 crossings in a millisecond"
    entries = [point.entry(SCORE, crossings) for point in points]
    assert [entry.rate_khz.value for entry in entries] == pytest.approx([100, 300])
    assert [entry.requested_rate_khz for entry in entries] == pytest.approx([100, 300])
    untouched = DataResult(events={}, feature_types=(), files={})
    for data in (_data(1500, where=700, empty=0, saturated=0), untouched):
        assert kept_crossings(trigger, data, "background") is trigger


def test_a_rate_that_the_kept_crossings_do_not_have_is_refused() -> None:
    trigger = Trigger(bunch_crossing_rate_khz=1000, thresholds=(Threshold(rate_khz=600),))
    with pytest.raises(InputError, match=r"600 kHz is not below 500 kHz, which is left .* 50\.00% of the background's"):
        kept_crossings(trigger, _data(10, empty=5), "background")
