from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from support import NO_SCORES

from fpgaae.errors import InputError
from fpgaae.evaluation import metrics
from fpgaae.evaluation.metrics import auc, roc_curve, tpr_at_fpr
from fpgaae.statistics import clopper_pearson, threshold_at_fpr

SIZES = st.integers(1, 60)
TIED_INTEGERS = hnp.arrays(np.int64, SIZES, elements=st.integers(-5, 5))
FLOATS = hnp.arrays(np.float64, SIZES, elements=st.floats(-1e6, 1e6, width=32))


def test_auc_of_an_example_worked_by_hand() -> None:
    # pairs (b, s): s = 2 wins over 1, ties with 2, 2, loses to 3: 1 + 2/2 = 2; s = 3 wins 3, ties 1: 3.5; 5.5 of 8
    assert auc(np.array([1, 2, 2, 3]), np.array([2, 3])) == 5.5 / 8


def test_auc_of_hanley_and_mcneil_1982() -> None:
    # Radiology 143 (1982) 29, table I: ratings 1 to 5 of 58 normal and 51 abnormal CT images, area 0.893
    normal = np.repeat(np.arange(1, 6), [33, 6, 6, 11, 2])
    abnormal = np.repeat(np.arange(1, 6), [3, 2, 2, 11, 33])
    assert auc(normal, abnormal) == pytest.approx(0.893, abs=5e-4)


@pytest.mark.parametrize("kind", ["float", "integer with ties"])
def test_auc_agrees_with_scikit_learn(kind: str) -> None:
    rng = np.random.default_rng(1)
    background, signal = rng.normal(size=3000), rng.normal(0.5, 1, 700)
    if kind == "integer with ties":
        background, signal = np.rint(3 * background).astype(np.int64), np.rint(3 * signal).astype(np.int64)
    truth = np.repeat([0, 1], [background.size, signal.size])
    expected = roc_auc_score(truth, np.concatenate([background, signal]))
    assert auc(background, signal) == pytest.approx(expected, abs=1e-12)


@given(TIED_INTEGERS | FLOATS, TIED_INTEGERS | FLOATS)
def test_auc_is_antisymmetric_and_a_sum_over_pairs(background: NDArray[Any], signal: NDArray[Any]) -> None:
    assert auc(background, signal) == pytest.approx(1 - auc(signal, background), abs=1e-12)
    pairs = np.sign(signal[:, None].astype(float) - background[None, :].astype(float))
    assert auc(background, signal) == pytest.approx(np.mean((pairs + 1) / 2), abs=1e-12)


@given(TIED_INTEGERS, TIED_INTEGERS)
def test_rising_transforms_change_nothing(background: NDArray[np.int64], signal: NDArray[np.int64]) -> None:
    raised = background**3 + 7, signal**3 + 7
    curved = np.exp(background / 2), np.exp(signal / 2)
    assert auc(*raised) == auc(*curved) == auc(background, signal)
    assert tpr_at_fpr(*raised, 0.3) == tpr_at_fpr(*curved, 0.3) == tpr_at_fpr(background, signal, 0.3)


def test_large_integers_are_not_rounded_to_floats() -> None:
    huge = 2**60
    assert auc(np.array([huge]), np.array([huge + 1])) == 1.0
    assert threshold_at_fpr(np.array([huge, huge + 1]), 0.5) == huge
    with pytest.raises(InputError, match=r"2\*\*53"):
        auc(np.array([huge]), np.array([0.5]))


def test_efficiency_counts_signal_strictly_above_the_threshold() -> None:
    background, signal = np.arange(10), np.array([7, 7, 8, 9])
    assert tpr_at_fpr(background, signal, 0.2) == clopper_pearson(2, 4)


def test_a_curve_worked_by_hand() -> None:
    # above 3 lie no background and 1 signal event, above 2: 1 and 1, above 1: 2 and 2, above 0: 3 and 2
    curve = roc_curve(np.array([0, 1, 2, 3]), np.array([0, 2, 5]))
    assert curve.fpr == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])
    assert curve.tpr == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])


@pytest.mark.parametrize("levels", [None, 12], ids=["continuous", "tied"])
def test_every_roc_point_is_a_reachable_working_point(levels: int | None) -> None:
    rng = np.random.default_rng(2)
    background, signal = rng.random(2000), rng.random(500) + 0.2
    if levels is not None:
        background, signal = np.floor(background * levels), np.floor(signal * levels)
    curve = roc_curve(background, signal, 50)
    assert np.all(np.diff(curve.fpr) > 0)
    assert np.all(np.diff(curve.tpr) >= 0)
    assert (curve.fpr[-1], curve.tpr[-1]) == (1.0, 1.0)
    for fpr, tpr in zip(curve.fpr[:-1], curve.tpr[:-1], strict=True):
        threshold = threshold_at_fpr(background, fpr + 1e-12)
        assert np.mean(background > threshold) == pytest.approx(fpr, abs=1e-12)
        assert np.mean(signal > threshold) == pytest.approx(tpr, abs=1e-12)


@pytest.mark.parametrize(("scores", "message"), NO_SCORES)
def test_scores_that_can_not_be_ranked_are_refused(scores: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        auc(scores, np.array([1.0]))


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(metrics) == doctest.TestResults(failed=0, attempted=2)


def test_a_curve_needs_two_points() -> None:
    with pytest.raises(InputError, match="at least 2"):
        roc_curve(np.arange(3), np.arange(3), 1)
