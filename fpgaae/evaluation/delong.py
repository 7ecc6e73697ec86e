"""Variance of areas under the curve without resampling (DeLong), for groups of events: a cross-check of the bootstrap.

Intervals and verdicts come from the bootstrap; what disagrees with it here is a reason to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.metrics import as_comparable
from fpgaae.runs.results.metrics import AreaTest
from fpgaae.statistics import cumulated


class ScoredGroups(NamedTuple):
    """One process: a model's scores, the group of each event, and its weight (None: 1), (n_events,) each."""

    scores: NDArray[Any]
    groups: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None


class Areas(NamedTuple):
    """Areas under the curve of several models on the same events, (n_models,), and their covariance."""

    auc: NDArray[np.float64]
    covariance: NDArray[np.float64]


def delong(background: Sequence[ScoredGroups], signal: Sequence[ScoredGroups]) -> Areas:
    """Give the areas of several models and their covariance, from the placements of each event.

    With V_j the share of the background below signal event j, and V_i the share of the signal above background event i
    (ties count half), A their mean, n the events and I the groups of a process::

        cov(A, A') = sum over both processes of I / (I - 1) sum_g (sum_(j in g) V_j - A) (sum_(j in g) V'_j - A') / n^2

    Of weighted events, shares, means and sums are weighted, and n is the sum of the weights.

    Parameters
    ----------
    background, signal
        One entry a model, for the same events in the same order.

    Raises
    ------
    InputError
        If a process has fewer than two groups, or scores can't be compared.

    Notes
    -----
    E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837, for independent events;
    N. A. Obuchowski, Biometrics 53 (1997) 567, for groups of them, here of one process each.
    """
    placements = [_placements(b, s) for b, s in zip(background, signal, strict=True)]
    areas = np.array([np.average(own[1], weights=signal[0].weights) for own in placements])
    covariance = np.zeros((len(areas), len(areas)))
    for index, process in enumerate((background, signal)):
        covariance += _covariance(np.stack([own[index] for own in placements]) - areas[:, None], process[0])
    return Areas(areas, covariance)


def compare_areas(areas: Areas, model: int, reference: int) -> AreaTest:
    """Test whether the areas of two models differ: z = difference / standard error is normal where they do not."""
    difference = float(areas.auc[model] - areas.auc[reference])
    c = areas.covariance
    error = float(np.sqrt(max(c[model, model] + c[reference, reference] - 2 * c[model, reference], 0.0)))
    return AreaTest(difference, error, two_sided_p_value(difference, error))


def two_sided_p_value(difference: float, standard_error: float, margin: float = 0.0) -> float:
    """Give the probability of so large a difference, either way, if the true one is at most a margin.

    With m the margin, and Phi the normal distribution of the difference's error s::

        p = Phi((m - |difference|) / s) + Phi((-m - |difference|) / s)

    Where nothing spreads, it is 1 for a difference within the margin and 0 for any beyond.
    """
    size = abs(difference)
    if standard_error > 0:
        return float(
            scipy.special.ndtr((margin - size) / standard_error) + scipy.special.ndtr((-margin - size) / standard_error)
        )
    return float(size <= margin)


def _placements(background: ScoredGroups, signal: ScoredGroups) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the share of the signal above each background event, and of the background below each signal event."""
    of_background, of_signal = as_comparable(background.scores, signal.scores)
    not_above = _share_below(of_signal, signal.weights, of_background)
    return np.asarray(1 - not_above), _share_below(of_background, background.weights, of_signal)


def _share_below(
    scores: NDArray[Any], weights: NDArray[np.float64] | None, of: NDArray[Any]
) -> NDArray[np.float64]:  # fmt: skip
    """Give the share of some scores below each of others; ties count half."""
    order = np.argsort(scores, kind="stable")
    ordered, cumulative = scores[order], cumulated(None if weights is None else weights[order], scores.size)
    below = sum(cumulative[np.searchsorted(ordered, of, side=side)] for side in ("left", "right"))
    return np.asarray(below / (2 * cumulative[-1]))


def _covariance(centred: NDArray[np.float64], process: ScoredGroups) -> NDArray[np.float64]:
    """Give the covariance of the means of grouped values, (n_models, n_events), about a known centre."""
    labels, index = np.unique(process.groups, return_inverse=True)
    total = float(process.groups.size) if process.weights is None else float(process.weights.sum())
    if process.weights is not None:
        centred = centred * process.weights
    if labels.size < 2:
        raise InputError(f"There are {labels.size} groups of events: give at least 2, which a variance needs.")
    sums = np.stack([np.bincount(index, weights=values, minlength=labels.size) for values in centred])
    return np.asarray(sums @ sums.T * (labels.size / (labels.size - 1)) / total**2)
