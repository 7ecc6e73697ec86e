"""The anomaly scores in floating point (NumPy only), of what a network without rounding puts out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT


def float_score(
    score: Score, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the anomaly score (n,) in float64.

    Parameters
    ----------
    features
        (n, n_features) inputs of the network.
    output
        The reconstruction, mu, mu and log sigma^2 beside each other, or a student's one output.
    empty
        What the first feature of each slot is when the slot is empty, (n_slots,).
    """
    x, y = features.astype(np.float64), output.astype(np.float64)
    if score.needs_variance:
        mu, log_variance = np.split(y, 2, axis=1)
        log_variance = np.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        if score is Score.KL_DIVERGENCE:
            return np.asarray(0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1))
        return np.asarray((mu**2 * np.exp(-log_variance)).sum(axis=1))
    if score is Score.REGRESSION:
        return np.asarray(np.maximum(y[:, 0], 0))  # as the firmware's last quantizer
    if score is Score.MU_SQUARED:
        return np.asarray((y * y).sum(axis=1))
    if score is Score.ABSOLUTE_ERROR:
        return np.asarray(np.abs(x - y).sum(axis=1))
    squares = (x - y) ** 2
    if score is Score.MASKED_SQUARED_ERROR:
        size = x.shape[1] // len(empty)
        squares = squares * np.repeat(features[:, ::size] > empty, size, axis=1)
    return np.asarray(squares.sum(axis=1))
