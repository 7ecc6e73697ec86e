"""How well the scores of an ensemble tell signals from background: AUC and TPR of each member, mean and spread.

The baselines without a network are measured on the same events, as members of which there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.evaluation.metrics import auc, tpr_at_fpr
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.runs.results.reference import MeanAndSpread, Separation, SeparationOfMembers

Scores = Mapping[str, NDArray[Any]]  # by process: (n_members, n)
Separations = Mapping[str, Separation]  # by signal


def separation(scores: Scores, background: str) -> list[Separations]:
    """Give AUC and TPR of each member, by signal."""
    n_members = len(scores[background])
    return [
        {
            signal: _one(scores[background][member], own[member])
            for signal, own in scores.items()
            if signal != background
        }
        for member in range(n_members)
    ]


def _one(background: NDArray[Any], signal: NDArray[Any]) -> Separation:
    rates = [fpr for fpr in DEFAULT_FPRS if fpr * len(background) >= 1]
    return Separation(
        auc=auc(background, signal),
        tpr={fpr_key(fpr): tpr_at_fpr(background, signal, fpr).value for fpr in rates},
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
