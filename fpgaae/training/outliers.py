"""Unusual events made of background events, so that a student sees large scores although it never sees a signal.

CICADA shows its student simulated signals beside the background; events that are made up need none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fpgaae.config.distillation import OutlierKind
from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import Codes

_LARGEST_FACTOR = 8.0
_MOST_HOT = 8
Maker = Callable[[Codes, Codes, FeatureMap, np.random.Generator], Codes]


def make_outliers(
    codes: Codes, n: int, kinds: Sequence[OutlierKind], features: FeatureMap, rng: np.random.Generator
) -> Codes:
    """Make n events of each two background events, about as many of each kind.

    Parameters
    ----------
    codes
        Hardware integers of background events, (n_events, n_features).
    features
        Which hardware integers there are: what is made lies within their limits.

    Returns
    -------
    Hardware integers, (n, n_features).
    """
    first, second = (codes[rng.integers(0, len(codes), n)] for _ in range(2))
    kind_of = rng.integers(0, len(kinds), n)
    made = first.copy()
    for index, kind in enumerate(kinds):
        own = kind_of == index
        made[own] = _MAKERS[kind](first[own], second[own], features, rng)
    low, high = features.limits
    return np.asarray(np.clip(made, low, high))


def _mixed(first: Codes, second: Codes, features: FeatureMap, rng: np.random.Generator) -> Codes:
    del features
    return np.where(rng.random(first.shape) < 0.5, first, second)


def _overlaid(first: Codes, second: Codes, features: FeatureMap, rng: np.random.Generator) -> Codes:
    del features, rng
    return np.asarray(first + second)


def _scaled(first: Codes, second: Codes, features: FeatureMap, rng: np.random.Generator) -> Codes:
    """Multiply a random share of an event's integers by a factor of the event, uniform in its logarithm."""
    del second, features
    n = len(first)
    factors = np.exp(rng.uniform(0, np.log(_LARGEST_FACTOR), (n, 1)))
    chosen = rng.random(first.shape) < rng.random((n, 1))
    return np.where(chosen, np.rint(first * factors).astype(np.int64), first)


def _hot(first: Codes, second: Codes, features: FeatureMap, rng: np.random.Generator) -> Codes:
    """Give some integers of an event magnitudes that are uniform in their logarithm, up to the ends of their range."""
    del second
    n, n_features = first.shape
    wanted = rng.integers(1, _MOST_HOT + 1, (n, 1))
    chosen = rng.random((n, n_features)) < wanted / n_features
    low, high = features.limits
    is_negative = rng.random((n, n_features)) < 0.5
    largest = np.where(is_negative & (low < 0), low, high)
    magnitudes = np.exp(rng.random((n, n_features)) * np.log1p(np.abs(largest))) - 1
    return np.where(chosen, np.sign(largest) * np.rint(magnitudes).astype(np.int64), first)


_MAKERS: Mapping[OutlierKind, Maker] = {
    OutlierKind.MIXED: _mixed,
    OutlierKind.OVERLAID: _overlaid,
    OutlierKind.SCALED: _scaled,
    OutlierKind.HOT: _hot,
}
