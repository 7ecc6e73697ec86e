"""What all variational autoencoders share, and what keeps them from collapsing; a kind adds its likelihood p(x | z).

-E log p(x | z) + beta KL(q(z | x), p(z)) (Kingma & Welling, arXiv 1312.6114; beta: Higgins et al. 2017), with a beta
that grows from 0 over the first part of the training (Bowman et al. 2015, Sonderby et al. 2016), and a floor below
which a latent's divergence costs nothing (Kingma et al. 2017, appendix C.8).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any

from pydantic import Field

from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import ops
from fpgaae.methods.networks import clipped_log_variance, decoder_network, encoder_network
from fpgaae.methods.priors import PriorName, divergence, drawn, log_normal, log_prior
from fpgaae.methods.reconstruction import masked_squared_error, squared_error


class VariationalOptions(MethodOptions):
    """Keys of `method` that every variational autoencoder has."""

    beta: Annotated[float, Field(ge=0, le=1e6)] = 1.0  # weight of the KL divergence
    annealing: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of the training over which beta grows from 0
    free_bits: Annotated[float, Field(ge=0, le=1e6)] = (
        0.0  # nats of each latent, averaged over a batch, that cost nothing
    )
    prior: PriorName = "normal"
    degrees_of_freedom: Annotated[int, Field(ge=1, le=10**6)] = 3  # of the prior student_t
    importance_samples: Annotated[int, Field(ge=1, le=4096)] = 16  # of the score `elbo`


class Variational(Method):
    """A Gaussian posterior, and the prior of the config."""

    options: VariationalOptions

    def build(self) -> dict[str, Any]:
        """Build the encoder to mu and log sigma^2, and the decoder."""
        encoder = encoder_network(self.setting, ("mu", "log_variance"))
        return {"encoder": encoder, "decoder": decoder_network(self.setting)}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the negative log-likelihood and the weighted KL divergence, averaged over the events."""
        mu, log_variance = self.posterior(networks, batch["x"])
        z = drawn(mu, log_variance, step.normal(ops.shape(mu)))
        per_latent = ops.mean(self._divergence(mu, log_variance, z), axis=0)
        costly = ops.maximum(per_latent, step.knobs["free_bits"])
        likelihood = self.log_likelihood(networks, batch["x"], z, step)
        return {"reconstruction": -ops.mean(likelihood), "kl": self._beta(step) * ops.sum(costly)}

    def _beta(self, step: Step) -> Tensor:
        """Grow linearly over the annealed part."""
        return step.knobs["beta"] * ops.minimum(1.0, step.progress / ops.maximum(step.knobs["annealing"], 1e-9))

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
        z = step.normal((n, self.setting.latent))
        if self.options.prior == "laplace":
            uniform = step.uniform((n, self.setting.latent)) - 0.5
            z = -ops.sign(uniform) * ops.log(ops.maximum(1 - 2 * ops.abs(uniform), 1e-12))
        elif self.options.prior == "student_t":
            degrees = self.options.degrees_of_freedom
            chi_squared = ops.sum(ops.square(step.normal((degrees, n, self.setting.latent))), axis=0)
            z = z / ops.sqrt(chi_squared / degrees)
        return self.decode(networks, z)

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the scores of a variational autoencoder."""
        return {
            "reconstruction": self._reconstruction,
            "masked_reconstruction": self._masked_reconstruction,
            "kl": self._kl,
            "mu_squared": self._mu_squared,
            "mu_squared_over_variance": self._mu_squared_over_variance,
            "elbo": self._elbo,
        }

    def log_evidence(self, networks: Networks, x: Tensor, step: Step, n_samples: int) -> Tensor:
        """Estimate log p(x) from below, (n,): log of the mean over samples z of q of p(x | z) p(z) / q(z | x).

        Its expectation rises to log p(x) with the number of samples (Burda et al., arXiv 1509.00519).
        """
        mu, log_variance = self.posterior(networks, x)
        options = self.options
        weights = []
        for _ in range(n_samples):
            z = drawn(mu, log_variance, step.normal(ops.shape(mu)))
            ratio = log_prior(options.prior, options.degrees_of_freedom, z) - log_normal(z, mu, log_variance)
            weights.append(self.log_likelihood(networks, x, z, step) + ops.sum(ratio, axis=-1))
        return ops.logsumexp(ops.stack(weights), axis=0) - ops.log(float(n_samples))

    def _divergence(self, mu: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
        return divergence(self.options.prior, self.options.degrees_of_freedom, mu, log_variance, z)

    @abstractmethod
    def log_likelihood(self, networks: Networks, x: Tensor, z: Tensor, step: Step) -> Tensor:
        """Give log p(x | z) of each event, (n,)."""

    def _reconstruction(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return squared_error(batch["x"], self.decode(networks, self.encode(networks, batch["x"])))

    def _masked_reconstruction(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        reconstruction = self.decode(networks, self.encode(networks, batch["x"]))
        return masked_squared_error(self.setting, batch["x"], reconstruction)

    def _kl(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        mu, log_variance = self.posterior(networks, batch["x"])
        z = drawn(mu, log_variance, step.normal(ops.shape(mu)))
        return ops.sum(self._divergence(mu, log_variance, z), axis=-1)

    def _mu_squared(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return ops.sum(ops.square(self.encode(networks, batch["x"])), axis=-1)

    def _mu_squared_over_variance(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        mu, log_variance = self.posterior(networks, batch["x"])
        return ops.sum(ops.square(mu) * ops.exp(-log_variance), axis=-1)

    def _elbo(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        return -self.log_evidence(networks, batch["x"], step, self.options.importance_samples)
