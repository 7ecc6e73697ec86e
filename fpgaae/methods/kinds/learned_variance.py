"""The variational autoencoder whose decoder says how wide each input is: a Gaussian likelihood of mean and sigma of z.

    log p(x | z) = - 1/2 sum ((x - mu(z)) / sigma(z))^2 + log sigma(z)^2 + log(2 pi)

over the inputs that vary in training (Kingma & Welling, arXiv 1312.6114, appendix C.2). Integers have no density: the
likelihood of one that the decoder knows exactly would grow without end, so that sigma has a smallest value. An input
that is wide anyway then costs little where it is wrong.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.methods.base import Batch, Networks, ScoreFunction, Step, Tensor
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT, dense, dense_layers
from fpgaae.methods.variational import Variational, VariationalOptions


class LearnedVarianceOptions(VariationalOptions):
    """Keys of `method` for a decoder with a learned variance."""

    smallest_width: Annotated[float, Field(gt=0, le=1)] = 0.1  # of the likelihood, in spreads of each input


class LearnedVariance(Variational):
    """A Gaussian posterior, and a Gaussian likelihood whose width depends on the latents."""

    options_class = LearnedVarianceOptions
    options: LearnedVarianceOptions

    def build(self) -> dict[str, Any]:
        """Build encoder and decoder, and beside it the network to log sigma^2, which starts at the inputs' spreads."""
        latents = keras.Input((self.setting.latent,), name="latents")
        hidden = dense_layers(latents, "hidden", self.setting.decoder)
        spread = dense(hidden, "log_variance", self.setting.n_features, initializer="zeros")
        return {**super().build(), "spread": keras.Model(latents, spread, name="spread")}

    def scores(self) -> dict[str, ScoreFunction]:
        """Give those of every variational autoencoder, and -log p(x | mu), the error in units of sigma."""
        return {"negative_log_likelihood": self._negative_log_likelihood, **super().scores()}

    def log_variance(self, networks: Networks, z: Tensor, step: Step) -> Tensor:
        """Give log sigma^2 of each input, (n, n_features), in the inputs' units."""
        smallest = 2 * ops.log(step.knobs["smallest_width"])
        found = ops.clip(networks["spread"](z), smallest, LOG_VARIANCE_LIMIT)
        return found + ops.convert_to_tensor(2 * np.log(self._scale).astype(np.float32))

    def log_likelihood(self, networks: Networks, x: Tensor, z: Tensor, step: Step) -> Tensor:
        """Give log p(x | z) of each event, (n,)."""
        log_variance = self.log_variance(networks, z, step)
        error = ops.square(x - networks["decoder"](z)) * ops.exp(-log_variance)
        varies = ops.convert_to_tensor((self.setting.variance > 0).astype(np.float32))
        return -0.5 * ops.sum(varies * (error + log_variance + math.log(2 * math.pi)), axis=-1)

    @property
    def _scale(self) -> NDArray[np.float64]:
        """Spread of each input; 1 for one that never varies."""
        return np.asarray(np.sqrt(np.where(self.setting.variance > 0, self.setting.variance, 1)))

    def _negative_log_likelihood(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        return -self.log_likelihood(networks, batch["x"], self.encode(networks, batch["x"]), step)
