"""What normalizing flows share: layers that can be undone, between asinh of the events and unit normal latents.

    log p(x) = log N(z; 0, 1) + sum over the layers of log |det| - 1/2 sum over the inputs of log(1 + x^2)

The last term is of asinh, which shortens the tails of the inputs.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import numpy as np
from pydantic import Field

from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import ops

_LARGEST_SCALE = 2.0  # so that no layer scales by more than exp(2)
_HALF_LOG_TWO_PI = 0.5 * float(np.log(2 * np.pi))


class FlowOptions(MethodOptions):
    """Keys of `method` for a normalizing flow; its hidden layers are those of `model.encoder`."""

    noise: Annotated[float, Field(ge=0, le=1e6)] = (
        0.1  # spread added in training: hardware integers have no density without it
    )


class NormalizingFlow(Method):
    """Layers between asinh of the events and as many unit normal latents; each must begin as the identity."""

    options: FlowOptions
    one_to_one = True

    @property
    @abstractmethod
    def n_layers(self) -> int:
        """How many layers there are."""

    @abstractmethod
    def turned(self, networks: Networks, index: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give what a layer makes of values (n, n_features), and log |det| of it, (n,)."""

    @abstractmethod
    def undone(self, networks: Networks, index: int, z: Tensor) -> Tensor:
        """Give the values that a layer makes (n, n_features) of."""

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
        for index in range(self.n_layers):
            z, of_layer = self.turned(networks, index, z)
            log_determinant = log_determinant + of_layer
        return z, log_determinant

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, n_features)."""
        return self.forward(networks, x)[0]

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events of latents: the inverse of `encode`."""
        for index in reversed(range(self.n_layers)):
            z = self.undone(networks, index, z)
        return ops.sinh(z)

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give events of unit normal latents."""
        return self.decode(networks, step.normal((n, self.setting.n_features)))

    def _negative_log_likelihood(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return -self.log_likelihood(networks, batch["x"])


def bounded(scale: Tensor) -> Tensor:
    """Keep the logarithm of a scale within what a layer may do."""
    return _LARGEST_SCALE * ops.tanh(scale / _LARGEST_SCALE)
