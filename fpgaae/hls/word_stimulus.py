"""Events of words at the edges of their declaration: none, overflow, both ends of a turn, and what lies beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.data.words import word_limits
from fpgaae.fixedpoint import Codes

_EDGE_SHARE = 0.3  # of the words of a filled slot


def word_events(features: FeatureMap, n: int, rng: np.random.Generator) -> Codes:
    """Make events of objects with words, (n, n_features): some slots empty, some of the words at an edge.

    An empty slot keeps an eta and a phi, which do not count. Small pT are as frequent as large ones, so that not every
    score is saturated.
    """
    hardware = [feature.hardware for feature in features.features]
    low, high = word_limits(hardware)
    words = rng.integers(low, high + 1, size=(n, len(hardware)))
    pt = slice(0, None, len(QUANTITIES))
    reach = np.log2(high[pt] + 1.0)
    words[:, pt] = (2.0 ** (rng.random((n, len(reach))) * reach)).astype(np.int64) - 1
    for column, feature in enumerate(hardware):
        edges = np.array(edge_words(feature), dtype=np.int64)
        at_edge = rng.random(n) < _EDGE_SHARE
        words[at_edge, column] = edges[rng.integers(len(edges), size=int(at_edge.sum()))]
    filled = rng.random((n, len(reach))) < rng.random((n, 1))
    none = np.array([_none_of(feature) for feature in hardware[pt]], dtype=np.int64)
    words[:, pt] = np.where(filled, words[:, pt], none)
    return words


def edge_words(feature: HardwareFeature) -> Sequence[int]:
    """Give the words of a port at which something changes, and their neighbours, in order."""
    (low,), (high,) = (limits.tolist() for limits in word_limits([feature]))
    at = {low, high, 0}
    if (word := feature.word) is not None:
        half = word.steps // 2
        first, last = word.limits
        at |= {first, last, word.code_offset, word.code_offset + half, word.code_offset - half}
        at |= {special for special in (word.none, word.overflow) if special is not None}
    return sorted({code for edge in at for code in (edge - 1, edge, edge + 1) if low <= code <= high})


def _none_of(feature: HardwareFeature) -> int:
    none = None if feature.word is None else feature.word.none
    return 0 if none is None else none
