"""How float methods separate: weighted events count as in `evaluate`, so that both may stand side by side."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.evaluation.metrics import auc, tpr_at_fpr
from fpgaae.training.methods.separation import mean_and_spread, separation

RNG = np.random.default_rng(8)
SCORES = {"background": RNG.normal(0, 1, (2, 400)), "signal": RNG.normal(1, 1, (2, 90))}


def test_whole_weights_are_repetitions() -> None:
    weights = {name: RNG.integers(0, 3, own.shape[1]).astype(np.float64) for name, own in SCORES.items()}
    repeated = {name: np.repeat(own, weights[name].astype(int), axis=1) for name, own in SCORES.items()}
    for found, copies in zip(
        separation(SCORES, "background", weights), separation(repeated, "background"), strict=True
    ):
        assert found["signal"].auc == pytest.approx(copies["signal"].auc)
        for rate in ("1e-01", "1e-02"):
            assert found["signal"].tpr[rate] == pytest.approx(copies["signal"].tpr[rate])


def test_without_weights_each_event_counts_one() -> None:
    found = separation(SCORES, "background")
    for member, own in enumerate(found):
        background, signal = (SCORES[name][member] for name in ("background", "signal"))
        assert own["signal"].auc == auc(background, signal)
        assert own["signal"].tpr == {
            "1e-01": tpr_at_fpr(background, signal, 0.1).value, "1e-02": tpr_at_fpr(background, signal, 0.01).value,
        }  # fmt: skip
    assert mean_and_spread(found)["signal"].auc.spread is not None
