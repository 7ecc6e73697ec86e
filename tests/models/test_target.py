"""What a student is taught of a teacher's score, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpgaae.config.model import Distillation
from fpgaae.errors import InputError
from fpgaae.models.target import Target, logarithms


def _distillation(**options: Any) -> Distillation:  # noqa: ANN401
    teacher = {"encoder": [4], "latent": 2, "decoder": [4], "score": "squared_error"}
    return Distillation(teacher=teacher, fit={"epochs": 1}, **options)


def test_a_target_is_the_clipped_logarithm_on_a_scale() -> None:
    """e^2 is a quarter of the way from 1 to 5, and so 2 of 8; below e^1 and above e^5 it is clipped."""
    target = Target(1.0, 5.0, 8.0)
    scores = np.array([np.e**2, np.e**4, 1.0, 0.0, np.e**5, np.e**9])
    np.testing.assert_allclose(target.of_logarithms(logarithms(scores)), [2, 6, 0, 0, 8, 8])


def test_the_target_of_cicada_is_a_case_of_it() -> None:
    """32 log s between 0 and 256: low 0, high 8, scale 256."""
    target = Target.of_config(_distillation(low=0, high=8, scale=256), np.zeros(1))
    scores = np.array([0.5, 1.0, 10.0, 1000.0, 1e5])
    np.testing.assert_allclose(target.of_logarithms(logarithms(scores)), np.clip(32 * np.log(scores), 0, 256))


def test_the_ends_come_from_quantiles_unless_they_are_given() -> None:
    values = np.arange(101.0)
    assert Target.of_config(_distillation(quantiles=(0.1, 0.9), scale=3), values) == Target(10.0, 90.0, 3.0)
    assert Target.of_config(_distillation(quantiles=(0.1, 0.9), low=-5), values)[:2] == (-5.0, 90.0)
    assert Target.of_config(_distillation(high=300), values)[:2] == (pytest.approx(0.1), 300.0)


def test_scores_that_are_all_the_same_leave_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="clipped to log scores from 2 to 2, which leaves nothing"):
        Target.of_config(_distillation(), np.full(9, 2.0))
