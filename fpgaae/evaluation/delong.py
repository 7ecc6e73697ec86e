"""Variance of areas under the curve without resampling (DeLong), for groups of events: a cross-check of the bootstrap.

Intervals and verdicts come from the bootstrap; what disagrees with it here is a reason to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fpgaae.errors import InputError
from fpgaae.evaluation.metrics import as_comparable
from fpgaae.runs.results.metrics import AreaTest


class ScoredGroups(NamedTuple):
    """One process: a model's scores, (n_events,), and the group of each event, (n_events,)."""

    scores: NDArray[Any]
    groups: NDArray[np.int64]


class Areas(NamedTuple):
    """Areas under the curve of several models on the same events, (n_models,), and their covariance."""

    auc: NDArray[np.float64]
    covariance: NDArray[np.float64]


def delong(background: Sequence[ScoredGroups], signal: Sequence[ScoredGroups]) -> Areas:
    """Give the areas of several models and their covariance, from the placements of each event.

    With V_j the share of the background below signal event j, and V_i the share of the signal above background event i
    (ties count half), A their mean, n the events and I the groups of a process::

        cov(A, A') = sum over both processes of I / (I - 1) sum_g (sum_(j in g) V_j - A) (sum_(j in g) V'_j - A') / n^2

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
    placements = [_placements(b.scores, s.scores) for b, s in zip(background, signal, strict=True)]
    areas = np.array([own[1].mean() for own in placements])
    covariance = np.zeros((len(areas), len(areas)))
    for index, process in enumerate((background, signal)):
        covariance += _covariance(np.stack([own[index] for own in placements]) - areas[:, None], process[0].groups)
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
        return float(ndtr((margin - size) / standard_error) + ndtr((-margin - size) / standard_error))
    return float(size <= margin)


def _placements(background: NDArray[Any], signal: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the share of the signal above each background event, and of the background below each signal event."""
    background, signal = as_comparable(background, signal)
    ordered_background, ordered_signal = np.sort(background), np.sort(signal)
    below = sum(np.searchsorted(ordered_background, signal, side=side) for side in ("left", "right"))
    not_above = sum(np.searchsorted(ordered_signal, background, side=side) for side in ("left", "right"))
    return np.asarray(1 - not_above / (2 * signal.size)), np.asarray(below / (2 * background.size))


def _covariance(centred: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the covariance of the means of grouped values, (n_models, n_events), about a known centre."""
    labels, index = np.unique(groups, return_inverse=True)
    if labels.size < 2:
        raise InputError(f"There are {labels.size} groups of events: give at least 2, which a variance needs.")
    sums = np.stack([np.bincount(index, weights=values, minlength=labels.size) for values in centred])
    return np.asarray(sums @ sums.T * (labels.size / (labels.size - 1)) / groups.size**2)
