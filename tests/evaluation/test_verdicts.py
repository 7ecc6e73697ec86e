from __future__ import annotations

from typing import Any

import pytest

from fpgaae.evaluation.verdicts import verdicts
from fpgaae.runs.record import as_json, from_json
from fpgaae.runs.results.metrics import SignalMetrics


def estimate(value: float | None, error: float | None = None) -> dict[str, Any]:
    if value is None or error is None:
        return {"value": None, "low": None, "high": None, "note": "not measurable"}
    ends = {"low": value - 2 * error, "high": value + 2 * error}
    return {"value": value, **ends, "standard_error": error, "interval_95": {"value": value, **ends}}


def judged(auc: dict[str, Any], **tpr: dict[str, Any]) -> dict[str, Any]:
    entry = {"auc": auc, "tpr": {k.replace("_", "-"): v for k, v in tpr.items()}}
    delta = {"firmware": {"zprime": from_json(SignalMetrics, entry, "", "")}}
    return as_json(verdicts(delta).models["firmware"]["zprime"])


def test_a_difference_beyond_the_level_is_named_with_its_p_value() -> None:
    found = judged(estimate(-0.01, 0.001), **{"1e_03": estimate(0.001, 0.002)})
    assert found["distinguishable"] is True
    assert "firmware and float are distinguishable at the 5 % level: AUC -0.0100, p = 4.7e-23" in found["sentence"]
    assert "1e-03" not in found["sentence"]


def test_what_does_not_differ_is_said_with_what_would_have_been_seen() -> None:
    found = judged(estimate(0.001, 0.001), **{"1e_03": estimate(0.002, 0.001)})
    assert found["distinguishable"] is False
    assert found["p_value"] == pytest.approx(2 * (0.02872 + 0.01786), abs=1e-4), "the smaller of two tests counts twice"
    assert "not distinguishable at the 5 % level" in found["sentence"]
    assert "-0.0010 to +0.0030 (95 %)" in found["sentence"]


def test_many_tests_need_a_larger_difference_each() -> None:
    """2.5 standard deviations, far above the margin, are p = 0.012: below 5 % alone, above it among ten tests."""
    alone = judged(estimate(2.5, 1.0))
    among = judged(estimate(2.5, 1.0), **{f"{i}e_03": estimate(0.0, 1.0) for i in range(1, 10)})
    assert (alone["distinguishable"], among["distinguishable"]) == (True, False)
    assert among["metrics"]["auc"]["corrected_p_value"] == pytest.approx(10 * alone["metrics"]["auc"]["p_value"])


def test_equal_separations_and_unmeasurable_rates() -> None:
    found = judged(estimate(0.0, 0.0), **{"1e_05": estimate(None)})
    assert found["distinguishable"] is False
    assert "separate these events equally well" in found["sentence"], "two of an AUC of 1 may order them otherwise"
    assert list(found["metrics"]) == ["auc"]


def test_a_difference_below_the_margin_does_not_count_however_certain() -> None:
    found = judged(estimate(-2e-5, 1e-6), **{"1e_03": estimate(9e-5, 1e-6)})
    assert found["distinguishable"] is False
    assert found["p_value"] > 0.99
    assert "-2.2e-05 to -1.8e-05" in found["sentence"]
    assert judged(estimate(-2e-4, 1e-6))["distinguishable"] is True
