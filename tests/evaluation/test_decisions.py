"""The rate that a threshold gives, and whose decisions differ at the same rate: small samples worked by hand."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Any

import numpy as np
import pytest
from results import threshold

from fpgaae.config.experiment import Threshold, Trigger
from fpgaae.errors import InputError
from fpgaae.evaluation.cuts import cuts
from fpgaae.evaluation.decisions import decisions
from fpgaae.report.tables import rate_sentence
from fpgaae.runs.record import as_json
from fpgaae.statistics import EventGroups, clopper_pearson

TRIGGER = Trigger(bunch_crossing_rate_khz=1000, thresholds=(Threshold(false_positive_rate=0.2),))
CHOSEN = threshold(
    code=7, value=7.0, requested_false_positive_rate=0.2, requested_rate_khz=200.0, events=20, events_passed=4
)
BACKGROUND = np.arange(10.0)  # above 7 lie 8 and 9


def _scores(**firmware_signals: list[float]) -> dict[str, dict[str, np.ndarray]]:
    """Give a float model with twice the firmware's scores, and a quantized one with the same."""
    firmware = {"background": BACKGROUND, **{name: np.array(codes) for name, codes in firmware_signals.items()}}
    return {"firmware": firmware, "quantized": dict(firmware), "float": {n: 2 * codes for n, codes in firmware.items()}}


def _independent(scores: dict[str, dict[str, np.ndarray]]) -> dict[str, EventGroups]:
    return {process: EventGroups(np.arange(len(codes))) for process, codes in scores["firmware"].items()}


def _one(scores: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    chosen = replace(CHOSEN, **changes)
    (found,) = decisions(scores, _independent(scores), "background", cuts([chosen]), TRIGGER, 0.9)
    return as_json(found)


def test_the_rate_is_that_of_events_strictly_above_the_threshold() -> None:
    found = _one(_scores(signal=[7.0, 8.5]))
    assert (found["background_events"], found["background_events_passed"]) == (10, 2)
    assert found["false_positive_rate"] == clopper_pearson(2, 10, 0.9)._asdict()
    assert found["rate_khz"]["value"] == 200.0
    assert found["processes"]["signal"]["accepted"] == {"float": 1, "quantized": 1, "firmware": 1}
    assert found["processes"]["signal"]["efficiency"] == clopper_pearson(1, 2, 0.9)._asdict()


def test_each_flip_is_counted_in_its_process_and_between_its_models() -> None:
    scores = _scores(signal=[9.0, 1.0, 9.0, 1.0])
    scores["float"]["signal"][0] = 0.0  # the firmware alone accepts
    scores["float"]["signal"][1] = 100.0  # the float model alone accepts
    scores["quantized"]["signal"] = np.array([9.0, 1.0, 0.0, 1.0])
    found = _one(scores)["processes"]
    assert found["signal"]["flips"] == {"float_quantized": 3, "float_firmware": 2, "quantized_firmware": 1}
    assert found["background"]["flips"] == {"float_quantized": 0, "float_firmware": 0, "quantized_firmware": 0}


def test_the_float_model_gets_the_rate_of_the_firmware_not_its_threshold() -> None:
    """Its threshold lies half way between the two background scores that it separates, here 14 and 16."""
    scores = _scores(signal=[0.0, 0.0])
    scores["float"]["signal"] = np.array([14.9, 15.1])
    found = _one(scores)["processes"]
    assert found["background"]["accepted"] == {"float": 2, "quantized": 2, "firmware": 2}
    assert found["signal"]["accepted"] == {"float": 1, "quantized": 0, "firmware": 0}


def test_ties_of_the_float_model_let_fewer_events_pass() -> None:
    scores = _scores(signal=[0.0])
    scores["float"]["background"] = np.array([0.0] * 7 + [5.0] * 3)
    assert _one(scores)["processes"]["background"]["accepted"]["float"] == 0


@pytest.mark.parametrize("value", [-1.0, 9.0], ids=["all", "none"])
def test_all_events_or_none_may_pass(value: float) -> None:
    found = _one(_scores(signal=[3.0]), value=value)
    passed = 10 if value < 0 else 0
    assert found["background_events_passed"] == passed
    assert found["processes"]["background"]["accepted"]["firmware"] == passed


@pytest.mark.parametrize(("n_passed", "agrees"), [(4, True), (0, True), (18, False)])
def test_rates_disagree_where_chance_gives_so_different_a_share_in_fewer_than_5_percent(
    n_passed: int, agrees: bool
) -> None:
    """Fisher's exact probability of 2 of 10 beside k of 20, summed over all tables that are no more probable."""
    total = n_passed + 2
    weights = {k: comb(20, k) * comb(10, total - k) for k in range(max(0, total - 10), min(20, total) + 1)}
    expected = sum(w for w in weights.values() if w <= weights[n_passed]) / sum(weights.values())
    found = _one(_scores(signal=[3.0]), events_passed=n_passed)
    assert found["p_value"] == pytest.approx(expected, rel=1e-9)
    assert found["agrees"] is agrees


@pytest.mark.parametrize("choice", [{"effective_events": 20.0}, {}], ids=["stated", "of an earlier version"])
def test_copies_of_events_change_no_interval_and_no_verdict(choice: dict[str, float]) -> None:
    once = _one(_scores(signal=[7.0, 8.5]), events_passed=18)
    copied = {
        model: {process: np.repeat(codes, 5) for process, codes in own.items()}
        for model, own in _scores(signal=[7.0, 8.5]).items()
    }
    groups = {process: EventGroups(np.arange(len(codes)) // 5) for process, codes in copied["firmware"].items()}
    chosen = replace(CHOSEN, events=100, events_passed=90, **choice)
    (result,) = decisions(copied, groups, "background", cuts([chosen]), TRIGGER, 0.9)
    found = as_json(result)
    assert found["background_events_passed"] == 5 * once["background_events_passed"]
    assert found["false_positive_rate"] == pytest.approx(once["false_positive_rate"])
    assert found["processes"]["signal"]["efficiency"] == pytest.approx(once["processes"]["signal"]["efficiency"])
    assert found["p_value"] == pytest.approx(once["p_value"])
    assert found["agrees"] is once["agrees"] is False


def test_events_of_few_groups_are_too_few_to_tell() -> None:
    """Ten events pass, of two groups: they say as much as two."""
    codes = np.concatenate([np.full(10, 9.0), np.zeros(90)])
    scores = {model: {"background": codes} for model in ("float", "quantized", "firmware")}
    chosen = threshold(code=7, value=7.0, requested_false_positive_rate=0.1, events=1000, events_passed=100,
                       false_positive_rate=clopper_pearson(100, 1000))  # fmt: skip
    alone, grouped = (
        decisions(scores, {"background": EventGroups(labels)}, "background", cuts([chosen]), TRIGGER, 0.9)[0]
        for labels in (np.arange(100), np.arange(100) // 5)
    )
    assert (alone.effective_passed, grouped.background_events_passed) == (None, 10)
    assert grouped.effective_passed is not None
    assert grouped.effective_passed < 5
    assert alone.agrees
    assert grouped.agrees
    assert "agrees (p" in rate_sentence(alone)
    assert "too few events to tell (p" in rate_sentence(grouped)


def test_a_rate_that_ties_keep_below_the_wanted_one_is_not_said_to_agree_with_it() -> None:
    tied = {"events": 1000, "events_passed": 100, "events_at_threshold": 300,
            "false_positive_rate": clopper_pearson(100, 1000)}  # fmt: skip
    codes = np.arange(1000) % 10.0  # a tenth lies above 8
    scores = {model: {"background": codes} for model in ("float", "quantized", "firmware")}
    wanted = threshold(code=8, value=8.0, requested_false_positive_rate=0.3, requested_rate_khz=300.0, **tied)
    (found,) = decisions(scores, _independent(scores), "background", cuts([wanted]), TRIGGER, 0.9)
    assert found.chosen_rate == 0.1
    sentence = rate_sentence(found)
    assert "requested 3.00e-01 (300 kHz), of which ties of scores left 1.00e-01 where it was chosen" in sentence
    assert "agrees with that (p = 1)" in sentence
    (exact,) = decisions(
        scores, _independent(scores), "background", cuts([replace(wanted, requested_false_positive_rate=0.1)]), TRIGGER,
        0.9,
    )  # fmt: skip
    assert exact.chosen_rate is None


def test_a_missing_model_is_named() -> None:
    scores = _scores(signal=[3.0])
    del scores["float"]
    with pytest.raises(InputError, match="no scores of the model `float`"):
        decisions(scores, _independent(scores), "background", cuts([CHOSEN]), TRIGGER, 0.9)
