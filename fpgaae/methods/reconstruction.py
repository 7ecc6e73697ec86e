"""How a reconstruction is compared with its events: plain, or over the filled slots only."""

from __future__ import annotations

from fpgaae.methods.base import Setting, Tensor
from fpgaae.methods.lazy import ops


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Give the sum over the inputs of (x - x')^2, (n,)."""
    return ops.sum(ops.square(x - reconstruction), axis=-1)


def filled(setting: Setting, x: Tensor) -> Tensor:
    """Give 1 for every input of a filled slot and 0 for those of an empty one, (n, n_features)."""
    size = setting.n_features // len(setting.empty)
    return ops.repeat(ops.cast(x[:, ::size] > ops.convert_to_tensor(setting.empty), x.dtype), size, axis=-1)


def masked_squared_error(setting: Setting, x: Tensor, reconstruction: Tensor) -> Tensor:
    """Give the sum over the inputs of filled slots of (x - x')^2, (n,)."""
    return ops.sum(filled(setting, x) * ops.square(x - reconstruction), axis=-1)


def mean_logistic_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Give the mean cross entropy of labels 0 and 1, (n,) each, from the log of the odds."""
    return ops.mean(ops.softplus(logit) - label * logit)
