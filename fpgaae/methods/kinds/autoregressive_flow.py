"""The masked autoregressive flow (Papamakarios, Pavlakou & Murray, arXiv 1705.07057): an exact density of the events.

Each layer takes every value as Gaussian with a mean and a width that depend on the values before it alone,

    u_i = (x_i - m_i(x_1 ... x_(i-1))) exp(-a_i(x_1 ... x_(i-1))),   log |det du/dx| = - sum a_i,

all of them from one network whose weights are masked (MADE: Germain et al., arXiv 1502.03509). From layer to layer the
order is reversed. To go back takes as many passes as there are values, since each is known only with those before it.
`fpgaae.methods.normalizing` has the density.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.methods.base import Networks, Tensor
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers
from fpgaae.methods.normalizing import FlowOptions, NormalizingFlow, bounded


class AutoregressiveFlowOptions(FlowOptions):
    """Keys of `method` for a masked autoregressive flow."""

    layers: Annotated[int, Field(ge=1, le=32)] = 5


class AutoregressiveFlow(NormalizingFlow):
    """Autoregressive layers."""

    options_class = AutoregressiveFlowOptions
    options: AutoregressiveFlowOptions

    @property
    def n_layers(self) -> int:
        """How many layers there are."""
        return self.options.layers

    def build(self) -> dict[str, Any]:
        """Build the network of m and a of every layer; all begin as the identity."""
        return {f"layer_{index}": self._network(index) for index in range(self.options.layers)}

    def turned(self, networks: Networks, index: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give what a layer makes of values (n, n_features), and log |det| of it, (n,)."""
        mean, scale = self._mean_and_scale(networks, index, z)
        return ops.flip((z - mean) * ops.exp(-scale), axis=-1), -ops.sum(scale, axis=-1)

    def undone(self, networks: Networks, index: int, z: Tensor) -> Tensor:
        """Give the values that a layer makes (n, n_features) of, one value a pass."""
        u = ops.flip(z, axis=-1)

        def another(_: Tensor, x: Tensor) -> Tensor:
            mean, scale = self._mean_and_scale(networks, index, x)
            return u * ops.exp(scale) + mean

        return ops.fori_loop(0, self.setting.n_features, another, u)

    def _network(self, index: int) -> Any:  # noqa: ANN401
        values = keras.Input((self.setting.n_features,), name="values")
        hidden = dense_layers(values, "hidden", self.setting.encoder, "relu")
        outputs = dense(hidden, "mean_and_scale", 2 * self.setting.n_features, initializer="zeros")
        return keras.Model(values, outputs, name=f"layer_{index}")

    def _mean_and_scale(self, networks: Networks, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run a network with its weights masked."""
        network = networks[f"layer_{index}"]
        names = [*(f"hidden_{i + 1}" for i in range(len(self.setting.encoder))), "mean_and_scale"]
        for name, mask in zip(names, self.masks(), strict=True):
            layer = network.get_layer(name)
            x = ops.matmul(x, layer.kernel * ops.convert_to_tensor(mask)) + layer.bias
            x = x if name == names[-1] else ops.relu(x)
        mean, scale = ops.split(x, 2, axis=-1)
        return mean, bounded(scale)

    def masks(self) -> Iterator[NDArray[np.float32]]:
        """Give what of each kernel, (inputs, outputs), keeps every output from values at its own place and behind.

        A unit has the number of the last value that it may read; it reads units of no larger number, an output smaller.
        """
        n = self.setting.n_features
        reads = np.arange(n)
        for width in self.setting.encoder:
            units = np.arange(width) % max(n - 1, 1)
            yield (reads[:, None] <= units).astype(np.float32)
            reads = units
        yield np.tile(reads[:, None] < np.arange(n), (1, 2)).astype(np.float32)
