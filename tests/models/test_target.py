"""What a student is taught of a teacher's score, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpgaae.config.distillation import Distillation, TargetKind
from fpgaae.errors import InputError
from fpgaae.models.target import RateTable, Target


def _distillation(**options: Any) -> Distillation:  # noqa: ANN401
    teacher = {"encoder": [4], "latent": 2, "decoder": [4], "score": "squared_error"}
    return Distillation(teacher=teacher, fit={"epochs": 1}, **options)


def _clipped(distillation: Distillation, grades: Any) -> Target:  # noqa: ANN401
    return Target.unclipped(TargetKind.SCORE, np.zeros(1)).clipped(distillation, grades)


def test_a_target_is_the_clipped_logarithm_on_a_scale() -> None:
    """e^2 is a quarter of the way from 1 to 5, and so 2 of 8; below e^1 and above e^5 it is clipped."""
    target = Target(1.0, 5.0, 8.0)
    scores = np.array([np.e**2, np.e**4, 1.0, 0.0, np.e**5, np.e**9])
    np.testing.assert_allclose(target.of_scores(scores), [2, 6, 0, 0, 8, 8])


def test_the_target_of_cicada_is_a_case_of_it() -> None:
    """32 log s between 0 and 256: low 0, high 8, scale 256."""
    distillation = _distillation(low=0, high=8, scale=256)
    target = Target.unclipped(distillation.target, np.ones(1)).clipped(distillation, np.zeros(1))
    scores = np.array([0.5, 1.0, 10.0, 1000.0, 1e5])
    np.testing.assert_allclose(target.of_scores(scores), np.clip(32 * np.log(scores), 0, 256))


def test_the_ends_come_from_quantiles_unless_they_are_given() -> None:
    values = np.arange(101.0)
    assert _clipped(_distillation(quantiles=(0.1, 0.9), scale=3), values)[:3] == (10.0, 90.0, 3.0)
    assert _clipped(_distillation(quantiles=(0.1, 0.9), low=-5), values)[:2] == (-5.0, 90.0)
    assert _clipped(_distillation(high=300), values)[:2] == (pytest.approx(0.1), 300.0)


def test_scores_that_are_all_the_same_leave_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="clipped to scores from 2 to 2, which leaves nothing"):
        _clipped(_distillation(), np.full(9, 2.0))


def test_a_negative_score_has_no_logarithm() -> None:
    with pytest.raises(InputError, match=r"negative \(-3\) for an event.*set `distillation.target` to score or rate"):
        Target.unclipped(TargetKind.LOGARITHM, np.array([1.0, -3.0]))


def test_a_score_itself_may_be_negative() -> None:
    target = Target.unclipped(TargetKind.SCORE, np.array([-4.0]))._replace(low=-4.0, high=4.0, scale=2.0)
    np.testing.assert_allclose(target.of_scores(np.array([-9.0, -2.0, 4.0])), [0.0, 0.5, 2.0])


def test_the_rate_is_the_share_of_the_background_above() -> None:
    """Of 1,000 scores 0 ... 999, 10 are 990 or more: a rate of 1e-2; the largest rate is 1, of the smallest score."""
    table = RateTable.of_background(np.random.default_rng(0).permutation(1000.0 * np.arange(1000) / 1000))
    grades = table.of_scores(np.array([-5.0, 0.0, 500.0, 990.0, 995.0]))
    np.testing.assert_allclose(grades, [0, 0, np.log(2), np.log(100), np.log(200)], atol=0.02)


def test_the_rate_goes_on_falling_beyond_the_background() -> None:
    """Of an exponential score, each unit costs a factor e, within the background and beyond it."""
    scores = -np.log((np.arange(20_000) + 0.5) / 20_000)
    found = RateTable.of_background(scores).of_scores(np.array([2.0, 7.0, 12.0, 20.0]))
    np.testing.assert_allclose(found, [2.0, 7.0, 12.0, 20.0], rtol=0.05)


def test_scores_that_tie_have_the_rate_of_all_of_them() -> None:
    table = RateTable.of_background(np.repeat([1.0, 2.0], [900, 100]))
    np.testing.assert_allclose(table.of_scores(np.array([1.0, 2.0])), [0, np.log(10)], rtol=0.2, atol=1e-9)
    with pytest.raises(InputError, match="the same for nearly all of the background"):
        RateTable.of_background(np.ones(50))


@pytest.mark.parametrize("kind", TargetKind)
def test_a_target_comes_back_from_its_entry(kind: TargetKind) -> None:
    target = Target.unclipped(kind, np.arange(1.0, 400.0))._replace(low=0.5, high=3.0, scale=8.0)
    again = Target.of(target.entry())
    assert again == target
    np.testing.assert_array_equal(again.of_scores(np.arange(50.0)), target.of_scores(np.arange(50.0)))
