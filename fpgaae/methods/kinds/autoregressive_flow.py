"""The masked autoregressive flow (Papamakarios, Pavlakou & Murray, arXiv 1705.07057): an exact density of the events.

Each layer takes every value as Gaussian with a mean and a width that depend on the values before it alone,

    u_i = (x_i - m_i(x_1 ... x_(i-1))) exp(-a_i(x_1 ... x_(i-1))),   log |det du/dx| = - sum a_i,

all of them from one network whose weights are masked (MADE: Germain et al., arXiv 1502.03509). From layer to layer the
order is reversed. In front stands asinh, which shortens the tails of the inputs, as in the method `flow`. To go back
takes as many passes as there are values, since each is known only with those before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers

_LARGEST_SCALE = 2.0  # |a| stays below, so that no layer scales by more than exp(2)
_HALF_LOG_TWO_PI = 0.5 * float(np.log(2 * np.pi))


class AutoregressiveFlowOptions(MethodOptions):
    """Keys of `method` for a masked autoregressive flow; its hidden layers are those of `model.encoder`."""

    layers: Annotated[int, Field(ge=1, le=32)] = 5
    noise: Annotated[float, Field(ge=0, le=1e6)] = (
        0.1  # spread added in training: hardware integers have no density without it
    )


class AutoregressiveFlow(Method):
    """Autoregressive layers between asinh of the events and unit normal latents, as many as there are inputs."""

    options_class = AutoregressiveFlowOptions
    options: AutoregressiveFlowOptions
    one_to_one = True

    def build(self) -> dict[str, Any]:
        """Build the network of m and a of every layer; all begin as the identity."""
        return {f"layer_{index}": self._network(index) for index in range(self.options.layers)}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the mean of -log p(x)."""
        x = batch["x"]
        if step.training:
            x = x + step.knobs["noise"] * step.normal(ops.shape(x))
        return {"negative_log_likelihood": -ops.mean(self.log_likelihood(networks, x))}

    def scores(self) -> dict[str, ScoreFunction]:
        """Give -log p(x)."""
        return {"negative_log_likelihood": self._negative_log_likelihood}

    def log_likelihood(self, networks: Networks, x: Tensor) -> Tensor:
        """Give log p(x) of every event, (n,)."""
        z, log_determinant = self.forward(networks, x)
        return log_determinant - ops.sum(0.5 * ops.square(z) + _HALF_LOG_TWO_PI, axis=-1)

    def forward(self, networks: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the latents (n, n_features) and log |det dz/dx|, (n,)."""
        z = ops.arcsinh(x)
        log_determinant = -0.5 * ops.sum(ops.log1p(ops.square(x)), axis=-1)
        for index in range(self.options.layers):
            mean, scale = self._mean_and_scale(networks, index, z)
            z = ops.flip((z - mean) * ops.exp(-scale), axis=-1)
            log_determinant = log_determinant - ops.sum(scale, axis=-1)
        return z, log_determinant

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, n_features)."""
        return self.forward(networks, x)[0]

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events of latents: the inverse of `encode`, in each layer one value a pass."""
        for index in reversed(range(self.options.layers)):
            z = self._undone(networks, index, ops.flip(z, axis=-1))
        return ops.sinh(z)

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give events of unit normal latents."""
        return self.decode(networks, step.normal((n, self.setting.n_features)))

    def _undone(self, networks: Networks, index: int, u: Tensor) -> Tensor:
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
        return mean, _LARGEST_SCALE * ops.tanh(scale / _LARGEST_SCALE)

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

    def _negative_log_likelihood(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return -self.log_likelihood(networks, batch["x"])
