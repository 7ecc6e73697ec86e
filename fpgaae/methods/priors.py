"""Priors of the latents, and the KL divergence of a Gaussian posterior from them: closed where there is a closed form.

With q = N(mu, sigma^2) in each latent:

- normal: 1/2 (mu^2 + sigma^2 - 1 - log sigma^2) (Kingma & Welling, arXiv 1312.6114, appendix B);
- laplace, p(z) = exp(-|z|) / 2: E|z| + log 2 - 1/2 log(2 pi e sigma^2), with the mean of the folded normal,
  E|z| = sigma sqrt(2 / pi) exp(-mu^2 / (2 sigma^2)) + mu erf(mu / (sigma sqrt 2));
- student_t: log q(z) - log p(z) at the drawn z, whose mean is the divergence (Abiri & Ohlsson, ESANN 2020).
"""

from __future__ import annotations

import math
from typing import Literal

from fpgaae.methods.base import Tensor
from fpgaae.methods.lazy import ops

PriorName = Literal["normal", "laplace", "student_t"]
_LOG_2_PI = math.log(2 * math.pi)


def log_normal(z: Tensor, mu: Tensor, log_variance: Tensor) -> Tensor:
    """Give log N(z; mu, sigma^2), element by element."""
    return -0.5 * (_LOG_2_PI + log_variance + ops.square(z - mu) * ops.exp(-log_variance))


def log_prior(prior: PriorName, degrees: int, z: Tensor) -> Tensor:
    """Give log p(z), element by element.

    Parameters
    ----------
    degrees
        Degrees of freedom of Student's t.
    """
    if prior == "normal":
        return -0.5 * (_LOG_2_PI + ops.square(z))
    if prior == "laplace":
        return -math.log(2) - ops.abs(z)
    norm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    return norm - 0.5 * (degrees + 1) * ops.log1p(ops.square(z) / degrees)


def drawn(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Give z = mu + sigma noise, a draw from q where the noise is unit normal."""
    return mu + ops.exp(0.5 * log_variance) * noise


def divergence_of_events(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Give KL(q, p) of each event from the unit normal, (n,): what the deployed networks are trained with.

    `divergence` gives the same of single latents. Both orders of the sum stay, since trained weights follow from each
    to the last bit.
    """
    return -0.5 * ops.sum(1 + log_variance - ops.square(mu) - ops.exp(log_variance), axis=-1)


def divergence(prior: PriorName, degrees: int, mu: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    """Give KL(q, p) of each latent, (n, k); of Student's t its estimate at the drawn z."""
    if prior == "normal":
        return 0.5 * (ops.square(mu) + ops.exp(log_variance) - 1 - log_variance)
    if prior == "laplace":
        sigma = ops.exp(0.5 * log_variance)
        ratio = mu / (sigma * math.sqrt(2))
        mean_magnitude = sigma * math.sqrt(2 / math.pi) * ops.exp(-ops.square(ratio)) + mu * ops.erf(ratio)
        return mean_magnitude + math.log(2) - 0.5 * (_LOG_2_PI + 1 + log_variance)
    return log_normal(z, mu, log_variance) - log_prior(prior, degrees, z)
