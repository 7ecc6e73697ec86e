"""The denoising autoencoder: it reconstructs events from corrupted ones, and so fills in what is missing."""

from __future__ import annotations

from typing import ClassVar

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import Batch, MethodOptions, Networks, Step, Terms
from fpgaae.methods.noise import NoiseOptions, corrupted


class DenoisingAutoencoder(Autoencoder):
    """L(x, p(q(x + noise))) with the squared error as L."""

    options_class: ClassVar[type[MethodOptions]] = NoiseOptions
    options: NoiseOptions
    over_complete = True

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the mean squared error of the clean events."""
        noisy = corrupted(self.options, self.setting, batch["x"], step)
        return {"reconstruction": self.mean_error(batch["x"], self.reconstruct(networks, noisy))}
