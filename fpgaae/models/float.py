"""The full-precision autoencoders (Keras 3): the reference, and where the quantized training starts from.

Layer names are those of the quantized twin, so that weights go over by name. This module imports Keras 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fpgaae.config import Model, ModelKind, Score
from fpgaae.models.float_weights import LOG_VARIANCE_LIMIT
from fpgaae.models.masked import MaskedDense

Tensor = Any
WEIGHTS_FILE = "float.weights.h5"


class FloatGraph(NamedTuple):
    """A model to train, and the part of it that gives the score."""

    training: keras.Model  # features -> reconstruction
    scoring: keras.Model  # features -> reconstruction, mu, or mu and log sigma^2 beside each other


@keras.saving.register_keras_serializable(package="fpgaae")
class Sampling(keras.layers.Layer):
    """Draw z = mu + exp(log_variance / 2) * eps and add the KL divergence from the unit normal to the loss.

    KL = -1/2 sum over the latents of (1 + log_variance - mu^2 - exp(log_variance)), averaged over the events
    (Kingma & Welling, arXiv 1312.6114, appendix B), weighted by beta (Higgins et al. 2017).
    """

    def __init__(self, beta: float, seed: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.beta = beta
        self.noise = keras.random.SeedGenerator(seed)

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        """Sample in training, give mu otherwise."""
        mu, log_variance = inputs
        log_variance = ops.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mu) - ops.exp(log_variance), axis=-1)
        self.add_loss(self.beta * ops.mean(divergence))
        if not training:
            return mu
        return mu + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mu), seed=self.noise)


def build_float(
    model: Model, n_features: int, seed: int, *, batch_normalization: bool = False, masked: bool = False
) -> FloatGraph:
    """Build the float network of a config: rectified hidden layers, linear latent and reconstruction.

    Parameters
    ----------
    masked
        For a training that prunes: every dense layer is a `MaskedDense`.
    """
    initializers = iter(range(seed, seed + 1000))
    layer_class = MaskedDense if masked else keras.layers.Dense

    def dense(x: Tensor, name: str, units: int) -> Tensor:
        initializer = keras.initializers.HeUniform(seed=next(initializers))
        return layer_class(units, name=name, kernel_initializer=initializer)(x)

    def hidden(x: Tensor, name: str, units: int) -> Tensor:
        x = dense(x, name, units)
        if batch_normalization:
            x = keras.layers.BatchNormalization(name=f"{name}_normalization")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    features = x = keras.Input((n_features,), name="features")
    for index, units in enumerate(model.encoder, 1):
        x = hidden(x, f"encoder_{index}", units)
    if model.kind is ModelKind.VARIATIONAL:
        latent = dense(x, "mu", model.latent)
        log_variance = layer_class(model.latent, name="log_variance", kernel_initializer="zeros")(x)
        x = Sampling(model.beta, seed, name="sampling")([latent, log_variance])
    else:
        x = latent = dense(x, "latent", model.latent)
    for index, units in enumerate(model.decoder, 1):
        x = hidden(x, f"decoder_{index}", units)
    reconstruction = dense(x, "reconstruction", n_features)
    scored = latent if model.kind is ModelKind.VARIATIONAL else reconstruction
    if model.score.needs_variance:
        scored = keras.layers.Concatenate()([latent, log_variance])
    return FloatGraph(keras.Model(features, reconstruction), keras.Model(features, scored))


def reconstruction_loss(model: Model, variance: NDArray[np.float64], empty: NDArray[np.float64]) -> Any:  # noqa: ANN401
    """Give the reconstruction term of the loss.

    Autoencoder: the score divided by the number of features. Variational: the sum over the features of the squared
    error divided by the feature's variance, -2 log p of a Gaussian likelihood with that width up to a constant, so that
    a feature counts by its information and not by its range; features that never vary in training are left out.

    Parameters
    ----------
    variance
        Of each feature in training, (n_features,).
    empty
        What the first feature of each slot is when the slot is empty, (n_slots,).
    """
    if model.score is Score.SQUARED_ERROR:
        return "mean_squared_error"
    if model.score is Score.ABSOLUTE_ERROR:
        return "mean_absolute_error"
    if model.score is Score.MASKED_SQUARED_ERROR:
        size = len(variance) // len(empty)
        limits = ops.convert_to_tensor(empty.astype(np.float32))

        def masked(target: Tensor, prediction: Tensor) -> Tensor:
            filled = ops.repeat(ops.cast(target[:, ::size] > limits, "float32"), size, axis=-1)
            return ops.mean(filled * ops.square(target - prediction), axis=-1)

        return masked
    weights = ops.convert_to_tensor(np.where(variance > 0, 1 / np.maximum(variance, 1e-12), 0).astype(np.float32))

    def loss(target: Tensor, prediction: Tensor) -> Tensor:
        return ops.sum(weights * ops.square(target - prediction), axis=-1)

    return loss


def folded_weights(training: keras.Model) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Give kernel and bias of every dense layer by name, with the batch normalization behind it folded in.

    y = gamma (W x + b - mean) / sqrt(variance + epsilon) + beta is the dense layer with W' = W g and
    b' = (b - mean) g + beta, g = gamma / sqrt(variance + epsilon).
    """
    weights = {}
    names = {layer.name: layer for layer in training.layers}
    for name, layer in names.items():
        if not isinstance(layer, keras.layers.Dense):
            continue
        kernel, bias = (np.asarray(array, dtype=np.float64) for array in layer.get_weights())
        if (normalization := names.get(f"{name}_normalization")) is not None:
            gamma, beta, mean, variance = (np.asarray(a, dtype=np.float64) for a in normalization.get_weights())
            gain = gamma / np.sqrt(variance + normalization.epsilon)
            kernel, bias = kernel * gain, (bias - mean) * gain + beta
        weights[name] = (kernel.astype(np.float32), bias.astype(np.float32))
    return weights
