from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import Comparison, compare
from fpgaae.evaluation.metrics import auc, tpr_at_fpr
from fpgaae.runs.record import plain
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.statistics import clopper_pearson

SETTINGS = BootstrapSettings(n_replicas=60)
FPR_KEYS = ["1e-01", "1e-02", "1e-03", "1e-04", "1e-05"]
EVENTS = {"background": 6000, "a_to_4l": 500, "leptoquark": 400}


def make_scores() -> dict[str, dict[str, NDArray[Any]]]:
    rng = np.random.default_rng(0)
    shift = {"background": 0.0, "a_to_4l": 1.5, "leptoquark": 0.5}
    exact = {name: rng.normal(shift[name], 1, n_events) for name, n_events in EVENTS.items()}
    noisy = {name: values + rng.normal(0, 0.02, values.size) for name, values in exact.items()}
    codes = {name: np.rint(64 * values).astype(np.int64) for name, values in noisy.items()}
    return {"float": exact, "quantized": noisy, "firmware": codes, "pca": {k: -v for k, v in exact.items()}}


def make_groups() -> dict[str, NDArray[np.int64]]:
    return {name: np.arange(n_events) for name, n_events in EVENTS.items()}


def _plain(comparison: Comparison) -> dict[str, Any]:
    """Give a comparison with the keys of `metrics.json`."""
    found = {
        "background_events": comparison.background_events,
        "confidence_level": comparison.settings.confidence_level,
        "models": plain(comparison.models),
    }
    keys = {"firmware": "delta", "quantized": "delta_quantized"}
    return found | {key: plain(comparison.differences[m]) for m, key in keys.items() if m in comparison.differences}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    comparison = compare(make_scores(), make_groups(), "background", SETTINGS)
    decoded: dict[str, Any] = json.loads(json.dumps(_plain(comparison), allow_nan=False))
    return decoded


def test_the_keys_others_rely_on(result: dict[str, Any]) -> None:
    assert result["background_events"] == 6000
    assert result["confidence_level"] == 0.6827
    assert set(result["models"]) == {"float", "quantized", "firmware", "pca"}
    spread = {"standard_error", "interval_95"}
    models = [(part, set()) for part in result["models"].values()]
    for part, more in [*models, (result["delta"], spread), (result["delta_quantized"], spread)]:
        assert set(part) == {"a_to_4l", "leptoquark"}
        for metrics in part.values():
            assert set(metrics["auc"]) == {"value", "low", "high"} | more
            assert list(metrics["tpr"]) == FPR_KEYS
            for estimate in metrics["tpr"].values():
                expected = {"value", "low", "high", "background_events_above"}
                assert set(estimate) - {"note"} == expected | (set() if "note" in estimate else more)


def test_values_are_those_of_the_plain_metrics(result: dict[str, Any]) -> None:
    scores = make_scores()
    for model, own in scores.items():
        for signal in ("a_to_4l", "leptoquark"):
            metrics = result["models"][model][signal]
            assert metrics["auc"]["value"] == auc(own["background"], own[signal])
            assert metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"]
            exact = tpr_at_fpr(own["background"], own[signal], 1e-2)
            assert metrics["tpr"]["1e-02"]["value"] == exact.value
            assert metrics["tpr"]["1e-02"]["low"] <= exact.low
            assert metrics["tpr"]["1e-02"]["high"] >= exact.high


def test_differences_are_paired(result: dict[str, Any]) -> None:
    for key, model in (("delta", "firmware"), ("delta_quantized", "quantized")):
        for signal, delta in result[key].items():
            exact, other = result["models"]["float"][signal], result["models"][model][signal]
            assert delta["auc"]["value"] == other["auc"]["value"] - exact["auc"]["value"]
            unpaired = exact["auc"]["high"] - exact["auc"]["low"]
            assert delta["auc"]["high"] - delta["auc"]["low"] < unpaired / 10
            difference = other["tpr"]["1e-01"]["value"] - exact["tpr"]["1e-01"]["value"]
            assert delta["tpr"]["1e-01"]["value"] == difference


def test_a_worse_model_has_a_negative_difference() -> None:
    scores = make_scores()
    rng = np.random.default_rng(1)
    scores["firmware"] = {k: v + rng.normal(0, 1, v.size) for k, v in scores["float"].items()}
    delta = _plain(compare(scores, make_groups(), "background", SETTINGS))["delta"]["a_to_4l"]
    assert delta["auc"]["high"] < 0
    assert delta["tpr"]["1e-01"]["high"] < 0


def test_rates_with_too_few_background_events_are_not_measured(result: dict[str, Any]) -> None:
    measured = result["models"]["float"]["a_to_4l"]["tpr"]["1e-03"]
    assert measured["background_events_above"] == 6
    assert "note" not in measured
    for part in (result["models"]["float"]["a_to_4l"], result["delta"]["a_to_4l"]):
        for key in ("1e-04", "1e-05"):
            estimate = part["tpr"][key]
            assert [estimate[end] for end in ("value", "low", "high")] == [None, None, None]
            assert estimate["note"].startswith("not measurable: 0 of 6000 background events")


def test_ties_count_as_too_few_background_events() -> None:
    scores = {"n_objects": {k: np.clip(np.rint(v), -1, 1).astype(np.int64) for k, v in make_scores()["float"].items()}}
    tpr = _plain(compare(scores, make_groups(), "background", SETTINGS))["models"]["n_objects"]["a_to_4l"]["tpr"]
    assert tpr["1e-01"]["value"] is None  # a third of the background shares the highest score
    assert tpr["1e-01"]["background_events_above"] == 0


def test_no_passing_signal_event_is_not_certainty() -> None:
    scores = make_scores()
    scores["float"]["leptoquark"] = np.full(400, -10.0)
    estimate = _plain(compare(scores, make_groups(), "background", SETTINGS))["models"]["float"]["leptoquark"]
    assert estimate["tpr"]["1e-03"]["value"] == 0
    assert estimate["tpr"]["1e-03"]["high"] == clopper_pearson(0, 400).high > 0


def test_missing_models_leave_their_difference_out() -> None:
    scores = make_scores()
    del scores["firmware"]
    without_firmware = _plain(compare(scores, make_groups(), "background", SETTINGS))
    assert "delta" not in without_firmware
    assert "delta_quantized" in without_firmware
    only_baseline = _plain(compare({"pca": scores["pca"]}, make_groups(), "background", SETTINGS))
    assert set(only_baseline["models"]) == {"pca"}
    assert "delta_quantized" not in only_baseline


def test_the_seed_decides_the_result() -> None:
    first = compare(make_scores(), make_groups(), "background", SETTINGS)
    assert compare(make_scores(), make_groups(), "background", SETTINGS) == first
    other = BootstrapSettings(n_replicas=60, seed=1)
    assert compare(make_scores(), make_groups(), "background", other).models != first.models


def test_keys_of_rates() -> None:
    assert [fpr_key(10.0**-i) for i in range(1, 6)] == FPR_KEYS


def broken(model: str, process: str, values: NDArray[Any] | None) -> dict[str, dict[str, NDArray[Any]]]:
    scores = make_scores()
    if values is None:
        del scores[model][process]
    else:
        scores[model][process] = values
    return scores


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (broken("firmware", "leptoquark", np.full(400, np.nan)), "`firmware` / `leptoquark`.*not finite"),
        (broken("float", "leptoquark", np.array([])), "`float` / `leptoquark`.*shape"),
        (broken("float", "leptoquark", np.zeros(399)), "399 events of `leptoquark`.*400"),
        (broken("float", "leptoquark", None), "score the same processes"),
        ({}, "no scores"),
    ],
    ids=["nan", "empty", "length", "process missing", "nothing"],
)
def test_wrong_scores_are_refused(scores: dict[str, dict[str, NDArray[Any]]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(scores, make_groups(), "background", SETTINGS)


def test_without_a_signal_there_is_nothing_to_compare_and_nothing_fails() -> None:
    scores = {model: {"background": own["background"]} for model, own in make_scores().items()}
    found = compare(scores, {"background": make_groups()["background"]}, "background", SETTINGS)
    assert found.background_events == len(scores["float"]["background"])
    assert found.signal_events == {}
    assert found.models == {model: {} for model in scores}
    assert not any(found.differences.values())


def test_wrong_groups_and_rates_are_refused() -> None:
    with pytest.raises(InputError, match="the background `qcd`"):
        compare(make_scores(), make_groups(), "qcd", SETTINGS)
    with pytest.raises(InputError, match="share a key"):
        compare(make_scores(), make_groups(), "background", BootstrapSettings(fprs=(0.021, 0.022)))
