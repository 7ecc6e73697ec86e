"""The usual networks (Keras 3), of whose layers the quantized twin has those of the same name.

Hidden layers are those of the config's `model`, dense or convolutional, and rectified; latents and reconstruction are
linear.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fpgaae.methods.base import PlannedLayer, Setting, Tensor
from fpgaae.methods.lazy import keras, ops

LOG_VARIANCE_LIMIT = 8.0  # log sigma^2 is kept within +- this, here, in the quantized twin and in its scores


def encoder_network(setting: Setting, heads: tuple[str, ...] = ("latent",)) -> Any:  # noqa: ANN401
    """Give the network (n, n_features) -> (n, k), or to several heads of k values that read the same hidden layer.

    Of a method that learns an embedding it reads that one, (n, n_embedding). A head `log_variance` starts at zero.
    """
    features = keras.Input((setting.embedding or setting.n_features,), name="features")
    x = planned_layers(features, setting.encoder_plan)
    outputs = [
        dense(x, head, setting.latent, initializer="zeros" if head == "log_variance" else "he_uniform")
        for head in heads
    ]
    return keras.Model(features, outputs if len(heads) > 1 else outputs[0], name="encoder")


def decoder_network(setting: Setting) -> Any:  # noqa: ANN401
    """Give the network (n, k) -> (n, n_features)."""
    latents = keras.Input((setting.latent,), name="latents")
    return keras.Model(latents, planned_layers(latents, setting.decoder_plan), name="decoder")


def dense_decoder(setting: Setting) -> Any:  # noqa: ANN401
    """Give the network (n, k) -> (n, n_features) of dense layers only, whatever the config's decoder is made of."""
    latents = keras.Input((setting.latent,), name="latents")
    x = dense_layers(latents, "decoder", setting.decoder)
    return keras.Model(latents, dense(x, "reconstruction", setting.n_features), name="decoder")


def linear_network(name: str, layer: str, n_inputs: int, n_outputs: int) -> Any:  # noqa: ANN401
    """Give the network of one linear layer."""
    inputs = keras.Input((n_inputs,))
    return keras.Model(inputs, dense(inputs, layer, n_outputs, initializer="glorot_uniform"), name=name)


def planned_layers(x: Tensor, plan: Iterable[PlannedLayer]) -> Tensor:
    """Put the layers that the config names behind a tensor."""
    for layer in plan:
        settings = {"kernel_initializer": "he_uniform"} if layer.has_weights else {}
        x = getattr(keras.layers, layer.kind)(name=layer.name, **layer.settings, **settings)(x)
    return x


def dense_layers(x: Tensor, name: str, widths: tuple[int, ...], activation: str = "relu") -> Tensor:
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
