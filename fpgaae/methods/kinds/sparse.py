"""The sparse autoencoder: an L1 penalty on the latents, that is a Laplace prior, so that they may be over-complete."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import Batch, MethodOptions, Networks, Step, Terms
from fpgaae.methods.lazy import ops


class SparseOptions(MethodOptions):
    """Keys of `method` for a sparse autoencoder."""

    sparsity_weight: Annotated[float, Field(ge=0, le=1e6)] = (
        1e-2  # lambda in L + lambda * mean over the latents of abs(z)
    )


class SparseAutoencoder(Autoencoder):
    """The squared error and the mean magnitude of the latents."""

    options_class = SparseOptions
    over_complete = True

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the mean squared error, and the weighted mean magnitude of the latents."""
        z = self.encode(networks, batch["x"])
        return {
            "reconstruction": self.mean_error(batch["x"], self.decode(networks, z)),
            "sparsity": step.knobs["sparsity_weight"] * ops.mean(ops.abs(z)),
        }
