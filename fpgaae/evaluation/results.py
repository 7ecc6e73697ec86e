"""All that is made of scores: metrics, differences, verdicts, decisions, rates and correlations for `metrics.json`.

Where the scores come from does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.source import WEIGHT, weights_of
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import (
    BASELINES,
    FIRMWARE,
    FLOAT,
    QUANTIZED,
    area_tests,
    compare,
)
from fpgaae.evaluation.correlation import correlations
from fpgaae.evaluation.cuts import Cut, Followed, cuts
from fpgaae.evaluation.decisions import decisions
from fpgaae.evaluation.flatness import flatness
from fpgaae.evaluation.group_scores import evaluate_groups
from fpgaae.evaluation.rates import Columns, RateSettings, rate_curve, rates_by_column
from fpgaae.evaluation.verdicts import verdicts
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.results.metrics import BinnedRate, Correlation, Rates, ScoreMetrics
from fpgaae.statistics import EventGroups, refuse_weightless

Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Groups = Mapping[str, EventGroups]


def bootstrap_settings(config: Config) -> BootstrapSettings:
    """Give the bootstrap that a config asks for."""
    return BootstrapSettings(config.evaluation.bootstrap_replicas, config.evaluation.confidence_level, config.seed)


def evaluate_scores(
    scores: Scores,
    groups: Mapping[str, NDArray[np.int64]],
    columns: Columns,
    thresholds: Sequence[Threshold],
    config: Config,
    followed: Followed | None = None,
) -> ScoreMetrics:
    """Compare every model's scores per signal, and give the rates that thresholds on them mean.

    Parameters
    ----------
    groups, columns
        By process, in the order of the scores.
    thresholds
        Those of the firmware, from `csim.json`.
    followed
        The cells of the events, where thresholds follow sums.

    Raises
    ------
    InputError
        If the scores of a model or process are missing.
    """
    background, level = config.data.background, config.evaluation.confidence_level
    settings, weights = bootstrap_settings(config), weights_of(columns)
    for process, own in weights.items():
        refuse_weightless(own, process)
    independent = {process: EventGroups(labels, weights.get(process)) for process, labels in groups.items()}
    found = compare(scores, groups, background, settings, weights=weights)
    deltas = {model: found.differences[model] for model in (FIRMWARE, QUANTIZED)}
    of_rates = RateSettings(background, config.trigger, level)
    by_group, points = None, cuts(thresholds, followed)
    if config.evaluation.average_over_groups:
        by_group = evaluate_groups(scores, groups, background, config.evaluation.partial_auc_rate, settings, weights)
    return ScoreMetrics(
        background_events=found.background_events,
        signal_events=found.signal_events,
        confidence_level=level,
        replicas=settings.n_replicas,
        seed=settings.seed,
        models=found.models,
        delta=deltas[FIRMWARE],
        delta_quantized=deltas[QUANTIZED],
        labels=_labels(config),
        delong=area_tests(scores, groups, background, weights),
        verdicts=verdicts(deltas),
        decisions=decisions(scores, independent, background, points, config.trigger, level),
        rates=_rates(scores, independent, columns, _by_column(scores, groups, columns, points, of_rates), of_rates),
        correlation=_correlation(scores, groups[background], config),
        groups=by_group,
        effective_events={process: round(independent[process].effective_events, 1) for process in weights} or None,
        flatness=()
        if followed is None
        else tuple(flatness(cut, scores[FIRMWARE], independent, background, followed, level) for cut in points),
    )


def _labels(config: Config) -> dict[str, str]:
    """Give the models that are shown under another name: the cells of an array are no objects."""
    array = config.data.hardware.array
    if array is None:
        return {}
    return {"sum_pt": "sum of cells", "n_objects": "cells above mean" if array.signed else "cells above 0"}


def _rates(
    scores: Scores,
    groups: Groups,
    columns: Columns,
    by_column: Mapping[str, tuple[BinnedRate, ...]],
    settings: RateSettings,
) -> Rates:
    """Give the rates of every model, beside those of the firmware's thresholds."""
    own = columns[settings.background]
    taken = own.get("existing_trigger")
    return Rates(
        bunch_crossing_rate_khz=settings.trigger.bunch_crossing_rate_khz,
        taken_share=None if taken is None else float(np.average(taken != 0, weights=own.get(WEIGHT))),
        models={model: rate_curve(own, groups, columns, settings) for model, own in scores.items()},
        by_column=by_column,
    )


def _by_column(
    scores: Scores,
    groups: Mapping[str, NDArray[np.int64]],
    columns: Columns,
    points: Sequence[Cut],
    settings: RateSettings,
) -> dict[str, tuple[BinnedRate, ...]]:
    """Give the rates of the firmware's thresholds against pile-up and run."""
    background = settings.background
    accepted = [scores[FIRMWARE][background] > cut.at(background) for cut in points]
    return rates_by_column(accepted, groups[background], columns[background], settings)


def _correlation(scores: Scores, groups: NDArray[np.int64], config: Config) -> dict[str, Correlation]:
    """Give what the scores of the background go with, besides the quantities themselves."""
    background = config.data.background
    total, number = (scores[name][background] for name in BASELINES[:2])
    if array := config.data.hardware.array:
        quantities = {"sum": total * array.lsb, "cells_above_mean" if array.signed else "cells": number}
    else:
        hardware = config.data.hardware
        quantities = {"ht_gev": total * hardware.pt_lsb_of(hardware.objects[0]), "multiplicity": number}
    networks = {model: scores[model][background] for model in (FLOAT, QUANTIZED, FIRMWARE)}
    return correlations(quantities, networks, groups, config.trigger.false_positive_rates, config.seed)
