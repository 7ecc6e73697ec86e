from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import (
    BootstrapSettings,
    GroupResampler,
    bootstrap,
    error_of_test,
    percentile_interval,
)
from fpgaae.evaluation.metrics import auc
from fpgaae.evaluation.ranks import RankedBackground, RankedSignal
from fpgaae.statistics import threshold_at_fpr

FPRS = (0.5, 0.1, 0.01)


def sample(rng: np.random.Generator, n_events: int, shift: float, *, tied: bool) -> NDArray[Any]:
    scores = rng.normal(shift, 1, n_events)
    return np.rint(2 * scores).astype(np.int64) if tied else scores


@pytest.mark.parametrize("tied", [False, True], ids=["continuous", "tied"])
@given(seed=st.integers(0, 10_000))
def test_a_replica_equals_brute_force_on_the_repeated_sample(tied: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    background, signal = sample(rng, 120, 0, tied=tied), sample(rng, 40, 1, tied=tied)
    group_background, group_signal = rng.integers(0, 30, 120).astype(np.int32), np.arange(40, dtype=np.int32)
    counts_background, counts_signal = rng.poisson(1, 30).astype(np.int32), rng.poisson(1, 40).astype(np.int32)
    counts_signal[0] = counts_background[group_background[0]] = 2  # neither sample is empty

    ranked = RankedBackground(background, group_background, FPRS)
    replica = ranked.replica(counts_background)
    metrics = RankedSignal(signal, group_signal, ranked).replica(counts_signal, replica)

    repeated_background = np.repeat(background, counts_background[group_background])
    repeated_signal = np.repeat(signal, counts_signal[group_signal])
    assert metrics.auc == auc(repeated_background, repeated_signal)
    for i, fpr in enumerate(FPRS):
        threshold = threshold_at_fpr(repeated_background, fpr)
        assert metrics.background_above[i] == np.count_nonzero(repeated_background > threshold)
        assert metrics.events_above[i] == np.count_nonzero(repeated_signal > threshold)
        assert metrics.tpr[i] == np.mean(repeated_signal > threshold)


def test_groups_are_drawn_whole_and_as_often_as_there_are_groups() -> None:
    resampler = GroupResampler(np.array([70, -3, 70, 5]), "background", seed=3)
    counts = [resampler.draw() for _ in range(2000)]
    assert resampler.index.tolist() == [2, 0, 2, 1]
    assert all(drawn.sum() == 3 for drawn in counts)
    # worked by hand: a count is binomial(3, 1/3), of mean 1 and variance 2/3
    assert np.mean(counts, axis=0) == pytest.approx([1, 1, 1], abs=0.08)
    assert np.var(counts, axis=0) == pytest.approx([2 / 3] * 3, abs=0.08)


def toy(rng: np.random.Generator, n_groups: int, per_group: int) -> NDArray[np.float64]:
    return np.repeat(rng.normal(size=n_groups), per_group)


def width(groups: dict[str, NDArray[np.int64]], scores: dict[str, NDArray[np.float64]]) -> float:
    settings = BootstrapSettings(n_replicas=400, fprs=(0.1,))
    replicas = bootstrap({"float": scores}, groups, "background", settings)["float"]["signal"]
    interval = percentile_interval(replicas.nominal.auc, replicas.auc, settings.confidence_level)
    return interval.high - interval.low


def test_groups_of_identical_events_widen_the_interval() -> None:
    # nine copies of one event carry the information of one: the interval is sqrt(9) = 3 times as wide
    rng = np.random.default_rng(4)
    scores = {"background": toy(rng, 200, 9), "signal": toy(rng, 200, 9) + 1}
    own = {name: np.arange(1800) for name in scores}
    shared = {name: np.arange(1800) // 9 for name in scores}
    assert width(shared, scores) / width(own, scores) == pytest.approx(3, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["auc", "tpr"])
def test_intervals_cover_the_truth(metric: str) -> None:
    rng = np.random.default_rng(5)
    settings = BootstrapSettings(n_replicas=100, fprs=(0.2,))
    groups = {"background": np.arange(900) // 3, "signal": np.arange(300) // 3}
    # scores are uniform, hence the truth by hand: signal u^(1/2) has P(s > b) = 2/3, and P(s > 0.8) = 1 - 0.64
    truth = {"auc": 2 / 3, "tpr": 0.36}[metric]
    n_covered, n_toys = 0, 120
    for _ in range(n_toys):
        scores = {"background": np.repeat(rng.random(300), 3), "signal": np.repeat(np.sqrt(rng.random(100)), 3)}
        replicas = bootstrap({"float": scores}, groups, "background", settings)["float"]["signal"]
        values, drawn = {
            "auc": (replicas.nominal.auc, replicas.auc),
            "tpr": (replicas.nominal.tpr[0], replicas.tpr[:, 0]),
        }[metric]
        interval = percentile_interval(values, drawn, settings.confidence_level)
        n_covered += interval.low <= truth <= interval.high
    # binomial spread of 120 toys: 0.042
    assert n_covered / n_toys == pytest.approx(settings.confidence_level, abs=0.11)


def test_models_share_their_replicas() -> None:
    rng = np.random.default_rng(6)
    groups = {"background": np.arange(500), "signal": np.arange(300)}
    scores = {"background": rng.normal(size=500), "signal": rng.normal(1, 1, 300)}
    raised = {name: np.exp(values) for name, values in scores.items()}
    result = bootstrap({"float": scores, "firmware": raised}, groups, "background", BootstrapSettings(n_replicas=20))
    assert np.array_equal(result["float"]["signal"].auc, result["firmware"]["signal"].auc)
    assert np.array_equal(result["float"]["signal"].tpr, result["firmware"]["signal"].tpr)
    assert np.ptp(result["float"]["signal"].auc) > 0


def test_another_signal_changes_no_replica() -> None:
    rng = np.random.default_rng(7)
    scores = {name: rng.normal(size=200) for name in ("background", "a", "b")}
    groups = {name: np.arange(200) for name in scores}
    settings = BootstrapSettings(n_replicas=10)
    both = bootstrap({"float": scores}, groups, "background", settings)
    one = bootstrap({"float": scores}, {name: groups[name] for name in ("b", "background")}, "background", settings)
    assert np.array_equal(both["float"]["b"].auc, one["float"]["b"].auc)


def test_a_test_of_tied_differences_rejects_where_their_interval_does_not_reach_zero() -> None:
    replicas = np.linspace(-1, 3, 401)[1:-1]  # 2.5 and 97.5 % of which lie at -0.9 and 2.9
    assert error_of_test(1.0, replicas, tied=False) == replicas.std(ddof=1)
    assert error_of_test(1.0, replicas, tied=True) == pytest.approx(1.9 / 1.959964)
    assert error_of_test(-0.5, replicas, tied=True) == pytest.approx(3.4 / 1.959964)
    assert error_of_test(-1.0, np.full(9, -1.0), tied=True) == 0


def test_the_scores_beside_a_tied_threshold_are_possible_ones_where_the_rate_leaves_it_open() -> None:
    """At a rate of 0.3 three of ten events may pass: above 5 lie 1, above 4 would lie 4; rates by hand."""
    background, signal = np.array([1, 2, 3, 4, 4, 4, 5, 5, 5, 6]), np.array([4, 5, 5, 6])
    ranked = RankedBackground(background, np.arange(10, dtype=np.int32), (0.3, 0.05))
    (lower, upper), none = ranked.beside()
    assert ranked.tied.tolist() == [True, False]
    assert none == []
    assert (lower.is_lower, lower.background.passed, upper.is_lower, upper.background.passed) == (True, 4, False, 1)
    own = RankedSignal(signal, np.arange(4, dtype=np.int32), ranked)
    assert [own.passing(score.cut).passed for score in (lower, upper)] == [3, 0]
    # Clopper-Pearson at 68 %: 4 of 10 is 0.23 to 0.59, and 1 of 10 is 0.02 to 0.29
    assert (lower.is_possible(0.3, 0.6827), upper.is_possible(0.3, 0.6827)) == (True, False)
    assert (lower.is_possible(0.2, 0.6827), upper.is_possible(0.2, 0.6827)) == (False, True)


def test_percentiles_of_a_known_distribution() -> None:
    # the places p (n + 1) of 99 replicas divide a uniform distribution into equal parts
    assert percentile_interval(0.5, np.arange(1, 100) / 100, 0.9) == pytest.approx((0.5, 0.05, 0.95))


@pytest.mark.parametrize("n_replicas", [19, 60])
def test_few_replicas_lie_no_closer_than_many(n_replicas: int) -> None:
    rng = np.random.default_rng(n_replicas)
    replicas, further = rng.normal(size=(4000, n_replicas)), rng.normal(size=4000)
    intervals = [percentile_interval(0.0, own, 0.9) for own in replicas]
    inside = np.mean([own.low <= value <= own.high for own, value in zip(intervals, further, strict=True)])
    assert inside == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / 4000))


@pytest.mark.parametrize(
    "wrong",
    [{"n_replicas": 1}, {"confidence_level": 1.5}, {"seed": -1}, {"fprs": (0.1, 1.0)}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        BootstrapSettings(**wrong)


@pytest.mark.parametrize(
    ("groups", "message"),
    [(np.zeros(5, dtype=np.int64), "at least 2"), (np.zeros(5), "float64"), (np.zeros((2, 2), dtype=int), "shape")],
    ids=["one group", "floats", "matrix"],
)
def test_groups_that_can_not_be_drawn_are_refused(groups: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GroupResampler(groups, "background", 0)
