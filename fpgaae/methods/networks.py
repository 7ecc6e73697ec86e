"""The usual networks (Keras 3), of whose layers the quantized twin has those of the same name.

Hidden layers are rectified; latents and reconstruction are linear.
"""

from __future__ import annotations

from typing import Any

from fpgaae.methods.base import Setting, Tensor
from fpgaae.methods.lazy import keras, ops

LOG_VARIANCE_LIMIT = 8.0  # log sigma^2 is kept within +- this, as in the quantized twin


def dense_encoder(setting: Setting, *, activation: str = "relu") -> Any:  # noqa: ANN401
    """Give the network (n, n_features) -> (n, k) of dense layers `encoder_1`, ... and `latent`."""
    features = keras.Input((setting.n_features,), name="features")
    x = dense_layers(features, "encoder", setting.encoder, activation)
    return keras.Model(features, dense(x, "latent", setting.latent), name="encoder")


def dense_variational_encoder(setting: Setting) -> Any:  # noqa: ANN401
    """Give the network (n, n_features) -> mu, log sigma^2 of the latents, (n, k) each."""
    features = keras.Input((setting.n_features,), name="features")
    x = dense_layers(features, "encoder", setting.encoder, "relu")
    mu = dense(x, "mu", setting.latent)
    log_variance = dense(x, "log_variance", setting.latent, initializer="zeros")
    return keras.Model(features, [mu, log_variance], name="encoder")


def dense_decoder(setting: Setting, *, activation: str = "relu") -> Any:  # noqa: ANN401
    """Give the network (n, k) -> (n, n_features) of dense layers `decoder_1`, ... and `reconstruction`."""
    latents = keras.Input((setting.latent,), name="latents")
    x = dense_layers(latents, "decoder", setting.decoder, activation)
    return keras.Model(latents, dense(x, "reconstruction", setting.n_features), name="decoder")


def dense_layers(x: Tensor, name: str, widths: tuple[int, ...], activation: str) -> Tensor:
    """Put dense layers `name_1`, ... and their activations behind a tensor."""
    for index, units in enumerate(widths, 1):
        x = dense(x, f"{name}_{index}", units, activation=activation)
    return x


def dense(
    x: Tensor, name: str, units: int, *, activation: str | None = None, initializer: str = "he_uniform"
) -> Tensor:
    """Put one dense layer behind a tensor."""
    return keras.layers.Dense(units, name=name, activation=activation, kernel_initializer=initializer)(x)


def clipped_log_variance(log_variance: Tensor) -> Tensor:
    """Keep log sigma^2 where its exponential is harmless."""
    return ops.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
