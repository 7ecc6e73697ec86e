"""The linear autoencoder: trained to its optimum it spans the first principal components.

P. Baldi and K. Hornik, Neural Networks 2 (1989) 53.
"""

from __future__ import annotations

from typing import Any, ClassVar

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import MethodOptions
from fpgaae.methods.networks import linear_network


class LinearOptions(MethodOptions):
    """It has none of its own; of `model` it reads the latent width only."""


class LinearAutoencoder(Autoencoder):
    """One linear layer in, one out."""

    options_class: ClassVar[type[MethodOptions]] = LinearOptions

    def build(self) -> dict[str, Any]:
        """Build `latent` and `reconstruction`."""
        n, k = self.setting.n_features, self.setting.latent
        return {
            "encoder": linear_network("encoder", "latent", n, k),
            "decoder": linear_network("decoder", "reconstruction", k, n),
        }
