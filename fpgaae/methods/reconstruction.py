"""How a reconstruction is compared with its events: plain, or over the filled slots only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.methods.base import Setting, Tensor
from fpgaae.methods.lazy import ops


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Give the sum over the inputs of (x - x')^2, (n,)."""
    return ops.sum(ops.square(x - reconstruction), axis=-1)


def filled(n_features: int, empty: NDArray[np.float32], x: Tensor) -> Tensor:
    """Give 1 for every input of a filled slot and 0 for those of an empty one, (n, n_features).

    Parameters
    ----------
    empty
        What the first input of each slot is when the slot is empty, (n_slots,).
    """
    size = n_features // len(empty)
    return ops.repeat(ops.cast(x[:, ::size] > ops.convert_to_tensor(empty), x.dtype), size, axis=-1)


def masked_squared_error(setting: Setting, x: Tensor, reconstruction: Tensor) -> Tensor:
    """Give the sum over the inputs of filled slots of (x - x')^2, (n,)."""
    return ops.sum(filled(setting.n_features, setting.empty, x) * ops.square(x - reconstruction), axis=-1)


def mean_logistic_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Give the mean cross entropy of labels 0 and 1, (n,) each, from the log of the odds."""
    return ops.mean(ops.softplus(logit) - label * logit)
