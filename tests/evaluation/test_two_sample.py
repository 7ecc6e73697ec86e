"""The energy distance against its closed form for normal samples, and a classifier that tells two samples apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.evaluation.two_sample import classifier_auc, energy_distance, one_event_a_group


def _mean_distance(shift: float) -> float:
    """Give E|X - Y| of unit normal X and Y whose means differ by a shift: that of |N(shift, 2)|."""
    return 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_energy_distance_of_shifted_normals_is_the_exact_one(shift: float) -> None:
    rng = np.random.default_rng(1)
    found = energy_distance(rng.normal(size=(4000, 1)), rng.normal(shift, size=(4000, 1)), level=0.999)
    exact = 2 * _mean_distance(shift) - 2 * _mean_distance(0)
    assert found.low <= exact <= found.high
    assert found.high - found.low < 0.6


def test_a_classifier_finds_no_difference_where_there_is_none() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1200, 3))
    same = classifier_auc(x, rng.normal(size=(1200, 3)), level=0.999)
    assert same.low <= 0.5 <= same.high
    assert classifier_auc(x, rng.normal(1, size=(1200, 3))).low > 0.8


def test_samples_too_small_for_blocks_are_refused() -> None:
    with pytest.raises(InputError, match="samples of 5 and 40 events are too small for 10 blocks"):
        energy_distance(np.zeros((5, 2)), np.zeros((40, 2)))


@pytest.mark.parametrize("size", [1, 2, 10])
def test_intervals_hold_the_truth_where_one_event_of_each_group_is_taken(size: int) -> None:
    """True events and new ones of the same distribution are 0 apart; groups of ten would hardly ever hold that."""
    rng = np.random.default_rng(size)
    n_toys, n_groups, level = 120, 160, 0.6827
    groups = np.repeat(np.arange(n_groups), size)
    one, every = [], []
    for _ in range(n_toys):
        x = np.repeat(rng.normal(size=(n_groups, 1)), size, axis=0) + 0.1 * rng.normal(size=(n_groups * size, 1))
        rows = one_event_a_group(groups, rng)
        assert len(rows) == len(set(groups[rows].tolist())) == n_groups
        new = rng.normal(scale=np.sqrt(1.01), size=(n_groups, 1))
        for held, true in ((one, x[rows]), (every, x[:n_groups])):
            found = energy_distance(true, new, level)
            held.append(found.low <= 0 <= found.high)
    error = np.sqrt(level * (1 - level) / n_toys)
    assert abs(np.mean(one) - level) < 3 * error
    if size == 10:
        assert np.mean(every) < level - 3 * error
