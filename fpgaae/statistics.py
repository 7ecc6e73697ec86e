"""Rates and thresholds of scores: exact counts, no interpolation, binomial intervals.

An event is kept when its score is strictly above a threshold, in firmware and here. Integer scores stay integers, so
that ties of the firmware are ties here.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from fpgaae.errors import InputError

Scores: TypeAlias = NDArray[np.float64] | NDArray[np.int64]

DEFAULT_CONFIDENCE_LEVEL = 0.6827


class Interval(NamedTuple):
    """A value with the two ends of its confidence interval."""

    value: float
    low: float
    high: float


def leading_components(covariance: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Give the principal components, (n_features, n_components): eigenvectors of the largest eigenvalues as columns.

    Parameters
    ----------
    covariance
        (n_features, n_features), or any positive multiple of it.
    """
    return np.asarray(np.linalg.eigh(covariance).eigenvectors[:, : -n_components - 1 : -1])


def as_scores(values: NDArray[Any], name: str) -> Scores:
    """Check one score per event, and widen it to float64 or int64.

    Parameters
    ----------
    values
        Scores, shape (n_events,), of any real or integer type.
    name
        What the scores belong to, for the error message ("background", "firmware scores of `zprime`").

    Raises
    ------
    InputError
        If the array is empty, not one-dimensional, not numeric, or holds a NaN or an infinity.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"The {name} scores have the shape {array.shape}: give one score per event, for some events.")
    if np.issubdtype(array.dtype, np.integer):
        if array.dtype == np.uint64 and int(array.max()) > np.iinfo(np.int64).max:
            raise InputError(f"The {name} scores reach {array.max()}, which int64 can't hold: scale them down.")
        return array.astype(np.int64, copy=False)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"The {name} scores have the type {array.dtype}: give integers or floating-point numbers.")
    finite = np.isfinite(array)
    if not finite.all():
        first = int(np.argmin(finite))
        raise InputError(
            f"The {name} scores hold {array.size - int(finite.sum())} values that are not finite, the first "
            f"({array[first]}) at event {first}: look for an overflow in the model that wrote them."
        )
    return array.astype(np.float64, copy=False)


def n_allowed(n_events: int, fpr: float) -> int:
    """Largest number of events k with ``k / n_events <= fpr``, rounding of the product notwithstanding.

    Raises
    ------
    InputError
        If the rate is outside [0, 1): at a rate of one no observed threshold lets every event pass.

    Examples
    --------
    >>> n_allowed(100, 0.29)  # 0.29 * 100 is 28.999999999999996
    29
    """
    if not 0.0 <= fpr < 1.0:
        raise InputError(f"The false positive rate {fpr} is outside [0, 1): ask for a rate such as 1e-3.")
    allowed = int(fpr * n_events)
    if (allowed + 1) / n_events <= fpr:
        return allowed + 1
    return allowed - 1 if allowed / n_events > fpr else allowed


def threshold_at_fpr(background: NDArray[Any], fpr: float) -> float | int:
    """Observed background score t for which ``score > t`` keeps the largest rate that does not exceed `fpr`.

    With k the largest number of events within the rate, t is the (k + 1)-th largest score: at most k scores lie above
    it, and above any smaller observed score lie more than k. Ties at t all fail, hence the achieved rate can be lower.

    Parameters
    ----------
    background
        Scores, shape (n_background,).
    fpr
        False positive rate, in [0, 1).

    Returns
    -------
    An `int` for integer scores and a `float` otherwise.

    Raises
    ------
    InputError
        If the scores are empty or not finite, or the rate is outside [0, 1).

    Examples
    --------
    >>> threshold_at_fpr(np.arange(10), 0.2)
    7
    """
    scores = as_scores(background, "background")
    index = scores.size - 1 - n_allowed(scores.size, fpr)
    threshold: float | int = np.partition(scores, index)[index].item()
    return threshold


def clopper_pearson(n_passed: int, n_total: int, level: float = DEFAULT_CONFIDENCE_LEVEL) -> Interval:
    """Efficiency with its exact ("central") binomial interval.

    With alpha = 1 - level and B the quantile function of the beta distribution::

        low = B(alpha/2; k, n - k + 1),  high = B(1 - alpha/2; k + 1, n - k)

    Raises
    ------
    InputError
        If the counts are not 0 <= n_passed <= n_total with n_total > 0, or the level is outside (0, 1).

    Notes
    -----
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404. Chosen over Wilson's because it never undercovers, which
    matters for the few signal events at low rates; it is what ROOT's `TEfficiency` uses by default.
    """
    if not 0 <= n_passed <= n_total or n_total == 0:
        raise InputError(f"{n_passed} of {n_total} events is no efficiency: give 0 <= passed <= total, total > 0.")
    tail = (1 - check_level(level)) / 2
    low = 0.0 if n_passed == 0 else float(betaincinv(n_passed, n_total - n_passed + 1, tail))
    high = 1.0 if n_passed == n_total else float(betaincinv(n_passed + 1, n_total - n_passed, 1 - tail))
    return Interval(n_passed / n_total, low, high)


def check_level(level: float) -> float:
    """Return a confidence level, or raise `InputError` if it is outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InputError(f"The confidence level {level} is outside (0, 1): give a fraction such as 0.6827.")
    return level


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values for having made m tests at once; the probability of one false rejection stays below the level.

    With the p-values in rising order::

        adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))

    Valid whatever the tests' dependence, and never weaker than Bonferroni's correction.

    Parameters
    ----------
    p_values
        Shape (m,); m may be 0.

    Returns
    -------
    Adjusted p-values in the order given, shape (m,): compare them with the level itself.

    Raises
    ------
    InputError
        If a value is outside [0, 1] or the array is not one-dimensional.

    Notes
    -----
    S. Holm, Scand. J. Statist. 6 (1979) 65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"The p-values {values.tolist()} can't be corrected: give a list of numbers from 0 to 1.")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
