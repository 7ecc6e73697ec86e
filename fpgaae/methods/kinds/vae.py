"""The variational autoencoder (Kingma & Welling, arXiv 1312.6114)."""

from __future__ import annotations

from typing import Any

from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import ops
from fpgaae.methods.networks import clipped_log_variance, dense_decoder, dense_variational_encoder
from fpgaae.methods.reconstruction import squared_error


class VaeOptions(MethodOptions):
    """Keys of `method` for a variational autoencoder."""

    beta: float = 1.0  # weight of the KL divergence


class VariationalAutoencoder(Method):
    """Gaussian posterior."""

    options_class = VaeOptions
    options: VaeOptions

    def build(self) -> dict[str, Any]:
        """Build the encoder to mu and log sigma^2, and the decoder."""
        return {"encoder": dense_variational_encoder(self.setting), "decoder": dense_decoder(self.setting)}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the negative log-likelihood and the weighted KL divergence, averaged over the events."""
        mu, log_variance = self.posterior(networks, batch["x"])
        z = mu + ops.exp(0.5 * log_variance) * step.normal(ops.shape(mu))
        divergence = 0.5 * ops.sum(ops.square(mu) + ops.exp(log_variance) - 1 - log_variance, axis=-1)
        return {
            "reconstruction": 0.5 * ops.mean(squared_error(batch["x"], self.decode(networks, z))),
            "kl": step.knobs["beta"] * ops.mean(divergence),
        }

    def posterior(self, networks: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give mu and log sigma^2 of the latents, (n, k) each."""
        mu, log_variance = networks["encoder"](x)
        return mu, clipped_log_variance(log_variance)

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give mu."""
        return self.posterior(networks, x)[0]

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the mean of the events of latents."""
        return networks["decoder"](z)

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give the mean of the events of latents from the prior."""
        return self.decode(networks, step.normal((n, self.setting.latent)))

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the scores of a variational autoencoder."""
        return {"kl": self._kl, "reconstruction": self._reconstruction, "mu_squared": self._mu_squared}

    def _kl(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        mu, log_variance = self.posterior(networks, batch["x"])
        return 0.5 * ops.sum(ops.square(mu) + ops.exp(log_variance) - 1 - log_variance, axis=-1)

    def _reconstruction(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return squared_error(batch["x"], self.decode(networks, self.encode(networks, batch["x"])))

    def _mu_squared(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return ops.sum(ops.square(self.encode(networks, batch["x"])), axis=-1)
