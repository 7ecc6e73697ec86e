"""What all plain autoencoders share: an encoder, a decoder, the squared error as the loss and as the score."""

from __future__ import annotations

from typing import Any

from fpgaae.methods.base import Batch, Method, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import ops
from fpgaae.methods.networks import decoder_network, encoder_network
from fpgaae.methods.reconstruction import masked_squared_error, squared_error


class Autoencoder(Method):
    """An undercomplete autoencoder; subclasses change its networks or add terms."""

    def build(self) -> dict[str, Any]:
        """Build the encoder and decoder of the config's `model`."""
        return {"encoder": encoder_network(self.setting), "decoder": decoder_network(self.setting)}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the mean squared error over events and inputs."""
        del step
        return {"reconstruction": self.mean_error(batch["x"], self.reconstruct(networks, batch["x"]))}

    def mean_error(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """Give the squared error, averaged over events and inputs."""
        return ops.mean(squared_error(x, reconstruction)) / self.setting.n_features

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the squared error over all inputs, and over those of filled slots."""
        return {"reconstruction": self._squared_error, "masked_reconstruction": self._masked_squared_error}

    def reconstruct(self, networks: Networks, x: Tensor) -> Tensor:
        """Give what comes out for events that are put in."""
        return self.decode(networks, self.encode(networks, x))

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, k) of events (n, n_features)."""
        return networks["encoder"](x)

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events (n, n_features) of latents (n, k)."""
        return networks["decoder"](z)

    def _squared_error(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return squared_error(batch["x"], self.reconstruct(networks, batch["x"]))

    def _masked_squared_error(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return masked_squared_error(self.setting, batch["x"], self.reconstruct(networks, batch["x"]))
