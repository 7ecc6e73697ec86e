"""Thresholds on the grid of the integer score, for the false positive or trigger rates that the config asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpgaae.config.experiment import Trigger
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.stimulus import CHUNK_EVENTS
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.run import StageRun
from fpgaae.statistics import Interval, clopper_pearson, n_allowed


class WorkingPoint(NamedTuple):
    """A threshold and what it lets pass of the events that it was chosen on; an event passes above it, not at it."""

    requested: float  # share of the background
    code: int
    n_events: int
    n_passed: int
    n_at: int  # events exactly at the threshold, which all fail: without ties, 1
    level: float

    @property
    def rate(self) -> Interval:
        """The share of the events that pass, with its Clopper-Pearson interval."""
        return clopper_pearson(self.n_passed, self.n_events, self.level)

    def entry(self, score: FixedPointType, trigger: Trigger) -> Threshold:
        """Give the entry of `convert.json`."""
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
        )


def rate_khz(rate: Interval, trigger: Trigger) -> Interval:
    """Give a share of the background in kHz."""
    return Interval(*(end * trigger.bunch_crossing_rate_khz for end in rate))


def background_scores(run: StageRun, network: IntegerNetwork, features: FeatureMap) -> Codes:
    """Give the score's code of every background event of the split that the thresholds are chosen on."""
    store = EventStore(run.upstream("data"))
    chunks = store.chunks(run.config.data.background, run.config.trigger.chosen_on, CHUNK_EVENTS)
    name = network.score.name
    return np.concatenate([network.run(features.input_codes(c, network.input_type))[name].codes[:, 0] for c in chunks])


def choose_thresholds(background: Codes, trigger: Trigger, level: float) -> tuple[WorkingPoint, ...]:
    """Choose for each wanted rate the smallest threshold that does not exceed it.

    With k the largest number of events within the rate, the threshold is the (k + 1)-th largest score: at most k lie
    above it. Where several events have that very score, all fail, and the achieved rate is lower.

    Parameters
    ----------
    background
        (n_events,) codes of the score.
    level
        Confidence level of the intervals.
    """
    ordered = np.sort(background)
    points = []
    for rate in trigger.false_positive_rates:
        code = int(ordered[len(ordered) - 1 - n_allowed(len(ordered), rate)])
        first, behind = (int(np.searchsorted(ordered, code, side=side)) for side in ("left", "right"))
        n_events = len(ordered)
        points.append(WorkingPoint(rate, code, n_events, n_events - behind, behind - first, level))
    return tuple(points)
