"""Bands around efficiency curves, from the same grouped bootstrap as the intervals in the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.bootstrap import BootstrapSettings, bootstrap
from fpgaae.evaluation.comparison import MIN_BACKGROUND_EVENTS, effective_number, efficiencies
from fpgaae.statistics import NO_WEIGHTS, Weights

N_POINTS = 25
N_REPLICAS = 100


class Band(NamedTuple):
    """The interval of the efficiency at false positive rates that enough background events pass, (n_points,) each."""

    fpr: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_bands(
    scores: Mapping[str, Mapping[str, NDArray[Any]]],
    groups: Mapping[str, NDArray[np.int64]],
    background: str,
    settings: BootstrapSettings,
    weights: Weights = NO_WEIGHTS,
) -> dict[str, dict[str, Band]]:
    """Give a band for each signal and model: ``result[signal][model]``.

    Parameters
    ----------
    scores
        Of the models that get a band; the rest as in `fpgaae.evaluation.comparison.compare`.
    """
    n_background = effective_number(groups, weights, background)
    lowest = min(0.1, (MIN_BACKGROUND_EVENTS + 0.5) / n_background)
    rates = tuple(np.geomspace(lowest, 0.9, N_POINTS).tolist())
    own = replace(settings, fprs=rates, n_replicas=min(settings.n_replicas, N_REPLICAS))
    result: dict[str, dict[str, Band]] = {}
    for model, by_signal in bootstrap(scores, groups, background, own, weights).items():
        for signal, replicas in by_signal.items():
            found = [
                (rate, *estimate.interval)
                for rate, estimate in zip(rates, efficiencies(replicas, n_background, own), strict=True)
                if estimate.interval is not None
            ]
            fpr, _, low, high = np.array(found).reshape(-1, 4).T
            result.setdefault(signal, {})[model] = Band(fpr, low, high)
    return result
