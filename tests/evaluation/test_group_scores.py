"""The mean score of each clip: areas as scikit-learn has them, and intervals over clips."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.group_scores import evaluate_groups, group_means
from fpgaae.evaluation.metrics import auc, partial_auc
from fpgaae.runs.record import as_json

SETTINGS = BootstrapSettings(n_replicas=60)
MODELS = ("float", "quantized", "firmware")


@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.37, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_the_partial_area_is_that_of_scikit_learn(max_fpr: float, ties: bool) -> None:
    rng = np.random.default_rng(5)
    background, signal = rng.normal(0, 1, 300), rng.normal(0.8, 1.3, 170)
    if ties:
        background, signal = np.rint(2 * background), np.rint(2 * signal)
    labels = np.repeat([0, 1], [300, 170])
    expected = roc_auc_score(labels, np.concatenate([background, signal]), max_fpr=max_fpr)
    assert partial_auc(background, signal, max_fpr) == pytest.approx(expected, abs=1e-12)


def test_a_partial_area_worked_by_hand() -> None:
    """The curve goes (0, 1/2), (1/4, 1/2), and by the tie at 3 to (1/2, 1): 1/8 + 3/16 = 5/16 up to 1/2."""
    by_hand = 0.5 * (1 + (5 / 16 - 1 / 8) / (1 / 2 - 1 / 8))
    assert partial_auc(np.array([1, 2, 3, 4]), np.array([3, 5]), 0.5) == pytest.approx(by_hand)
    assert partial_auc(np.array([0, 1]), np.array([2, 3]), 0.1) == 1
    assert partial_auc(np.array([7, 7]), np.array([7, 7]), 0.1) == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [0, -0.1, 1.1])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="has to lie above 0"):
        partial_auc(np.array([1, 2]), np.array([3]), rate)


def test_means_of_groups() -> None:
    means = group_means(np.array([1.0, 5.0, 3.0, 10.0]), np.array([7, 2, 7, 2]))
    assert means.tolist() == [7.5, 2.0]
    with pytest.raises(InputError, match="don't belong together"):
        group_means(np.array([1.0]), np.array([1, 2]))


@pytest.fixture(scope="module")
def clips() -> tuple[dict[str, Any], dict[str, Any]]:
    """Give scores and groups of 90 and 60 clips of 20 events, whose loudness is that of the clip."""
    rng = np.random.default_rng(2)
    groups = {"normal": np.repeat(np.arange(90), 20), "broken": np.repeat(np.arange(60), 20)}
    exact = {
        name: (rng.normal(shift, 1, own.max() + 1)[own] + rng.normal(0, 3, own.size))
        for (name, own), shift in zip(groups.items(), (0, 1.2), strict=True)
    }
    rounded = {name: np.rint(own) for name, own in exact.items()}
    return {"float": exact, "quantized": rounded, "firmware": rounded}, groups


def test_clips_are_judged_by_their_mean(clips: tuple[dict[str, Any], dict[str, Any]]) -> None:
    scores, groups = clips
    result = json.loads(json.dumps(as_json(evaluate_groups(scores, groups, "normal", 0.1, SETTINGS)), allow_nan=False))
    assert result["groups"] == {"normal": 90, "broken": 60}
    assert result["max_false_positive_rate"] == 0.1
    assert set(result["models"]) == set(MODELS)
    for model in MODELS:
        means = {name: group_means(own, groups[name]) for name, own in scores[model].items()}
        found = result["models"][model]["broken"]
        assert found["auc"]["value"] == pytest.approx(auc(means["normal"], means["broken"]))
        assert found["partial_auc"]["value"] == pytest.approx(partial_auc(means["normal"], means["broken"], 0.1))
        assert all(own["low"] < own["value"] < own["high"] for own in found.values())
    # a clip says more than one of its events, and the spread is that of so many clips
    assert result["models"]["float"]["broken"]["auc"]["value"] > auc(
        scores["float"]["normal"], scores["float"]["broken"]
    )
    area = result["models"]["float"]["broken"]["auc"]
    assert 0.02 < (area["high"] - area["low"]) / 2 < 0.06  # Hanley and McNeil: 0.035


def test_differences_are_paired(clips: tuple[dict[str, Any], dict[str, Any]]) -> None:
    scores, groups = clips
    result = as_json(evaluate_groups(scores, groups, "normal", 0.1, SETTINGS))
    delta, area = result["delta"]["broken"]["auc"], result["models"]["firmware"]["broken"]["auc"]
    assert delta["value"] == pytest.approx(area["value"] - result["models"]["float"]["broken"]["auc"]["value"])
    assert delta["high"] - delta["low"] < 0.5 * (area["high"] - area["low"])
