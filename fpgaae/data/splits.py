"""Splits by group: events of one group are never divided between training and test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Split

SPLITS = ("train", "validation", "test")


def split_of_groups(groups: NDArray[np.int64], split: Split, seed: int) -> NDArray[np.int64]:
    """Give each event the index of its split in `SPLITS`, from a seeded hash of its group.

    The hash needs no list of all groups, so that a file of any size is split chunk by chunk. It is SplitMix64
    (Steele, Lea & Flood 2014, https://doi.org/10.1145/2714064.2660195).
    """
    ends = [split.train, split.train + split.validation]
    return np.searchsorted(ends, _uniform(groups, seed), side="right").astype(np.int64)


def split_of_signal_groups(groups: NDArray[np.int64], split: Split, seed: int) -> NDArray[np.int64]:
    """Give each event of a signal, which none trains on, the index of its split: a share validates, the rest tests."""
    validates = _uniform(groups, seed) < split.signal_validation
    return np.where(validates, SPLITS.index("validation"), SPLITS.index("test")).astype(np.int64)


def _uniform(groups: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Give each group a number from 0 to 1."""
    hashed = splitmix64(groups.astype(np.uint64) ^ splitmix64(np.array([seed], dtype=np.uint64)))
    return np.asarray((hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of numbers, each by itself."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
