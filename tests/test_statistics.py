"""Rates and thresholds of scores: brute force, published intervals, and what is refused."""

from __future__ import annotations

import doctest
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from support import NO_SCORES

from fpgaae import statistics
from fpgaae.errors import InputError
from fpgaae.statistics import (
    EventGroups,
    as_scores,
    check_level,
    clopper_pearson,
    holm,
    n_allowed,
    threshold_at_fpr,
)

SIZES = st.integers(1, 60)
TIED_INTEGERS = hnp.arrays(np.int64, SIZES, elements=st.integers(-5, 5))
FLOATS = hnp.arrays(np.float64, SIZES, elements=st.floats(-1e6, 1e6, width=32))


@given(TIED_INTEGERS | FLOATS, st.floats(0, 1, exclude_max=True))
def test_threshold_gives_the_largest_rate_allowed(background: NDArray[Any], fpr: float) -> None:
    threshold = threshold_at_fpr(background, fpr)
    assert threshold in background
    rates = {value: np.mean(background > value) for value in background}
    assert rates[threshold] == max(rate for rate in rates.values() if rate <= fpr)


@pytest.mark.parametrize(
    ("fpr", "threshold", "achieved"),
    [(0.0, 5, 0.0), (0.1, 5, 0.0), (0.2, 4, 0.2), (0.5, 3, 0.4), (0.6, 3, 0.4), (0.8, 1, 0.8)],
)
def test_ties_at_the_threshold_fail(fpr: float, threshold: int, achieved: float) -> None:
    background = np.array([1, 3, 3, 4, 5])
    assert threshold_at_fpr(background, fpr) == threshold
    assert np.mean(background > threshold) == achieved


@pytest.mark.parametrize(
    ("n_events", "fpr", "expected"), [(100, 0.29, 29), (76_000, 1e-3, 76), (99, 1e-2, 0), (10, 0.3, 3), (3, 0.999, 2)]
)
def test_allowed_events_are_not_lost_in_rounding(n_events: int, fpr: float, expected: int) -> None:
    assert n_allowed(n_events, fpr) == expected


@given(st.integers(1, 3_000_000), st.floats(0, 1, exclude_max=True))
def test_allowed_events_are_the_largest_number(n_events: int, fpr: float) -> None:
    allowed = n_allowed(n_events, fpr)
    assert allowed / n_events <= fpr < (allowed + 1) / n_events


@pytest.mark.parametrize(
    ("n_passed", "n_total", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_of_newcombe_1998(n_passed: int, n_total: int, low: float, high: float) -> None:
    # R. G. Newcombe, Statist. Med. 17 (1998) 857, table I, method 5, 95 %
    interval = clopper_pearson(n_passed, n_total, 0.95)
    assert interval == pytest.approx((n_passed / n_total, low, high), abs=5e-5)


def test_clopper_pearson_at_the_ends() -> None:
    # worked by hand: no event of n passes with probability (1 - p)^n = (1 - level) / 2
    assert clopper_pearson(0, 10, 0.9).high == pytest.approx(1 - 0.05 ** (1 / 10))
    assert clopper_pearson(10, 10, 0.9) == pytest.approx((1.0, 0.05 ** (1 / 10), 1.0))


@pytest.mark.parametrize("fpr", [-0.1, 1.0, float("nan")])
def test_rates_outside_the_range_are_refused(fpr: float) -> None:
    with pytest.raises(InputError, match="false positive rate"):
        threshold_at_fpr(np.arange(3), fpr)


@pytest.mark.parametrize(("n_passed", "n_total", "level"), [(3, 2, 0.9), (0, 0, 0.9), (1, 2, 1.0)])
def test_efficiencies_that_are_none_are_refused(n_passed: int, n_total: int, level: float) -> None:
    with pytest.raises(InputError):
        clopper_pearson(n_passed, n_total, level)


@pytest.mark.parametrize("level", [0.5, 0.6827, 0.95])
def test_clopper_pearson_covers_at_least_its_level_for_every_rate(level: float) -> None:
    """The coverage is the exact sum of the binomial probabilities of the counts whose interval holds the rate."""
    n = 40
    intervals = [clopper_pearson(k, n, level) for k in range(n + 1)]
    for rate in np.linspace(0.002, 0.998, 120):
        held = [interval.low <= rate <= interval.high for interval in intervals]
        assert sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1) if held[k]) >= level - 1e-12


@given(st.integers(1, 300), st.data(), st.sampled_from([0.5, 0.6827, 0.95]))
def test_events_that_are_groups_of_their_own_have_the_binomial_interval(
    n: int, data: st.DataObject, level: float
) -> None:
    k = data.draw(st.integers(0, n))
    found = EventGroups(np.random.default_rng(n).permutation(n) - 7).count(np.arange(n) < k)
    assert found == (k, n, None, None)
    assert found.interval(level) == clopper_pearson(k, n, level)
    assert found.effective(level) == (k, n)


@pytest.mark.parametrize("level", [0.6827, 0.95])
@pytest.mark.parametrize("n_passing", [0, 1, 7, 40])
def test_copies_of_an_event_say_as_much_as_one(n_passing: int, level: float) -> None:
    """Fifty groups of six events that pass or fail together: the interval is that of fifty events."""
    groups = EventGroups(np.repeat(np.arange(50), 6))
    found = groups.count(np.repeat(np.arange(50) < n_passing, 6))
    assert found.design_effect(level) == pytest.approx(6, rel=1e-12)
    assert found.interval(level) == pytest.approx(clopper_pearson(n_passing, 50, level), rel=1e-9)


def test_the_spread_over_groups_worked_by_hand() -> None:
    """Groups of 2, 2 and 1 events, of which 2, 0 and 1 pass: k - p m with p = 3/5 is 0.8, -1.2 and 0.4."""
    groups = EventGroups(np.array([5, 9, 9, 5, -1]))
    found = groups.count(np.array([True, False, False, True, True]))
    assert found == groups.count(np.array([4, 0, 3]))
    assert found.spread == pytest.approx((3, 2.24, 0.8**4 + 1.2**4 + 0.4**4, 9 / 5))
    # (2.24 + 0.9) / (5 * 0.6 * 0.4 + 0.5), already above the mean size of the group that an event lies in
    assert found.design_effect(0.95) == pytest.approx(3.14 / 1.7)
    assert found.effective(0.95) == pytest.approx((3 * 1.7 / 3.14, 5 * 1.7 / 3.14))


def test_an_estimate_from_few_groups_is_paid_for() -> None:
    """12 groups of 50, of which 0, 10, .. 0, 10 pass: S = 12 * 25, p = 0.1, nu = min(2 S^2 / F, 11) = 11."""
    groups = EventGroups(np.repeat(np.arange(12), 50))
    passing = np.concatenate([np.arange(50) < 10 * (i % 2) for i in range(12)])
    plain = (300 + 25) / (54 + 0.5)
    student_over_normal = 2.200985 / 1.959964  # at 97.5 % and 11 degrees of freedom
    expected = 1 + (plain - 1) * student_over_normal**2 * 12 / 11
    assert groups.count(passing).design_effect(0.95) == pytest.approx(expected, rel=1e-6)


def test_one_group_says_as_much_as_one_event() -> None:
    found = EventGroups(np.zeros(30, dtype=np.int64)).count(np.arange(30) < 12)
    assert found.interval(0.95).value == 0.4
    assert found.design_effect(0.95) == pytest.approx(30)


def test_the_error_of_a_mean_counts_groups() -> None:
    values = np.array([1.0, 1.0, 4.0, 4.0, 7.0, 7.0])
    assert EventGroups(np.arange(6)).error_of_mean(values) == values.std(ddof=1) / np.sqrt(6)
    once = EventGroups(np.arange(3)).error_of_mean(values[::2])
    assert EventGroups(np.arange(6) // 2).error_of_mean(values) == pytest.approx(once)
    assert EventGroups(np.zeros(6)).error_of_mean(values) is None


def test_scores_keep_their_values() -> None:
    assert as_scores(np.array([3, 1], dtype=np.int16), "a").dtype == np.int64
    assert as_scores(np.array([3, 1], dtype=np.float32), "a").dtype == np.float64
    huge = np.array([2**62 + 1])
    np.testing.assert_array_equal(as_scores(huge, "a"), huge)


@pytest.mark.parametrize(("scores", "message"), NO_SCORES)
def test_scores_without_a_threshold_are_refused(scores: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=f"background scores.*{message}"):
        threshold_at_fpr(scores, 0.1)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_level_outside_its_range_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="confidence level"):
        check_level(level)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.01, 0.03, 0.04], [0.04, 0.04, 0.06, 0.06]),  # worked by hand: 4 p, 3 p, 2 p, p, then never falling
        ([0.04, 0.01, 0.03, 0.005], [0.06, 0.03, 0.06, 0.02]),  # the same in another order: 4 p, 3 p, 2 p, p
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
    ids=["ties", "any-order", "at-most-one", "one-test", "none"],
)
def test_holm_worked_by_hand(p_values: list[float], adjusted: list[float]) -> None:
    np.testing.assert_allclose(holm(p_values), adjusted, atol=1e-15)


def test_holm_keeps_the_rate_of_a_first_false_rejection() -> None:
    """Of families of ten true hypotheses at most 5 % have a rejection at 5 %; without correction 40 % have one."""
    rng = np.random.default_rng(0)
    families = rng.uniform(size=(2000, 10))
    wrong = np.mean([holm(family).min() < 0.05 for family in families])
    assert 0.035 < wrong < 0.065  # 1 - 0.995^10 = 4.9 %, and three binomial errors
    assert np.mean(families.min(axis=1) < 0.05) > 0.35


@pytest.mark.parametrize("wrong", [[-0.1], [1.1], [float("nan")], [[0.1]]])
def test_what_is_no_p_value_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(InputError, match="p-values"):
        holm(wrong)


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(statistics) == doctest.TestResults(failed=0, attempted=3)
