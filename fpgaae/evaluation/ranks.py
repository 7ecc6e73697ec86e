"""Scores of one model sorted once, so that a replica costs a gather and a cumulative sum: areas and efficiencies.

A replica is an integer weight per group of events; how groups are drawn does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.metrics import as_comparable
from fpgaae.statistics import EventGroups, PassedEvents, Scores, as_scores, n_allowed


def _narrow(counts: NDArray[np.int32]) -> NDArray[Any]:
    """Give counts in one byte each, as far as they fit: what is gathered from millions of groups stays in the cache."""
    return counts.astype(np.uint8) if int(counts.max(initial=0)) < 256 else counts


class BackgroundReplica(NamedTuple):
    """The background of one replica, in the order of one model's scores."""

    cumulative: NDArray[np.int64]  # (n_background + 1,): weight of the first i events
    cuts: NDArray[np.int64]  # (n_fprs,): position of the threshold among the sorted scores
    events_above: NDArray[np.int64]  # (n_fprs,): weight above the threshold
    excess: NDArray[np.float64]  # (n_fprs,): rate above the sample's own threshold, less that of the sample


class SignalReplica(NamedTuple):
    """One model and one signal in one replica; all but `auc` have the shape (n_fprs,)."""

    auc: float
    tpr: NDArray[np.float64]
    linear_tpr: NDArray[np.float64]  # at the sample's own threshold, corrected for the rate to first order
    events_above: NDArray[np.int64]
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
    """

    def __init__(self, scores: NDArray[Any], groups: NDArray[np.int32], fprs: Sequence[float]) -> None:
        scores = as_scores(scores, "background")
        order = np.argsort(scores, kind="stable")
        self.ordered: Scores = scores[order]
        self._groups = groups[order]
        self._fprs = tuple(fprs)
        n_events = self.ordered.size
        self.n_kept = np.array([n_allowed(n_events, rate) for rate in fprs], dtype=np.int64)
        thresholds = self.ordered[n_events - 1 - self.n_kept]
        self._ends = np.searchsorted(self.ordered, thresholds, side="right")
        self._starts = np.searchsorted(self.ordered, thresholds, side="left")
        self.tied = self._ends - self._starts > 1

    def replica(self, counts: NDArray[np.int32]) -> BackgroundReplica:
        """Weights and thresholds when group g is taken ``counts[g]`` times.

        The threshold is that of `threshold_at_fpr` on the sample with its repetitions: the first sorted event whose
        cumulative weight leaves no more than the allowed number of events above it.
        """
        cumulative = np.zeros(self.ordered.size + 1, dtype=np.int64)
        np.cumsum(_narrow(counts).take(self._groups), dtype=np.int64, out=cumulative[1:])
        total = int(cumulative[-1])
        kept_below = np.array([total - n_allowed(total, rate) for rate in self._fprs], dtype=np.int64)
        cuts = np.searchsorted(cumulative[1:], kept_below, side="left")
        ends = np.searchsorted(self.ordered, self.ordered[cuts], side="right")
        n_events = self.ordered.size
        excess = (total - cumulative[self._ends]) / total - (n_events - self._ends) / n_events
        return BackgroundReplica(cumulative, cuts, total - cumulative[ends], excess)

    def beside(self) -> list[list[Beside]]:
        """Give for each rate the scores beside its threshold; none where no scores tie."""
        groups, found = EventGroups(self._groups), []
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
    """

    def __init__(self, scores: NDArray[Any], groups: NDArray[np.int32], background: RankedBackground) -> None:
        ordered_background, scores = as_comparable(background.ordered, scores)
        order = np.argsort(scores, kind="stable")
        self._groups = groups[order]
        self._event_groups = EventGroups(self._groups)
        self._below = np.searchsorted(ordered_background, scores[order], side="left")
        self._not_above = np.searchsorted(ordered_background, scores[order], side="right")
        n_background = ordered_background.size
        self._nominal = self._first_above(n_background - 1 - background.n_kept)
        self._slopes = self._slopes_of(background.n_kept, n_background)

    def _first_above(self, cuts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the index of the first signal event above sorted background events: more than i lie below it."""
        return np.searchsorted(self._below, cuts, side="right")

    def _slopes_of(self, n_kept: NDArray[np.int64], n_background: int) -> NDArray[np.float64]:
        """Give the slope of the ROC curve from half the kept background events to twice as many."""
        fewer, more = n_kept // 2, np.minimum(2 * n_kept + 1, n_background - 1)
        gained = self._first_above(n_background - 1 - fewer) - self._first_above(n_background - 1 - more)
        return np.asarray(gained / self._below.size / ((more - fewer) / n_background))

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
        weights = counts.take(self._groups).astype(np.int64)
        cumulative = np.zeros(weights.size + 1, dtype=np.int64)
        np.cumsum(weights, out=cumulative[1:])
        total, total_background = int(cumulative[-1]), int(background.cumulative[-1])
        ranks = background.cumulative.take(self._below) + background.cumulative.take(self._not_above)
        area = int(np.dot(weights, ranks)) / (2 * total * total_background)
        above = total - cumulative[self._first_above(background.cuts)]
        linear = 1 - cumulative[self._nominal] / total - self._slopes * background.excess
        return SignalReplica(area, above / total, linear, above, background.events_above)

    def passing(self, cut: int) -> PassedEvents:
        """Count the sample's own events above a sorted background event, and how they lie in groups."""
        return self._event_groups.count(slice(int(np.searchsorted(self._below, cut, side="right")), None))
