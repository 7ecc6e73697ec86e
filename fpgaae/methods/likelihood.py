"""The likelihood p(x | z) of a variational autoencoder, as log-densities per event.

- gaussian: a normal density around the reconstruction whose width is `likelihood_width` spreads of the input; inputs
  that never vary in training are left out;
- masked: the same, over the inputs of filled slots only;
- bernoulli: inputs and reconstruction as shares of the way from the smallest to the largest value in training; the
  decoder puts out the log of the odds.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpgaae.methods.base import Setting, Tensor
from fpgaae.methods.lazy import ops
from fpgaae.methods.reconstruction import filled

LikelihoodName = Literal["gaussian", "bernoulli", "masked"]


def log_likelihood(name: LikelihoodName, setting: Setting, width: Tensor, x: Tensor, output: Tensor) -> Tensor:
    """Give log p(x | z) of each event, (n,).

    Parameters
    ----------
    width
        Of the Gaussian, in spreads of each input.
    output
        What the decoder puts out for z, (n, n_features).
    """
    if name == "bernoulli":
        share = _share(setting, x)
        return -ops.sum(ops.softplus(output) - share * output, axis=-1)
    varies = ops.convert_to_tensor((setting.variance > 0).astype(np.float32))
    scale = np.sqrt(np.where(setting.variance > 0, setting.variance, 1)).astype(np.float32)
    sigma = width * ops.convert_to_tensor(scale)
    densities = -0.5 * ops.square((x - output) / sigma) - ops.log(sigma) - 0.5 * math.log(2 * math.pi)
    if name == "masked":
        densities = densities * filled(setting.n_features, setting.empty, x)
    return ops.sum(varies * densities, axis=-1)


def weighted_error(variance: NDArray[np.float64], x: Tensor, reconstruction: Tensor) -> Tensor:
    """Give the squared error of each event with every input divided by its variance, (n,).

    This is -2 log p of a Gaussian likelihood of the inputs' own widths up to a constant, so that an input counts by its
    information and not by its range; inputs that never vary in training are left out.
    """
    weights = np.where(variance > 0, 1 / np.maximum(variance, 1e-12), 0).astype(np.float32)
    return ops.sum(ops.convert_to_tensor(weights) * ops.square(x - reconstruction), axis=-1)


def mean_of(name: LikelihoodName, setting: Setting, output: Tensor) -> Tensor:
    """Give the mean of p(x | z) in units of the inputs: the reconstruction."""
    if name == "bernoulli":
        return _low(setting) + _range(setting) * ops.sigmoid(output)
    return output


def _share(setting: Setting, x: Tensor) -> Tensor:
    return ops.clip((x - _low(setting)) / _range(setting), 0, 1)


def _low(setting: Setting) -> Tensor:
    return ops.convert_to_tensor(setting.low)


def _range(setting: Setting) -> Tensor:
    return ops.convert_to_tensor(np.where(setting.high > setting.low, setting.high - setting.low, 1).astype(np.float32))
