"""Scores of one model sorted once, so that a replica costs a gather and a cumulative sum: areas and efficiencies.

A replica is an integer weight per group of events; how groups are drawn does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.metrics import as_comparable
from fpgaae.statistics import (
    EventGroups,
    PassedEvents,
    Scores,
    as_scores,
    cumulated,
    effective_numbers,
    threshold_places,
)


def _narrow(counts: NDArray[np.int32]) -> NDArray[Any]:
    """Give counts in one byte each, as far as they fit: what is gathered from millions of groups stays in the cache."""
    return counts.astype(np.uint8) if int(counts.max(initial=0)) < 256 else counts


def _cumulative(weights: NDArray[Any]) -> NDArray[Any]:
    """Give the weight of the first i events, (n_events + 1,), in whole numbers where weights are."""
    kind = np.float64 if weights.dtype.kind == "f" else np.int64
    cumulative = np.zeros(weights.size + 1, dtype=kind)
    np.cumsum(weights, dtype=kind, out=cumulative[1:])
    return cumulative


class BackgroundReplica(NamedTuple):
    """The background of one replica, in the order of one model's scores."""

    cumulative: NDArray[Any]  # (n_background + 1,): weight of the first i events
    cuts: NDArray[np.int64]  # (n_fprs,): position of the threshold among the sorted scores
    events_above: NDArray[np.int64]  # (n_fprs,): events above the threshold; of weighted ones, their effective number
    excess: NDArray[np.float64]  # (n_fprs,): rate above the sample's own threshold, less that of the sample


class SignalReplica(NamedTuple):
    """One model and one signal in one replica; all but `auc` have the shape (n_fprs,)."""

    auc: float
    tpr: NDArray[np.float64]
    linear_tpr: NDArray[np.float64]  # at the sample's own threshold, corrected for the rate to first order
    events_above: NDArray[Any]  # weight
    background_above: NDArray[np.int64]


class Beside(NamedTuple):
    """A score next to a threshold at which several events lie: the true rates may want it as the threshold."""

    cut: int  # position of an event of that score among the sorted background
    background: PassedEvents  # above the lower one of both scores
    is_lower: bool  # than the threshold

    def is_possible(self, fpr: float, level: float) -> bool:
        """Tell whether an interval of the background's rate leaves it open which of both scores is the threshold."""
        rate = self.background.interval(level)
        return rate.low <= fpr if self.is_lower else rate.high > fpr


class RankedBackground:
    """Background scores of one model, sorted once; every replica costs one gather and one cumulative sum.

    Parameters
    ----------
    scores
        Shape (n_background,).
    groups
        Index of each event's group as given by `GroupResampler.index`, same shape.
    fprs
        False positive rates at which thresholds are placed.
    weights
        Above 0, same shape as the scores; None: each event counts 1.
    """

    def __init__(
        self, scores: NDArray[Any], groups: NDArray[np.int32], fprs: Sequence[float],
        weights: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        scores = as_scores(scores, "background")
        order = np.argsort(scores, kind="stable")
        self.ordered: Scores = scores[order]
        self._groups = groups[order]
        self._weights = None if weights is None else weights[order]
        self._fprs = tuple(fprs)
        n_events = self.ordered.size
        self.cumulative = cumulated(self._weights, n_events)
        self.n_kept = n_events - 1 - threshold_places(self.cumulative, fprs)
        thresholds = self.ordered[n_events - 1 - self.n_kept]
        self._ends = np.searchsorted(self.ordered, thresholds, side="right")
        self._starts = np.searchsorted(self.ordered, thresholds, side="left")
        self.tied = self._ends - self._starts > 1
        self._rates = (self.cumulative[-1] - self.cumulative[self._ends]) / self.cumulative[-1]

    def replica(self, counts: NDArray[np.int32]) -> BackgroundReplica:
        """Weights and thresholds when group g is taken ``counts[g]`` times.

        The threshold is that of `threshold_at_fpr` on the sample with its repetitions: the first sorted event whose
        cumulative weight leaves no more than the allowed number of events above it.
        """
        weights = _narrow(counts).take(self._groups)
        if self._weights is not None:
            weights = weights * self._weights
        cumulative = _cumulative(weights)
        total = cumulative[-1].item()
        cuts = threshold_places(cumulative, self._fprs)
        ends = np.searchsorted(self.ordered, self.ordered[cuts], side="right")
        excess = (total - cumulative[self._ends]) / total - self._rates
        above = total - cumulative[ends] if self._weights is None else effective_numbers(weights, ends)
        return BackgroundReplica(cumulative, cuts, above, excess)

    def beside(self) -> list[list[Beside]]:
        """Give for each rate the scores beside its threshold; none where no scores tie."""
        groups, found = EventGroups(self._groups, self._weights), []
        for start, end, tied in zip(self._starts.tolist(), self._ends.tolist(), self.tied, strict=True):
            scores = []
            if tied and start > 0:
                scores.append(Beside(start - 1, groups.count(slice(start, None)), is_lower=True))
            if tied and end < self.ordered.size:
                scores.append(Beside(end, groups.count(slice(end, None)), is_lower=False))
            found.append(scores)
        return found


class RankedSignal:
    """Scores of one signal, sorted once and placed among the background scores of the same model.

    Parameters
    ----------
    scores
        Shape (n_signal,).
    groups
        Index of each event's group, same shape.
    background
        The same model's background.
    weights
        Above 0, same shape as the scores; None: each event counts 1.
    """

    def __init__(
        self, scores: NDArray[Any], groups: NDArray[np.int32], background: RankedBackground,
        weights: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        ordered_background, scores = as_comparable(background.ordered, scores)
        order = np.argsort(scores, kind="stable")
        self._groups = groups[order]
        self._weights = None if weights is None else weights[order]
        self._event_groups = EventGroups(self._groups, self._weights)
        self._below = np.searchsorted(ordered_background, scores[order], side="left")
        self._not_above = np.searchsorted(ordered_background, scores[order], side="right")
        n_background = ordered_background.size
        self._nominal = self._first_above(n_background - 1 - background.n_kept)
        self._slopes = self._slopes_of(background)

    def _first_above(self, cuts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the index of the first signal event above sorted background events: more than i lie below it."""
        return np.searchsorted(self._below, cuts, side="right")

    def _slopes_of(self, background: RankedBackground) -> NDArray[np.float64]:
        """Give the slope of the ROC curve from half the kept background events to twice as many."""
        n_background, n_kept = background.ordered.size, background.n_kept
        fewer, more = n_kept // 2, np.minimum(2 * n_kept + 1, n_background - 1)
        own, of_background = cumulated(self._weights, self._below.size), background.cumulative
        first, last = (self._first_above(n_background - 1 - kept) for kept in (more, fewer))
        paid = (of_background[n_background - fewer] - of_background[n_background - more]) / of_background[-1]
        return np.asarray((own[last] - own[first]) / own[-1] / paid)

    def replica(self, counts: NDArray[np.int32], background: BackgroundReplica) -> SignalReplica:
        """AUC and efficiencies when group g is taken ``counts[g]`` times.

        With event weights w of the background and v of the signal::

            AUC = sum_j v_j (W(b < s_j) + W(b <= s_j)) / (2 sum(v) sum(w)),   W(c) = sum_i w_i [c]

        in integers up to the division, as `fpgaae.evaluation.metrics.auc` on the sample with its repetitions.

        With the sample's own threshold t, its false positive rate a, and the slope s of the curve around it::

            linear_tpr = TPR(t) - s (FPR(t) - a)

        whose spread is that of the efficiency at a fixed rate (R. R. Bahadur, Ann. Math. Statist. 37 (1966) 577, for
        quantiles), without the jumps of a threshold that has to be an observed score. Where scores tie, the threshold
        does jump, from one of few scores to the next, and the efficiency with it: there `tpr` has the right spread.
        """
        weights: NDArray[Any] = counts.take(self._groups).astype(np.int64)
        if self._weights is not None:
            weights = weights * self._weights
        cumulative = _cumulative(weights)
        total, total_background = cumulative[-1].item(), background.cumulative[-1].item()
        ranks = background.cumulative.take(self._below) + background.cumulative.take(self._not_above)
        area = np.dot(weights, ranks).item() / (2 * total * total_background)
        above = total - cumulative[self._first_above(background.cuts)]
        linear = 1 - cumulative[self._nominal] / total - self._slopes * background.excess
        return SignalReplica(area, above / total, linear, above, background.events_above)

    def passing(self, cut: int) -> PassedEvents:
        """Count the sample's own events above a sorted background event, and how they lie in groups."""
        return self._event_groups.count(slice(int(np.searchsorted(self._below, cut, side="right")), None))
