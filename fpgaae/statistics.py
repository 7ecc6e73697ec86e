"""Rates and thresholds of scores: exact counts, no interpolation, binomial intervals that count groups of events.

An event is kept when its score is strictly above a threshold, in firmware and here. Integer scores stay integers, so
that ties of the firmware are ties here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from fpgaae.errors import InputError

Scores: TypeAlias = NDArray[np.float64] | NDArray[np.int64]
Weights: TypeAlias = Mapping[str, NDArray[np.float64]]  # by process, one an event; each event of the others counts 1
NO_WEIGHTS: Weights = MappingProxyType({})

DEFAULT_CONFIDENCE_LEVEL = 0.6827
_ROUNDING = 1e-12  # of a sum of weights, as a share of it
_PRIOR_EVENTS = 0.5  # that count as if they passed in whole groups: the spread of few events says little


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


def cumulated(weights: NDArray[np.float64] | None, n_events: int) -> NDArray[Any]:
    """Give the weight of the first i events for i from 0 to `n_events`; without weights, in whole numbers."""
    if weights is None:
        return np.arange(n_events + 1, dtype=np.int64)
    return np.concatenate([[0.0], np.cumsum(weights)])


def threshold_places(cumulative: NDArray[Any], fprs: Sequence[float]) -> NDArray[np.int64]:
    """Give for each rate the place of the threshold among sorted scores, from `cumulated` weights in their order.

    It is the first score above which no more than the allowed weight lies, (n_fprs,). Sums of weights are compared with
    a margin for their rounding; whole numbers are exact.

    Raises
    ------
    InputError
        If a rate is outside [0, 1).
    """
    total = cumulative[-1].item()
    if isinstance(total, int):
        kept: list[float] = [total - n_allowed(total, rate) for rate in fprs]
    else:
        for rate in fprs:
            n_allowed(1, rate)
        kept = [total * (1 - rate - _ROUNDING) for rate in fprs]
    return np.searchsorted(cumulative[1:], kept, side="left")


def threshold_at_fpr(
    background: NDArray[Any], fpr: float, weights: NDArray[np.float64] | None = None
) -> float | int:  # fmt: skip
    """Observed background score t for which ``score > t`` keeps the largest rate that does not exceed `fpr`.

    With k the largest number of events within the rate, t is the (k + 1)-th largest score: at most k scores lie above
    it, and above any smaller observed score lie more than k. Ties at t all fail, hence the achieved rate can be lower.

    Parameters
    ----------
    background
        Scores, shape (n_background,).
    fpr
        False positive rate, in [0, 1).
    weights
        Of the events, shape (n_background,): the rate is then a share of their sum.

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
    if weights is not None:
        order = np.argsort(scores, kind="stable")
        (place,) = threshold_places(cumulated(weights[order], scores.size), (fpr,))
        weighted: float | int = scores[order[place]].item()
        return weighted
    index = scores.size - 1 - n_allowed(scores.size, fpr)
    threshold: float | int = np.partition(scores, index)[index].item()
    return threshold


def clopper_pearson(
    n_passed: float, n_total: float, level: float = DEFAULT_CONFIDENCE_LEVEL, design_effect: float = 1.0
) -> Interval:
    """Efficiency with its exact ("central") binomial interval.

    With alpha = 1 - level and B the quantile function of the beta distribution::

        low = B(alpha/2; k, n - k + 1),  high = B(1 - alpha/2; k + 1, n - k)

    Parameters
    ----------
    n_passed, n_total
        Numbers of events; of weighted ones, effective numbers.
    level
        Confidence level.
    design_effect
        By how much the variance is larger than that of independent events: k and n are both divided by it.

    Raises
    ------
    InputError
        If the counts are not 0 <= n_passed <= n_total with n_total > 0, or the level is outside (0, 1).

    Notes
    -----
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404. Chosen over Wilson's because it never undercovers, which
    matters for the few signal events at low rates; it is what ROOT's `TEfficiency` uses by default. With a design
    effect: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193.
    """
    if not 0 <= n_passed <= n_total or n_total == 0:
        raise InputError(f"{n_passed} of {n_total} events is no efficiency: give 0 <= passed <= total, total > 0.")
    tail = (1 - check_level(level)) / 2
    k, failed = n_passed / design_effect, (n_total - n_passed) / design_effect
    low = 0.0 if n_passed == 0 else float(scipy.special.betaincinv(k, failed + 1, tail))
    high = 1.0 if n_passed == n_total else float(scipy.special.betaincinv(k + 1, failed, 1 - tail))
    return Interval(n_passed / n_total, low, high)


class EffectiveCount(NamedTuple):
    """As many independent events as say as much of a share as grouped or weighted ones; else their numbers."""

    passed: float
    events: float


class GroupSpread(NamedTuple):
    """How passing events lie in groups, with k of m events of a group and the share p of all of them passing.

    Of weighted events k and m are sums of weights, scaled as those of `PassedEvents.weighed`.
    """

    n_groups: int
    squares: float  # sum over the groups of (k - p m)^2
    fourth_powers: float  # the same of (k - p m)^4
    mean_size: float  # of the group that an event lies in: sum of m^2 / sum of m


class PassedEvents(NamedTuple):
    """How many events pass; `spread` is None where every event is a group of its own and counts the same.

    Weights w are scaled by sum(w) / sum(w^2): all of them then sum to the effective number of events (Kish), whose
    share p is known as well as that of so many events that count 1.
    """

    passed: int
    events: int
    spread: GroupSpread | None = None
    weighed: EffectiveCount | None = None  # scaled sums of weights; None: each event counts 1

    @property
    def counted(self) -> EffectiveCount:
        """Scaled sums of weights, or numbers of events."""
        return EffectiveCount(self.passed, self.events) if self.weighed is None else self.weighed

    @property
    def share(self) -> float:
        """The share that passes."""
        return self.counted.passed / self.counted.events

    def design_effect(self, level: float) -> float:
        """Factor by which groups enlarge the variance of the share, as an interval at a level has to count it.

        With S the sum of squares of `GroupSpread`, F that of fourth powers, M the mean size, n events in G groups, and
        t and z the quantiles of Student's and the normal distribution at (1 + level) / 2::

            D = max(1, (S + M / 2) / (n p (1 - p) + 1 / 2)),   nu = min(2 S^2 / F, G - 1)
            result = min(1 + (D - 1) (t_nu / z)^2 G / (G - 1), max(M, D))

        S / (n p (1 - p)) is the ratio of the variances. The halves are half an event that passes in a whole group:
        without any the result is M, the largest possible one of equal groups. The factor of D - 1 is what an estimate
        from few groups has to pay. The halves and the bound M are a choice, made and proven by toys
        (`benchmarks/coverage.py`).

        Notes
        -----
        L. Kish, Survey Sampling (1965), chapter 8, for design effects; F. E. Satterthwaite, Biometrics Bulletin 2
        (1946) 110, for nu; E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193, for the use of both.
        """
        check_level(level)
        if self.spread is None:
            return 1.0
        n_groups, squares, fourth_powers, mean_size = self.spread
        passed, events = self.counted
        binomial = passed * (events - passed) / events
        found = max(1.0, (squares + _PRIOR_EVENTS * mean_size) / (binomial + _PRIOR_EVENTS))
        if n_groups < 2 or fourth_powers == 0:
            return max(found, mean_size)
        freedom = min(2 * squares**2 / fourth_powers, n_groups - 1)
        quantiles = scipy.special.stdtrit(freedom, (1 + level) / 2) / scipy.special.ndtri((1 + level) / 2)
        paid = 1 + (found - 1) * float(quantiles) ** 2 * n_groups / (n_groups - 1)
        return min(paid, max(mean_size, found))

    def effective(self, level: float) -> EffectiveCount:
        """Give the counts divided by the design effect."""
        design_effect = self.design_effect(level)
        return EffectiveCount(*(count / design_effect for count in self.counted))

    def interval(self, level: float) -> Interval:
        """Give the share with its Clopper-Pearson interval of the effective counts.

        Raises
        ------
        InputError
            If there are no events, or the level is outside (0, 1).
        """
        return clopper_pearson(*self.counted, level, self.design_effect(level))


class EventGroups:
    """The independent groups that the events of a process belong to.

    Parameters
    ----------
    labels
        The group of each event, shape (n_events,); any integers.
    weights
        Of the events, shape (n_events,): 0 or more, and not all 0; kept with the scale of `PassedEvents.weighed`.
        None: each counts 1.

    Raises
    ------
    InputError
        If all weights are 0.
    """

    def __init__(self, labels: NDArray[Any], weights: NDArray[np.float64] | None = None) -> None:
        _, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        if weights is not None:
            refuse_weightless(weights)
        self.weights = None if weights is None else weights * (weights.sum() / (weights @ weights))
        self.index: NDArray[np.int64] = index
        self.sizes = self._sums(slice(None)) if weights is not None else sizes.astype(np.float64)
        self.n_events = int(index.size)
        self.n_groups = int(sizes.size)

    @property
    def are_single(self) -> bool:
        """Whether every event is a group of its own, so that events are independent."""
        return self.n_groups == self.n_events

    @property
    def mean_size(self) -> float:
        """Size of the group that an event lies in, on average: sum of squares of the sizes / number of events."""
        return float(self.sizes @ self.sizes) / self.effective_events

    @property
    def effective_events(self) -> float:
        """As many events of weight 1 as weighted ones are worth, groups left aside: sum(w)^2 / sum(w^2)."""
        return self.n_events if self.weights is None else float(self.sizes.sum())

    def weightless(self) -> NDArray[np.bool_]:
        """Tell which events have the weight 0, (n_events,): they count nowhere."""
        return np.zeros(self.n_events, dtype=np.bool_) if self.weights is None else self.weights == 0

    def part(self, own: NDArray[np.bool_]) -> EventGroups:
        """Give the groups of some of the events."""
        return EventGroups(self.index[own], None if self.weights is None else self.weights[own])

    def count(self, passing: NDArray[Any] | slice) -> PassedEvents:
        """Count passing events, and how they lie in groups.

        Parameters
        ----------
        passing
            One flag an event, or the places of the events that pass.
        """
        n_passed = int(self.index[passing].size)
        if self.are_single and self.weights is None:
            return PassedEvents(n_passed, self.n_events)
        by_group, weighed = self._sums(passing), None
        if self.weights is not None:
            every = self.effective_events
            passed = every if n_passed == self.n_events else min(float(by_group.sum()), every)
            weighed = EffectiveCount(passed, every)
        found = PassedEvents(n_passed, self.n_events, None, weighed)
        squares = (by_group - found.share * self.sizes) ** 2
        spread = GroupSpread(self.n_groups, float(squares.sum()), float(squares @ squares), self.mean_size)
        return found._replace(spread=spread)

    def _sums(self, passing: NDArray[Any] | slice) -> NDArray[Any]:
        """Count the passing events of each group, or sum their weights, (n_groups,)."""
        weights = None if self.weights is None else self.weights[passing]
        return np.bincount(self.index[passing], weights=weights, minlength=int(self.index.max()) + 1)

    def error_of_mean(self, values: NDArray[np.float64]) -> float | None:
        """Give the standard error of the mean of one value an event; None for fewer than two groups."""
        if self.n_groups < 2:
            return None
        if self.are_single:
            return float(values.std(ddof=1) / np.sqrt(values.size))
        sums = np.bincount(self.index, weights=values - values.mean(), minlength=self.n_groups)
        return float(np.sqrt(sums @ sums * self.n_groups / (self.n_groups - 1)) / self.n_events)


def whole_number(effective: float) -> int:
    """Round an effective number of events down, but not below the whole number that equal weights stand for."""
    return int(effective * (1 + _ROUNDING))


def effective_numbers(weights: NDArray[np.float64], firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the effective number of the events from each of some places on: sum(w)^2 / sum(w^2), rounded down."""
    tails = [weights[first:] for first in firsts.tolist()]
    return np.array([whole_number(t.sum() ** 2 / (t @ t)) if t.any() else 0 for t in tails], dtype=np.int64)


def refuse_weightless(weights: NDArray[np.float64], process: str = "") -> None:
    """Raise `InputError` if all weights are 0: shares of such events are none."""
    if not weights.any():
        raise InputError(
            f"The weights of all {weights.size:,} events{f' of `{process}`' if process else ''} are 0, so that shares "
            "of them are none: correct `data.columns.weight`, or give events of which some have a weight."
        )


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
