"""How far two samples are apart: the energy distance, and how well a classifier tells them apart.

Both come with an interval that takes events for independent: of events in groups, give one of each. What the samples
are does not matter here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.special import ndtri
from scipy.stats import t as student_t

from fpgaae.errors import InputError
from fpgaae.evaluation.delong import ScoredGroups, delong
from fpgaae.statistics import DEFAULT_CONFIDENCE_LEVEL, Interval

_BLOCKS = 10


def one_event_a_group(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Give the numbers of events of which no two are of one group, in random order: those are independent."""
    order = rng.permutation(len(groups))
    _, first = np.unique(groups[order], return_index=True)
    return np.asarray(order[np.sort(first)])


def energy_distance(
    first: NDArray[Any], second: NDArray[Any], level: float = DEFAULT_CONFIDENCE_LEVEL, n_blocks: int = _BLOCKS
) -> Interval:
    """Energy distance of two samples, 0 in the mean if they have one distribution and larger otherwise.

    With X, X' of the first and Y, Y' of the second, all independent::

        D^2 = 2 E|X - Y| - E|X - X'| - E|Y - Y'|

    without bias from pairs of different events, in disjoint blocks of both samples; the interval is Student's for the
    mean of the blocks.

    Parameters
    ----------
    first, second
        Shapes (n, n_features) and (m, n_features).

    Raises
    ------
    InputError
        If a block would have fewer than two events.

    Notes
    -----
    G. J. Szekely & M. L. Rizzo, J. Stat. Plan. Inference 143 (2013) 1249, eq. 2.1.
    """
    if min(len(first), len(second)) < 2 * n_blocks:
        raise InputError(f"samples of {len(first)} and {len(second)} events are too small for {n_blocks} blocks")
    pairs = zip(np.array_split(first, n_blocks), np.array_split(second, n_blocks), strict=True)
    values = np.array([2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean() for x, y in pairs])
    half = student_t.ppf((1 + level) / 2, n_blocks - 1) * values.std(ddof=1) / np.sqrt(n_blocks)
    mean = float(values.mean())
    return Interval(mean, mean - float(half), mean + float(half))


def classifier_auc(first: NDArray[Any], second: NDArray[Any], level: float = DEFAULT_CONFIDENCE_LEVEL) -> Interval:
    """Area under the curve of a classifier that tells two samples apart: 0.5 if nothing does, 1 if everything does.

    With n events in one half of both samples, the score of an event of the other halves is the share of the second
    sample among its sqrt(n) nearest neighbours; the interval is DeLong's.

    Notes
    -----
    D. Lopez-Paz & M. Oquab, "Revisiting classifier two-sample tests", arXiv 1610.06545, section 5 (C2ST-KNN).
    """
    known = np.concatenate([first[::2], second[::2]])
    is_second = np.repeat([0.0, 1.0], [len(first[::2]), len(second[::2])])
    n_neighbours = max(int(np.sqrt(len(known))), 1)
    scored = []
    for own in (first[1::2], second[1::2]):
        nearest = np.argpartition(cdist(own, known), n_neighbours - 1, axis=1)[:, :n_neighbours]
        scored.append([ScoredGroups(is_second[nearest].mean(axis=1), np.arange(len(own)))])
    areas = delong(*scored)
    auc = float(areas.auc[0])
    half = float(ndtri((1 + level) / 2) * np.sqrt(areas.covariance[0, 0]))
    return Interval(auc, max(auc - half, 0.0), min(auc + half, 1.0))
