"""All that is made of scores: metrics, differences, verdicts, decisions, rates and correlations for `metrics.json`.

Where the scores come from does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import (
    BASELINES,
    DELTAS,
    FIRMWARE,
    FLOAT,
    QUANTIZED,
    area_tests,
    compare,
)
from fpgaae.evaluation.correlation import correlations
from fpgaae.evaluation.decisions import decisions
from fpgaae.evaluation.group_scores import evaluate_groups
from fpgaae.evaluation.rates import Columns, RateSettings, rate_curve, rates_by_column
from fpgaae.evaluation.verdicts import verdicts
from fpgaae.files import Json
from fpgaae.statistics import EventGroups

Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Groups = Mapping[str, EventGroups]


def bootstrap_settings(config: Config) -> BootstrapSettings:
    """Give the bootstrap that a config asks for."""
    return BootstrapSettings(config.evaluation.bootstrap_replicas, config.evaluation.confidence_level, config.seed)


def evaluate_scores(
    scores: Scores,
    groups: Mapping[str, NDArray[np.int64]],
    columns: Columns,
    thresholds: Sequence[Json],
    config: Config,
) -> Json:
    """Compare every model's scores per signal, and give the rates that thresholds on them mean.

    Parameters
    ----------
    groups, columns
        By process, in the order of the scores.
    thresholds
        Those of the firmware, from `csim.json`.

    Raises
    ------
    InputError
        If the scores of a model or process are missing.
    """
    background, level = config.data.background, config.evaluation.confidence_level
    independent = {process: EventGroups(labels) for process, labels in groups.items()}
    result = compare(scores, groups, background, bootstrap_settings(config)).to_json()
    result["labels"] = _labels(config)
    result["delong"] = area_tests(scores, groups, background)
    result["verdicts"] = verdicts({model: result[key] for model, key in DELTAS.items()})
    result["decisions"] = decisions(scores, independent, background, thresholds, config.trigger, level)
    settings = RateSettings(background, config.trigger, level)
    result["rates"] = {
        **_rates(scores, independent, columns, settings),
        "by_column": _by_column(scores, groups, columns, thresholds, settings),
    }
    result["correlation"] = _correlation(scores, groups[background], config)
    if config.evaluation.average_over_groups:
        rate = config.evaluation.partial_auc_rate
        result["groups"] = evaluate_groups(scores, groups, background, rate, bootstrap_settings(config))
    return result


def _labels(config: Config) -> dict[str, str]:
    """Give the models that are shown under another name: the cells of an array are no objects."""
    array = config.data.hardware.array
    if array is None:
        return {}
    return {"sum_pt": "sum of cells", "n_objects": "cells above mean" if array.signed else "cells above 0"}


def _rates(scores: Scores, groups: Groups, columns: Columns, settings: RateSettings) -> Json:
    """Give the rates of every model."""
    taken = columns[settings.background].get("existing_trigger")
    return {
        "bunch_crossing_rate_khz": settings.trigger.bunch_crossing_rate_khz,
        "taken_share": None if taken is None else float(np.mean(taken != 0)),
        "models": {model: rate_curve(own, groups, columns, settings) for model, own in scores.items()},
    }


def _by_column(
    scores: Scores,
    groups: Mapping[str, NDArray[np.int64]],
    columns: Columns,
    thresholds: Sequence[Json],
    settings: RateSettings,
) -> Json:
    """Give the rates of the firmware's thresholds against pile-up and run."""
    background = settings.background
    accepted = [scores[FIRMWARE][background] > threshold["value"] for threshold in thresholds]
    return rates_by_column(accepted, groups[background], columns[background], settings)


def _correlation(scores: Scores, groups: NDArray[np.int64], config: Config) -> Json:
    """Give what the scores of the background go with, besides the quantities themselves."""
    background = config.data.background
    total, number = (scores[name][background] for name in BASELINES[:2])
    if array := config.data.hardware.array:
        quantities = {"sum": total * array.lsb, "cells_above_mean" if array.signed else "cells": number}
    else:
        quantities = {"ht_gev": total * config.data.hardware.pt_lsb_gev, "multiplicity": number}
    networks = {model: scores[model][background] for model in (FLOAT, QUANTIZED, FIRMWARE)}
    return correlations(quantities, networks, groups, config.trigger.false_positive_rates, config.seed)
