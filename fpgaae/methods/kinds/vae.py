"""The variational autoencoder (`fpgaae.methods.variational`) with a likelihood whose width the config fixes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fpgaae.methods.base import Networks, Step, Tensor
from fpgaae.methods.likelihood import LikelihoodName, log_likelihood, mean_of
from fpgaae.methods.variational import Variational, VariationalOptions


class VaeOptions(VariationalOptions):
    """Keys of `method` for a variational autoencoder."""

    likelihood: LikelihoodName = "gaussian"
    likelihood_width: Annotated[float, Field(gt=0, le=1e6)] = 1.0  # of the Gaussian, in spreads of each input


class VariationalAutoencoder(Variational):
    """A Gaussian posterior, and the prior and likelihood of the config."""

    options_class = VaeOptions
    options: VaeOptions

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the mean of the events of latents."""
        return mean_of(self.options.likelihood, self.setting, networks["decoder"](z))

    def log_likelihood(self, networks: Networks, x: Tensor, z: Tensor, step: Step) -> Tensor:
        """Give log p(x | z) of each event, (n,)."""
        width = step.knobs["likelihood_width"]
        return log_likelihood(self.options.likelihood, self.setting, width, x, networks["decoder"](z))
