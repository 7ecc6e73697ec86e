"""The normalized autoencoder (Yoon, Noh & Park, arXiv 2105.05735; as a trigger: Dillon et al., arXiv 2206.14225).

The squared error of the reconstruction is the energy of a density, E(x) = |x - x'|^2, p(x) = exp(-E(x) / T) / Z. The
gradient of its mean -log p is that of

    mean over the events of E(x) / T  -  mean over samples of p of E(x) / T,

so that no part of the space where there are no events keeps a small error, as it may in an autoencoder. Samples come
from Langevin chains, x <- x - s/2 dE/dx + sqrt(s T) eps with a step s, the first of them over the latents of E(g(z)),
g the decoder; it starts with the mean and the spread of the batch's latents. Energies
of samples are kept finite by the weighted square that Du & Mordatch add (arXiv 1903.08689).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import Batch, MethodOptions, Networks, Objective, Phase, Step, Tensor, Terms, all_variables
from fpgaae.methods.lazy import input_gradient, ops
from fpgaae.methods.reconstruction import squared_error


class NormalizedOptions(MethodOptions):
    """Keys of `method` for a normalized autoencoder."""

    temperature: Annotated[float, Field(gt=0, le=1e6)] = 1.0  # T
    step: Annotated[float, Field(gt=0, lt=1)] = 0.2  # s of a chain over the inputs
    latent_step: Annotated[float, Field(gt=0, lt=1)] = 0.05  # s of a chain over the latents
    steps: Annotated[int, Field(ge=1, le=100)] = 5  # of a chain over the inputs
    latent_steps: Annotated[int, Field(ge=0, le=100)] = 5  # of a chain over the latents
    regularization: Annotated[float, Field(ge=0, le=1e6)] = 0.1  # weight of the squared energies
    reconstruction_share: Annotated[float, Field(gt=0, lt=1)] = 0.5  # of the epochs, as a plain autoencoder first


class NormalizedAutoencoder(Autoencoder):
    """An autoencoder that is trained as the energy of a density, after a training as an autoencoder."""

    options_class = NormalizedOptions
    options: NormalizedOptions

    def phases(self) -> tuple[Phase, ...]:
        """Train the reconstruction first, then the density."""
        share = self.options.reconstruction_share
        return (
            Phase("reconstruction", share, (Objective(super().terms, all_variables),)),
            Phase("density", 1 - share, (Objective(self.terms, all_variables),)),
        )

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the energies of events and samples over T, and their squares, for each input."""
        n, x = self.setting.n_features, batch["x"]
        energy, sampled = self.energy(networks, x) / n, self.energy(networks, self.negative(networks, x, step)) / n
        squares = ops.mean(ops.square(energy)) + ops.mean(ops.square(sampled))
        return {
            "energy": ops.mean(energy) / step.knobs["temperature"],
            "samples": -ops.mean(sampled) / step.knobs["temperature"],
            "regularization": step.knobs["regularization"] * squares,
        }

    def energy(self, networks: Networks, x: Tensor) -> Tensor:
        """Give E(x) of every event, (n,)."""
        return squared_error(x, self.reconstruct(networks, x))

    def negative(self, networks: Networks, x: Tensor, step: Step) -> Tensor:
        """Give as many samples of p as there are events (n, n_features), through which no gradient goes."""
        z = ops.stop_gradient(self.encode(networks, x))
        mean, spread = ops.mean(z, axis=0, keepdims=True), ops.std(z, axis=0, keepdims=True)
        z = mean + spread * step.normal(ops.shape(z))
        for _ in range(self.options.latent_steps):
            z = langevin(lambda own: self.energy(networks, self.decode(networks, own)), z, "latent_step", step)
        x = self.decode(networks, z)
        for _ in range(self.options.steps):
            x = langevin(lambda own: self.energy(networks, own), x, "step", step)
        return ops.stop_gradient(x)


def langevin(energy: Callable[[Tensor], Tensor], x: Tensor, size: str, step: Step) -> Tensor:
    """Give x - s/2 dE/dx + sqrt(s T) eps.

    Parameters
    ----------
    size
        The knob that holds s.
    """
    s, temperature = step.knobs[size], step.knobs["temperature"]
    gradient = input_gradient(lambda own: ops.sum(energy(own)), x)
    return x - 0.5 * s * gradient + ops.sqrt(s * temperature) * step.normal(ops.shape(x))
