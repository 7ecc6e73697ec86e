"""Thresholds on the grid of the integer score, for the false positive or trigger rates that the config asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Trigger
from fpgaae.data.source import WEIGHT
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cells import Sample, cell_thresholds, find_cells
from fpgaae.hls.stimulus import CHUNK_EVENTS
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun
from fpgaae.statistics import (
    EffectiveCount,
    EventGroups,
    GroupSpread,
    Interval,
    PassedEvents,
    cumulated,
    threshold_places,
)

TEST_LEVEL = 0.95  # that the number of effective events is given for: of the test whether another sample agrees


class WorkingPoint(NamedTuple):
    """A threshold and what it lets pass of the events that it was chosen on; an event passes above it, not at it."""

    requested: float  # share of the background
    code: int
    n_events: int
    n_passed: int
    n_at: int  # events exactly at the threshold, which all fail: without ties, 1
    level: float
    spread: GroupSpread | None = None  # of the events that pass over their groups; None where each is its own
    weighed: EffectiveCount | None = None  # None: each event counts 1
    of_cells: tuple[int, ...] | None = None  # the code of each cell, which decides in the place of `code`

    @property
    def passed(self) -> PassedEvents:
        """The events that pass."""
        return PassedEvents(self.n_passed, self.n_events, self.spread, self.weighed)

    @property
    def rate(self) -> Interval:
        """The share of the events that pass, with its Clopper-Pearson interval; groups and weights count."""
        return self.passed.interval(self.level)

    def entry(self, score: FixedPointType, trigger: Trigger) -> Threshold:
        """Give the entry of `convert.json`; `effective_events` where events share groups or have weights."""
        return Threshold(
            code=self.code,
            fraction=score.fraction,
            value=float(np.ldexp(self.code, -score.fraction)),
            requested_false_positive_rate=self.requested,
            requested_rate_khz=self.requested * trigger.bunch_crossing_rate_khz,
            false_positive_rate=self.rate,
            rate_khz=rate_khz(self.rate, trigger),
            events=self.n_events,
            events_passed=self.n_passed,
            events_at_threshold=self.n_at,
            effective_events=None if self.spread is None else self.passed.effective(TEST_LEVEL).events,
            weighted_events=None if self.weighed is None else self.weighed.events,
            codes_of_cells=self.of_cells,
        )


def rate_khz(rate: Interval, trigger: Trigger) -> Interval:
    """Give a share of the background in kHz."""
    return Interval(*(end * trigger.bunch_crossing_rate_khz for end in rate))


def kept_crossings(trigger: Trigger, data: DataResult, background: str) -> Trigger:
    """Give the trigger with the rate of those bunch crossings only that are in the data.

    Raises
    ------
    InputError
        If a threshold is to have a rate that the kept crossings do not have.
    """
    share = data.seen[background].dropped_share if data.seen is not None and background in data.seen else 0.0
    return crossings_without(trigger, share)


def crossings_without(trigger: Trigger, share: float, where: str = "") -> Trigger:
    """Give the trigger with the rate of all bunch crossings but those of a share of events that was left out.

    Empty or saturated events take place all the same: a share of the kept events is one of fewer crossings. None of
    those left out counts as accepted.

    Parameters
    ----------
    share
        Of the background's events.
    where
        The files that they are from, with a colon: what a message begins with.

    Raises
    ------
    InputError
        If a threshold is to have a rate that the kept crossings do not have.
    """
    if not share:
        return trigger
    left = trigger.bunch_crossing_rate_khz * (1 - share)
    if high := [wanted.rate_khz for wanted in trigger.thresholds if (wanted.rate_khz or 0.0) >= left]:
        raise InputError(
            f"{where}a rate of {high[0]:g} kHz is not below {left:g} kHz, which is left of the bunch crossings, since "
            f"{share:.2%} of the background's events were left out as empty or saturated; keep them, or ask for less"
        )
    return trigger.model_copy(update={"bunch_crossing_rate_khz": left})


def background_scores(run: StageRun, golden: GoldenTrigger) -> Codes:
    """Give the score's code of every background event of the split that the thresholds are chosen on."""
    store = EventStore(run.upstream("data"))
    chunks = store.chunks(run.config.data.background, run.config.trigger.chosen_on, CHUNK_EVENTS)
    stored = golden.behind_words
    return np.concatenate([stored.scores(codes) for codes in chunks])


def background_groups(run: StageRun) -> NDArray[np.int64]:
    """Give the group of every event of `background_scores`."""
    store = EventStore(run.upstream("data"))
    return store.groups(run.config.data.background, run.config.trigger.chosen_on)


def background_weights(run: StageRun) -> NDArray[np.float64] | None:
    """Give the weight of every event of `background_scores`, or None where the config names none."""
    store = EventStore(run.upstream("data"))
    return store.columns(run.config.data.background, run.config.trigger.chosen_on).get(WEIGHT)


class Chosen(NamedTuple):
    """The working points, and the sums whose bins their thresholds follow; none: one threshold for all events."""

    points: tuple[WorkingPoint, ...]
    sums: tuple[BinnedSum, ...] = ()

    @property
    def codes(self) -> Codes:
        """The codes of the decisions, (n_thresholds,), or (n_thresholds, n_cells)."""
        return np.array([point.code if point.of_cells is None else point.of_cells for point in self.points])


def choose_working_points(run: StageRun, background: Codes, trigger: Trigger) -> Chosen:
    """Choose thresholds as the config asks for them, on the background events of its split.

    Parameters
    ----------
    background
        (n_events,) codes of their score.
    trigger
        The config's, with the rate of the crossings that are kept.

    Raises
    ------
    InputError
        If thresholds are to follow a sum that is always the same.
    """
    groups, weights = background_groups(run), background_weights(run)
    points = choose_thresholds(background, groups, trigger, run.config.evaluation.confidence_level, weights)
    if trigger.decorrelate is None or (found := find_cells(run)) is None:
        return Chosen(points)
    (cell, cells), shared = found, EventGroups(groups, weights)
    followed = []
    for point in points:
        codes = cell_thresholds(Sample(background, cells, weights), cell.bins, point.requested, trigger.decorrelate)
        passed = shared.count(background > codes[cells])
        followed.append(
            point._replace(
                n_passed=passed.passed,
                n_at=int(np.count_nonzero(background == codes[cells])),
                spread=passed.spread,
                weighed=passed.weighed,
                of_cells=tuple(codes.tolist()),
            )
        )
    return Chosen(tuple(followed), cell.sums)


def choose_thresholds(
    background: Codes,
    groups: NDArray[np.int64],
    trigger: Trigger,
    level: float,
    weights: NDArray[np.float64] | None = None,
) -> tuple[WorkingPoint, ...]:
    """Choose for each wanted rate the smallest threshold that does not exceed it.

    With k the largest number of events within the rate, the threshold is the (k + 1)-th largest score: at most k lie
    above it. Where several events have that very score, all fail, and the achieved rate is lower. Of weighted events,
    a rate is a share of the sum of their weights.

    Parameters
    ----------
    background
        (n_events,) codes of the score.
    groups
        (n_events,) the group of each event, which the intervals count.
    level
        Confidence level of the intervals.
    weights
        (n_events,) of the events; None: each counts 1.
    """
    order = np.argsort(background, kind="stable")
    ordered, shared = background[order], EventGroups(groups, weights)
    cumulative = cumulated(None if weights is None else weights[order], len(order))
    rates = trigger.false_positive_rates
    points = []
    for rate, place in zip(rates, threshold_places(cumulative, rates).tolist(), strict=True):
        code = int(ordered[place])
        first, behind = (int(np.searchsorted(ordered, code, side=side)) for side in ("left", "right"))
        passed = shared.count(background > code)
        at, spread, weighed = behind - first, passed.spread, passed.weighed
        points.append(WorkingPoint(rate, code, passed.events, passed.passed, at, level, spread, weighed))
    return tuple(points)
