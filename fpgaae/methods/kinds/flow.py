"""The normalizing flow RealNVP (Dinh, Sohl-Dickstein & Bengio, arXiv 1605.08803): an exact density of the events.

Each coupling layer leaves one half of the values, x_a, as it is, and scales and shifts the other half by what a network
makes of it: y_b = x_b exp(s(x_a)) + t(x_a), whose log-determinant is sum s. A fixed permutation lies in between.
`fpgaae.methods.normalizing` has the density.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.methods.base import Networks, Tensor
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers
from fpgaae.methods.normalizing import FlowOptions, NormalizingFlow, bounded


class CouplingOptions(FlowOptions):
    """Keys of `method` for a flow of couplings."""

    couplings: Annotated[int, Field(ge=2, le=32)] = 8


class CouplingFlow(NormalizingFlow):
    """Affine couplings."""

    options_class = CouplingOptions
    options: CouplingOptions

    @property
    def n_layers(self) -> int:
        """How many couplings there are."""
        return self.options.couplings

    def build(self) -> dict[str, Any]:
        """Build the network of s and t of every coupling layer; all begin as the identity."""
        return {f"coupling_{i}": self._coupling(i) for i in range(self.options.couplings)}

    def turned(self, networks: Networks, index: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give what a coupling makes of values (n, n_features), and log |det| of it, (n,)."""
        z = ops.take(z, self._permutation(index), axis=-1)
        kept, changed = z[:, : self._n_kept], z[:, self._n_kept :]
        scale, shift = self._scale_and_shift(networks, index, kept)
        return ops.concatenate([kept, changed * ops.exp(scale) + shift], axis=-1), ops.sum(scale, axis=-1)

    def undone(self, networks: Networks, index: int, z: Tensor) -> Tensor:
        """Give the values that a coupling makes (n, n_features) of."""
        kept, changed = z[:, : self._n_kept], z[:, self._n_kept :]
        scale, shift = self._scale_and_shift(networks, index, kept)
        z = ops.concatenate([kept, (changed - shift) * ops.exp(-scale)], axis=-1)
        return ops.take(z, np.argsort(self._permutation(index)), axis=-1)

    @property
    def _n_kept(self) -> int:
        return self.setting.n_features // 2

    def _permutation(self, index: int) -> NDArray[np.int64]:
        """Give what goes where before a layer: the halves change places, then by chance, the same for every member."""
        n = self.setting.n_features
        if index % 2:
            return np.roll(np.arange(n), self._n_kept - n)
        return np.random.default_rng([n, index]).permutation(n)

    def _coupling(self, index: int) -> Any:  # noqa: ANN401
        n_changed = self.setting.n_features - self._n_kept
        kept = keras.Input((self._n_kept,), name="kept")
        x = dense_layers(kept, "hidden", self.setting.encoder, "relu")
        return keras.Model(
            kept, dense(x, "scale_and_shift", 2 * n_changed, initializer="zeros"), name=f"coupling_{index}"
        )

    def _scale_and_shift(self, networks: Networks, index: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = ops.split(networks[f"coupling_{index}"](kept), 2, axis=-1)
        return bounded(scale), shift
