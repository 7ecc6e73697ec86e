"""How well the scores of an ensemble tell signals from background: AUC and TPR of each member, mean and spread.

The baselines without a network are measured on the same events, as members of which there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.evaluation.comparison import fpr_key
from fpgaae.evaluation.metrics import auc, tpr_at_fpr
from fpgaae.files import Json

Scores = Mapping[str, NDArray[Any]]  # by process: (n_members, n)


def separation(scores: Scores, background: str) -> list[Json]:
    """Give AUC and TPR of each member: a list of {signal: {auc, tpr: {fpr: value}}}."""
    n_members = len(scores[background])
    return [
        {
            signal: _one(scores[background][member], own[member])
            for signal, own in scores.items()
            if signal != background
        }
        for member in range(n_members)
    ]


def _one(background: NDArray[Any], signal: NDArray[Any]) -> Json:
    rates = [fpr for fpr in DEFAULT_FPRS if fpr * len(background) >= 1]
    return {
        "auc": auc(background, signal),
        "tpr": {fpr_key(fpr): tpr_at_fpr(background, signal, fpr).value for fpr in rates},
    }


def mean_and_spread(members: list[Json]) -> Json:
    """Give mean and standard deviation over the members, in the same shape; of one member the spread is null."""
    first: Any = members[0]
    if isinstance(first, dict):
        return {key: mean_and_spread([member[key] for member in members]) for key in first}
    values = np.array(members, dtype=np.float64)
    return {"mean": float(values.mean()), "spread": float(values.std(ddof=1)) if len(values) > 1 else None}
