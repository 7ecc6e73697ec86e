"""What the trigger decides: the rate that each threshold really gives, and whose decisions differ at the same rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from fpgaae.config.experiment import Trigger
from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, QUANTIZED
from fpgaae.evaluation.cuts import Cut
from fpgaae.hls.working_points import TEST_LEVEL, rate_khz
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.results.metrics import Decision, ProcessDecisions
from fpgaae.statistics import EffectiveCount, EventGroups

_DISAGREEMENT = 0.05  # p-value below which requested and achieved rate are said to differ

Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Groups = Mapping[str, EventGroups]  # by process


def decisions(
    scores: Scores,
    groups: Groups,
    background: str,
    points: Sequence[Cut],
    trigger: Trigger,
    level: float,
) -> tuple[Decision, ...]:
    """Give for each threshold of the firmware its rate on these events, and the events on which models disagree.

    The quantized model has the firmware's score and gets its threshold. The float model gets the threshold that lets as
    many background events pass (fewer where scores tie), half way between the two scores that it separates; where the
    firmware's thresholds are those of a cell, in each cell.

    Parameters
    ----------
    scores
        Of the firmware, the quantized and the float model, in the same order of events.
    groups
        What the intervals and the test of the requested rate count, in the order of the scores; where events have
        weights, float and firmware have the same weight above their thresholds.
    points
        `trigger.thresholds` of `convert.json`, with the events that they were chosen on, which are not these.
    level
        Confidence level of the intervals.

    Raises
    ------
    InputError
        If the scores of one of the three models are missing.
    """
    models = (FLOAT, QUANTIZED, FIRMWARE)
    if missing := [model for model in models if model not in scores]:
        raise InputError(f"there are no scores of the model `{missing[0]}` to compare decisions with; evaluate it, too")
    return tuple(_decision(scores, groups, background, cut, trigger, level) for cut in points)


def _decision(
    scores: Scores,
    groups: Groups,
    background: str,
    cut: Cut,
    trigger: Trigger,
    level: float,
) -> Decision:
    threshold, accepted = cut.threshold, cut.accepted(scores, groups[background], background)
    passed = groups[background].count(accepted[background][FIRMWARE])
    here = passed.effective(TEST_LEVEL)
    p_value = same_rate(_at_choice(threshold, here.events / passed.counted.events), here)
    rate = passed.interval(level)
    return Decision(
        code=threshold.code,
        value=threshold.value,
        requested_false_positive_rate=threshold.requested_false_positive_rate,
        requested_rate_khz=threshold.requested_rate_khz,
        false_positive_rate=rate,
        rate_khz=rate_khz(rate, trigger),
        background_events=passed.events,
        background_events_passed=passed.passed,
        p_value=p_value,
        agrees=p_value >= _DISAGREEMENT,
        processes={process: _flips(own, groups[process], level) for process, own in accepted.items()},
        doubt=threshold.doubt,
        cells=None if threshold.codes_of_cells is None else len(threshold.codes_of_cells),
        effective_passed=None if passed.spread is None else here.passed,
        chosen_rate=_rate_of_ties(threshold),
    )


def _rate_of_ties(threshold: Threshold) -> float | None:
    """Give the rate on the events of the choice where events that tie at the threshold keep it clearly below."""
    rate, one = threshold.false_positive_rate, 1 / threshold.events
    tied = threshold.events_at_threshold > 1 and rate.high < threshold.requested_false_positive_rate - one
    return rate.value if tied else None


def _at_choice(threshold: Threshold, share_here: float) -> EffectiveCount:
    """Give what the events of the choice count; where they do not say, as much of their number as those here do."""
    effective = threshold.effective_events
    if effective is None:
        effective = threshold.events * share_here
    if threshold.weighted_events is not None:
        return EffectiveCount(threshold.false_positive_rate.value * effective, effective)
    return EffectiveCount(threshold.events_passed * (effective / threshold.events), effective)


def same_rate(first: EffectiveCount, second: EffectiveCount) -> float:
    """Give Fisher's exact probability of so different shares of two samples with one rate.

    Parameters
    ----------
    first, second
        At the level `TEST_LEVEL`; the test takes whole numbers, the nearest ones.
    """
    rounded = [(round(sample.passed), round(sample.events)) for sample in (first, second)]
    return float(fisher_exact([[k, n - k] for k, n in rounded]).pvalue)


def _flips(accepted: Mapping[str, NDArray[np.bool_]], groups: EventGroups, level: float) -> ProcessDecisions:
    """Count the events that each model accepts, and those on which two models decide differently."""
    return ProcessDecisions(
        events=groups.n_events,
        accepted={model: int(np.count_nonzero(found)) for model, found in accepted.items()},
        efficiency=groups.count(accepted[FIRMWARE]).interval(level),
        flips={f"{a}_{b}": int(np.count_nonzero(accepted[a] != accepted[b])) for a, b in combinations(accepted, 2)},
    )
