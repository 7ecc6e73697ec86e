"""Principal components: the optimum of the linear autoencoder in closed form, without a training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.methods.base import MethodOptions
from fpgaae.methods.kinds.linear import LinearAutoencoder
from fpgaae.statistics import leading_components


class PcaOptions(MethodOptions):
    """It has none of its own; of `model` it reads the latent width only."""


class PrincipalComponents(LinearAutoencoder):
    """The linear autoencoder with z = V (x - mean) and x' = V^T z + mean, the rows of V the leading eigenvectors."""

    options_class = PcaOptions

    def solve(self, x: NDArray[np.float32]) -> Mapping[str, NDArray[np.floating]]:
        """Take the leading eigenvectors of the covariance."""
        mean = x.mean(axis=0, dtype=np.float64)
        centred = x.astype(np.float64) - mean
        components = leading_components(centred.T @ centred, self.setting.latent)
        return {
            "latent/kernel": components,
            "latent/bias": -mean @ components,
            "reconstruction/kernel": components.T,
            "reconstruction/bias": mean,
        }
