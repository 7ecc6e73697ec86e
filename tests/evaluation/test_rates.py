from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chi2, hypergeom

from fpgaae.config.experiment import Trigger
from fpgaae.evaluation import rates
from fpgaae.evaluation.rates import MAX_RUNS, RateSettings, rate_curve, rates_by_column, same_rate
from fpgaae.runs.record import as_json, plain
from fpgaae.statistics import EventGroups, clopper_pearson

SETTINGS = RateSettings("background", Trigger(bunch_crossing_rate_khz=1000.0), 0.6827)
RNG = np.random.default_rng(3)
SCORES = {"background": RNG.integers(0, 500, 4000), "signal": RNG.integers(200, 700, 300)}

EVENTS = np.arange(4000)  # a group each
GROUPS = {"background": EventGroups(EVENTS), "signal": EventGroups(EVENTS[:300])}


def test_every_point_is_counted() -> None:
    curve = as_json(rate_curve(SCORES, GROUPS, {}, SETTINGS))
    assert set(curve) == {"threshold", "background_passed", "rate_khz", "efficiency"}
    assert curve["threshold"] == sorted(set(curve["threshold"]))
    for i in (0, 40, len(curve["threshold"]) - 1):
        threshold = curve["threshold"][i]
        assert threshold in SCORES["background"]
        passed = int((SCORES["background"] > threshold).sum())
        assert curve["background_passed"][i] == passed
        expected = clopper_pearson(passed, 4000, 0.6827)
        for end in ("value", "low", "high"):
            assert curve["rate_khz"][end][i] == pytest.approx(1000 * getattr(expected, end), rel=1e-4)
        assert curve["efficiency"]["signal"]["value"][i] == pytest.approx(
            np.mean(SCORES["signal"] > threshold), rel=1e-4
        )


def test_the_pure_rate_leaves_out_what_is_taken_already() -> None:
    taken = (np.arange(4000) % 4 == 0).astype(float)
    curve = as_json(rate_curve(SCORES, GROUPS, {"background": {"existing_trigger": taken}, "signal": {}}, SETTINGS))
    i = len(curve["threshold"]) // 2
    above = SCORES["background"] > curve["threshold"][i]
    assert curve["pure_background_passed"][i] == np.count_nonzero(above & (taken == 0)) < curve["background_passed"][i]
    assert curve["pure_rate_khz"]["value"][i] == pytest.approx(1000 * np.mean(above & (taken == 0)), rel=1e-4)
    assert curve["pure_efficiency"] == {}, "the signal does not know what is taken"


def test_copies_of_events_change_no_interval_of_a_rate() -> None:
    """Each of 400 events ten times, with a pile-up of its own, in one of four runs."""
    once = {"background": RNG.integers(0, 500, 400), "signal": RNG.integers(200, 700, 30)}
    copied = {process: np.repeat(own, 10) for process, own in once.items()}
    curves = [
        as_json(
            rate_curve(
                scores,
                {process: EventGroups(np.arange(len(own)) // n) for process, own in scores.items()},
                {},
                SETTINGS,
            )
        )
        for scores, n in ((once, 1), (copied, 10))
    ]
    for end in ("value", "low", "high"):
        for kind in (lambda curve: curve["rate_khz"], lambda curve: curve["efficiency"]["signal"]):
            pairs = [dict(zip(curve["threshold"], kind(curve)[end], strict=True)) for curve in curves]
            shared = pairs[0].keys() & pairs[1].keys()
            assert len(shared) > 20
            assert [pairs[1][t] for t in shared] == pytest.approx([pairs[0][t] for t in shared], rel=2e-4)
    run = np.arange(400) // 100.0 // 1
    accepted = once["background"] > 300
    single = rates_by_column([accepted], EVENTS[:400], {"run": run}, SETTINGS)["run"][0]
    grouped = rates_by_column([np.repeat(accepted, 10)], EVENTS // 10, {"run": np.repeat(run, 10)}, SETTINGS)["run"][0]
    assert grouped.p_value == pytest.approx(single.p_value)
    for one, ten in zip(single.bins, grouped.bins, strict=True):
        assert ten.passed == 10 * one.passed
        assert ten.rate_khz == pytest.approx(one.rate_khz)


def test_a_run_that_is_one_group_stands_for_itself_and_no_test_can_be_made() -> None:
    run = EVENTS // 1000
    (found,) = rates_by_column([SCORES["background"] > 450], run, {"run": run.astype(float)}, SETTINGS)["run"]
    assert found.p_value is None
    first = found.bins[0]
    assert first.rate_khz.low == 1000 * clopper_pearson(first.passed, 1000, 0.6827).low


def test_rates_against_pileup_and_run() -> None:
    pileup, run = RNG.poisson(50, 4000).astype(float), np.repeat([7.0, 9.0], 2000)
    accepted = RNG.random(4000) < 0.02 * (pileup / 50) ** 6
    taken = RNG.random(4000) < 0.5
    columns = {"pileup": pileup, "run": run, "existing_trigger": taken.astype(float)}
    found = plain(rates_by_column([accepted], EVENTS, columns, SETTINGS))
    assert set(found) == {"pileup", "run"}
    bins = found["pileup"][0]["bins"]
    assert sum(b["events"] for b in bins) == 4000
    assert all(a["high"] < b["low"] for a, b in itertools.pairwise(bins))
    for b in bins:
        inside = (pileup >= b["low"]) & (pileup <= b["high"])
        assert b["passed"] == np.count_nonzero(accepted & inside)
        assert b["rate_khz"]["value"] == pytest.approx(1000 * np.mean(accepted[inside]))
        assert b["pure_rate_khz"]["value"] == pytest.approx(1000 * np.mean((accepted & ~taken)[inside]))
    assert found["pileup"][0]["p_value"] < 1e-6, "the rate rises with pile-up"
    runs = found["run"][0]
    assert [(b["low"], b["high"], b["events"]) for b in runs["bins"]] == [(7, 7, 2000), (9, 9, 2000)]
    assert runs["p_value"] > 1e-3


def test_many_runs_are_put_together_and_one_is_no_test() -> None:
    accepted = np.arange(4000) % 50 == 0
    many = plain(rates_by_column([accepted], EVENTS, {"run": np.arange(4000) // 8.0 // 1}, SETTINGS))["run"][0]
    assert len(many["bins"]) <= MAX_RUNS
    accepts = [accepted, np.zeros(4000, dtype=bool)]
    one = plain(rates_by_column(accepts, EVENTS, {"run": np.ones(4000)}, SETTINGS)["run"])
    assert [entry["p_value"] for entry in one] == [None, None]
    assert one[1]["bins"][0]["rate_khz"]["value"] == 0


def test_one_event_in_a_bin_that_expects_hardly_any_is_weighed_by_its_chance() -> None:
    """Chi-square's asymptotic distribution would give 2e-12 for what happens in one of 200 samples."""
    events, passed = np.array([10_000, 5]), np.array([9, 1])
    exact = 1 - hypergeom(10_005, 10, 5).pmf(0)
    assert exact == pytest.approx(0.005, rel=0.01)
    assert same_rate(passed, events) == pytest.approx(exact, rel=0.4)


def test_two_bins_are_tested_by_pearson_as_more_are() -> None:
    """By hand: 20 and 40 of 100 where 30 are expected, (100 / 30 + 100 / 70) * 2 = 9.52; with Yates 8.60."""
    statistic = 2 * (100 / 30 + 100 / 70)
    assert same_rate(np.array([20, 40]), np.array([100, 100])) == pytest.approx(chi2(1).sf(statistic))


def test_both_ways_to_a_p_value_agree_where_both_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    events, passed = np.array([900, 1000, 1100]), np.array([60, 90, 75])
    asymptotic = same_rate(passed, events)
    monkeypatch.setattr(rates, "_MIN_EXPECTED", np.inf)
    assert 0.01 < same_rate(passed, events) == pytest.approx(asymptotic, abs=0.01)
