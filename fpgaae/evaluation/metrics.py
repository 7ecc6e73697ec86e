"""Area under the curve and signal efficiencies of anomaly scores: exact ranks, no interpolation.

An event is kept when its score is strictly above a threshold, in firmware and here. Integer scores stay integers, so
that ties of the firmware are ties here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.statistics import (
    DEFAULT_CONFIDENCE_LEVEL,
    Interval,
    Scores,
    as_scores,
    clopper_pearson,
    cumulated,
    threshold_at_fpr,
)

EXACT_FLOAT_INTEGERS = 2**53


class RocCurve(NamedTuple):
    """Observed working points: false positive rate (rising) and true positive rate, both of shape (n_points,)."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]


def as_comparable(background: NDArray[Any], signal: NDArray[Any]) -> tuple[Scores, Scores]:
    """Check two sets of scores, and bring them to one type without changing any value.

    Raises
    ------
    InputError
        If either is refused by `as_scores`, or if integers above 2**53 meet floating-point numbers.
    """
    first, second = as_scores(background, "background"), as_scores(signal, "signal")
    if first.dtype == second.dtype:
        return first, second
    integers = first if first.dtype == np.int64 else second
    if max(-int(integers.min()), int(integers.max())) > EXACT_FLOAT_INTEGERS:
        raise InputError(
            "Integer scores above 2**53 can't be compared with floating-point scores: give both as integers."
        )
    return first.astype(np.float64), second.astype(np.float64)


def auc(
    background: NDArray[Any],
    signal: NDArray[Any],
    background_weights: NDArray[np.float64] | None = None,
    signal_weights: NDArray[np.float64] | None = None,
) -> float:
    """Area under the ROC curve, from ranks.

    The Mann-Whitney form, exact in integers up to the last division, with ties counted half::

        AUC = (#(s > b) + #(s = b) / 2) / (n_s n_b)

    Parameters
    ----------
    background, signal
        Scores, shapes (n_background,) and (n_signal,); float64 or int64.
    background_weights, signal_weights
        Of the events, as many as scores: sums of weights then stand for numbers of events.

    Raises
    ------
    InputError
        If a score is not finite or an array is empty.

    Notes
    -----
    H. B. Mann and D. R. Whitney, Ann. Math. Statist. 18 (1947) 50; D. Bamber, J. Math. Psychol. 12 (1975) 387 for the
    equality with the area.

    Examples
    --------
    >>> auc(np.array([1, 2, 2, 3]), np.array([2, 3]))
    0.6875
    """
    background, signal = as_comparable(background, signal)
    ordered, cumulative = _ranked(background, background_weights)
    ranks = sum(cumulative[np.searchsorted(ordered, signal, side=side)] for side in ("left", "right"))
    if signal_weights is None:
        return float(np.sum(ranks).item() / (2 * cumulative[-1].item() * signal.size))
    return float(signal_weights @ ranks / (2 * cumulative[-1] * signal_weights.sum()))


def _ranked(scores: Scores, weights: NDArray[np.float64] | None) -> tuple[Scores, NDArray[Any]]:
    """Give sorted scores, and the weight of the first i of them."""
    order = np.argsort(scores, kind="stable")
    return scores[order], cumulated(None if weights is None else weights[order], scores.size)


def partial_auc(
    background: NDArray[Any],
    signal: NDArray[Any],
    max_fpr: float,
    background_weights: NDArray[np.float64] | None = None,
    signal_weights: NDArray[np.float64] | None = None,
) -> float:
    """Area under the ROC curve up to a false positive rate, standardised: 1 is perfect, 0.5 is chance.

    With the curve's points joined by lines (ties count half) and the areas up to the rate r of chance and of a perfect
    score, `r^2 / 2` and `r`::

        pAUC = (1 + (A - r^2 / 2) / (r - r^2 / 2)) / 2,   A = integral of the TPR from 0 to r

    Parameters
    ----------
    background, signal
        Scores, shapes (n_background,) and (n_signal,); float64 or int64.
    max_fpr
        The rate r, above 0 and at most 1.
    background_weights, signal_weights
        Of the events, as many as scores.

    Raises
    ------
    InputError
        If a score is not finite, an array is empty, or the rate is out of range.

    Notes
    -----
    D. K. McClish, Medical Decision Making 9 (1989) 190; scikit-learn's `roc_auc_score` with `max_fpr` is the same, and
    DCASE 2020 task 2 judges machine sounds by it.

    Examples
    --------
    >>> round(partial_auc(np.array([1, 2, 3, 4]), np.array([3, 5]), 0.5), 4)
    0.75
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"The false positive rate {max_fpr} of a partial area has to lie above 0 and at most be 1.")
    background, signal = as_comparable(background, signal)
    thresholds = np.unique(np.concatenate([background, signal]))[::-1]
    fpr, tpr = (
        np.append(0.0, 1 - cumulative[np.searchsorted(ordered, thresholds, side="left")] / cumulative[-1])
        for ordered, cumulative in (_ranked(background, background_weights), _ranked(signal, signal_weights))
    )
    inside = fpr <= max_fpr
    rates = np.append(fpr[inside], max_fpr)
    heights = np.append(tpr[inside], np.interp(max_fpr, fpr, tpr))
    area = float(np.sum(np.diff(rates) * (heights[1:] + heights[:-1]) / 2))
    by_chance = max_fpr**2 / 2
    return (1 + (area - by_chance) / (max_fpr - by_chance)) / 2


def tpr_at_fpr(
    background: NDArray[Any], signal: NDArray[Any], fpr: float, level: float = DEFAULT_CONFIDENCE_LEVEL
) -> Interval:
    """Signal efficiency at the threshold that `threshold_at_fpr` takes from the background.

    The Clopper-Pearson interval is that of the signal's statistics at this fixed threshold, for independent events; the
    background's statistics and groups of events are the matter of `fpgaae.evaluation.bootstrap`.

    Raises
    ------
    InputError
        If a score is not finite, an array is empty, or the rate or the level is out of range.
    """
    background, signal = as_comparable(background, signal)
    n_passed = int(np.count_nonzero(signal > threshold_at_fpr(background, fpr)))
    return clopper_pearson(n_passed, signal.size, level)


def roc_curve(
    background: NDArray[Any],
    signal: NDArray[Any],
    n_points: int = 200,
    *,
    background_weights: NDArray[np.float64] | None = None,
    signal_weights: NDArray[np.float64] | None = None,
) -> RocCurve:
    """Working points at observed thresholds, evenly spaced in the logarithm of the false positive rate.

    Every point can be reached with a threshold; between two of them the efficiency is that of the lower rate (draw it
    as a step). Thresholds that no background event passes are left out; the last point is (1, 1).

    Parameters
    ----------
    background, signal
        Scores, shapes (n_background,) and (n_signal,).
    n_points
        Number of rates asked for; ties and small samples give fewer points.
    background_weights, signal_weights
        Of the events, as many as scores.

    Raises
    ------
    InputError
        If a score is not finite, an array is empty, or fewer than two points are asked for.
    """
    if n_points < 2:
        raise InputError(f"A curve of {n_points} points can't be drawn: ask for at least 2.")
    background, signal = as_comparable(background, signal)
    (ordered, below), (ordered_signal, signal_below) = (
        _ranked(background, background_weights), _ranked(signal, signal_weights)
    )  # fmt: skip
    n_background = ordered.size
    n_passing = np.unique(np.rint(np.geomspace(1, n_background, n_points)).astype(np.int64))
    thresholds = np.unique(ordered[n_background - 1 - n_passing[n_passing < n_background]])[::-1]
    fpr = 1 - below[np.searchsorted(ordered, thresholds, side="right")] / below[-1]
    tpr = 1 - signal_below[np.searchsorted(ordered_signal, thresholds, side="right")] / signal_below[-1]
    seen = fpr > 0
    return RocCurve(np.append(fpr[seen], 1.0), np.append(tpr[seen], 1.0))
