"""The normalizing flow RealNVP (Dinh, Sohl-Dickstein & Bengio, arXiv 1605.08803): an exact density of the events.

Each coupling layer leaves one half of the values, x_a, as it is, and scales and shifts the other half by what a network
makes of it: y_b = x_b exp(s(x_a)) + t(x_a), whose log-determinant is sum s. A fixed permutation lies in between. In
front stands asinh, which shortens the tails of the inputs:

    log p(x) = log N(z; 0, 1) + sum over the layers of sum s - 1/2 sum over the inputs of log(1 + x^2)
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers

_LARGEST_SCALE = 2.0  # |s| stays below, so that no layer scales by more than exp(2)
_HALF_LOG_TWO_PI = 0.5 * float(np.log(2 * np.pi))


class FlowOptions(MethodOptions):
    """Keys of `method` for a normalizing flow; its hidden layers are those of `model.encoder`."""

    couplings: Annotated[int, Field(ge=2, le=32)] = 8
    noise: Annotated[float, Field(ge=0, le=1e6)] = (
        0.1  # spread added in training: hardware integers have no density without it
    )


class NormalizingFlow(Method):
    """Affine couplings between asinh of the events and unit normal latents, as many as there are inputs."""

    options_class = FlowOptions
    options: FlowOptions
    one_to_one = True

    def build(self) -> dict[str, Any]:
        """Build the network of s and t of every coupling layer; all begin as the identity."""
        return {f"coupling_{i}": self._coupling(i) for i in range(self.options.couplings)}

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
        for index in range(self.options.couplings):
            z = ops.take(z, self._permutation(index), axis=-1)
            kept, changed = z[:, : self._n_kept], z[:, self._n_kept :]
            scale, shift = self._scale_and_shift(networks, index, kept)
            z = ops.concatenate([kept, changed * ops.exp(scale) + shift], axis=-1)
            log_determinant = log_determinant + ops.sum(scale, axis=-1)
        return z, log_determinant

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, n_features)."""
        return self.forward(networks, x)[0]

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events of latents: the inverse of `encode`."""
        for index in reversed(range(self.options.couplings)):
            kept, changed = z[:, : self._n_kept], z[:, self._n_kept :]
            scale, shift = self._scale_and_shift(networks, index, kept)
            z = ops.concatenate([kept, (changed - shift) * ops.exp(-scale)], axis=-1)
            z = ops.take(z, np.argsort(self._permutation(index)), axis=-1)
        return ops.sinh(z)

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give events of unit normal latents."""
        return self.decode(networks, step.normal((n, self.setting.n_features)))

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
        return _LARGEST_SCALE * ops.tanh(scale / _LARGEST_SCALE), shift

    def _negative_log_likelihood(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return -self.log_likelihood(networks, batch["x"])
