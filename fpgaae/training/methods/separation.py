"""How well the scores of an ensemble tell signals from background: AUC and TPR of each member, mean and spread.

The baselines without a network are measured on the same events, as members of which there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.evaluation.metrics import auc
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.runs.results.reference import MeanAndSpread, Separation, SeparationOfMembers
from fpgaae.statistics import NO_WEIGHTS, Weights, effective_numbers, threshold_at_fpr

Values = NDArray[np.float64]
Scores = Mapping[str, NDArray[Any]]  # by process: (n_members, n)
Separations = Mapping[str, Separation]  # by signal


def separation(scores: Scores, background: str, weights: Weights = NO_WEIGHTS) -> list[Separations]:
    """Give AUC and TPR of each member, by signal; of weighted events as shares of their weight."""
    n_members = len(scores[background])
    return [
        {
            signal: _one(scores[background][member], own[member], weights.get(background), weights.get(signal))
            for signal, own in scores.items()
            if signal != background
        }
        for member in range(n_members)
    ]


def _one(
    background: NDArray[Any], signal: NDArray[Any], of_background: Values | None, of_signal: Values | None
) -> Separation:  # fmt: skip
    n_effective = len(background) if of_background is None else effective_numbers(of_background, np.array([0]))[0]

    def tpr(fpr: float) -> float:
        return float(np.average(signal > threshold_at_fpr(background, fpr, of_background), weights=of_signal))

    return Separation(
        auc=auc(background, signal, of_background, of_signal),
        tpr={fpr_key(fpr): tpr(fpr) for fpr in DEFAULT_FPRS if fpr * n_effective >= 1},
    )


def mean_and_spread(members: Sequence[Separations]) -> dict[str, SeparationOfMembers]:
    """Give mean and standard deviation over the members, by signal."""
    return {
        signal: SeparationOfMembers(
            auc=_over([member[signal].auc for member in members]),
            tpr={rate: _over([member[signal].tpr[rate] for member in members]) for rate in first.tpr},
        )
        for signal, first in members[0].items()
    }


def _over(members: Sequence[float]) -> MeanAndSpread:
    values = np.array(members, dtype=np.float64)
    return MeanAndSpread(mean=float(values.mean()), spread=float(values.std(ddof=1)) if len(values) > 1 else None)
