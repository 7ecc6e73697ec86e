"""Splits by group: never divided, in the wanted shares, and the same whatever the chunks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fpgaae.config.data import Split
from fpgaae.data.splits import SPLITS, split_of_groups, split_of_signal_groups, splitmix64

SPLIT = Split()


@given(
    st_numpy.arrays(np.int64, st.integers(1, 60), elements=st.integers(-(2**63), 2**63 - 1)),
    st.integers(0, 2**31 - 1),
    st.integers(1, 7),
)
def test_a_group_is_never_divided_whatever_the_order_and_the_chunks(groups: np.ndarray, seed: int, chunk: int) -> None:
    doubled = np.concatenate([groups, groups[::-1]])
    found = split_of_groups(doubled, SPLIT, seed)
    assert set(found.tolist()) <= set(range(len(SPLITS)))
    assert np.array_equal(found[: len(groups)], found[len(groups) :][::-1])
    pieces = [split_of_groups(doubled[i : i + chunk], SPLIT, seed) for i in range(0, len(doubled), chunk)]
    assert np.array_equal(np.concatenate(pieces), found)


@pytest.mark.parametrize(
    "split",
    [Split(), Split(train=0.1, validation=0.1, test=0.8), Split(train=0.98, validation=0.01, test=0.01)],
    ids=["default", "small", "large"],
)
def test_the_shares_are_those_of_the_config(split: Split) -> None:
    n = 200_000
    found = split_of_groups(np.arange(n), split, seed=42)
    for index, share in enumerate((split.train, split.validation, split.test)):
        n_found = int((found == index).sum())
        assert abs(n_found - share * n) < 5 * math.sqrt(n * share * (1 - share)), SPLITS[index]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_signals_have_a_share_to_choose_by_and_are_never_trained_on(share: float) -> None:
    n = 50_000
    found = split_of_signal_groups(np.arange(n), Split(signal_validation=share), seed=42)
    counts = [int((found == index).sum()) for index in range(len(SPLITS))]
    assert counts[0] == 0
    assert abs(counts[1] - share * n) <= 5 * math.sqrt(n * share * (1 - share))
    assert sum(counts) == n


def test_the_seed_chooses_the_split() -> None:
    groups = np.arange(10_000)
    first = split_of_groups(groups, SPLIT, seed=1)
    assert np.array_equal(first, split_of_groups(groups, SPLIT, seed=1))
    agreement = float(np.mean(first == split_of_groups(groups, SPLIT, seed=2)))
    chance = SPLIT.train**2 + SPLIT.validation**2 + SPLIT.test**2
    assert abs(agreement - chance) < 0.03  # unrelated, as two independent draws are


def test_consecutive_groups_are_unrelated() -> None:
    found = split_of_groups(np.arange(100_000), SPLIT, seed=42) == 0
    both = float(np.mean(found[1:] & found[:-1]))
    assert abs(both - SPLIT.train**2) < 0.01


def testsplitmix64_is_the_published_generator() -> None:
    # First outputs of SplitMix64 seeded with 1234567, from the reference implementation (as Rosetta Code lists them):
    # the k-th output mixes seed + k * gamma, and the function adds one gamma itself.
    gamma = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + k * gamma) % 2**64 for k in range(5)], dtype=np.uint64)
    with np.errstate(over="ignore"):
        found = splitmix64(states).tolist()
    assert found == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
