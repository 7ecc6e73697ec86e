"""The full-precision autoencoders (Keras 3): the reference, and where the quantized training starts from.

Layers and their names are those of `fpgaae.models.plan`, as in the quantized twin, so that weights go over by name.
This module imports Keras 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fpgaae.config.layers import Shape
from fpgaae.config.model import Model, ModelKind, Score
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.methods.likelihood import weighted_error
from fpgaae.methods.networks import clipped_log_variance
from fpgaae.methods.priors import divergence_of_events, drawn
from fpgaae.methods.reconstruction import filled
from fpgaae.models.description import LayerDescription
from fpgaae.models.float_weights import FOLDED_FILE, FloatWeights, save_folded
from fpgaae.models.masked import MaskedConv2D, MaskedDense
from fpgaae.models.plan import FEATURES, OUTPUT, SAMPLING, plan_network

Tensor = Any
WEIGHTS_FILE = "float.weights.h5"
TEACHER_WEIGHTS_FILE = "teacher.weights.h5"
_MASKED = {"Dense": MaskedDense, "Conv2D": MaskedConv2D}


class FloatGraph(NamedTuple):
    """A model to train, and the part of it that gives the score."""

    training: keras.Model  # features -> reconstruction, or a student's one output
    scoring: keras.Model  # features -> reconstruction, mu, the output; or two beside each other: mu and log sigma^2,
    # embedding and reconstruction


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
        log_variance = clipped_log_variance(log_variance)
        self.add_loss(self.beta * ops.mean(divergence_of_events(mu, log_variance)))
        if not training:
            return mu
        return drawn(mu, log_variance, keras.random.normal(ops.shape(mu), seed=self.noise))


def build_float(
    model: Model, image: Shape, seed: int, *, batch_normalization: bool = False, masked: bool = False
) -> FloatGraph:
    """Build the float network of a config, with batch normalization in front of each activation if that is wanted.

    Parameters
    ----------
    image
        Height, width and channels of an event.
    masked
        For a training that prunes: every layer with weights can lose some.
    """
    initializers = iter(range(seed, seed + 1000))
    network = plan_network(model, image)
    tensors: dict[str, Tensor] = {FEATURES: keras.Input(network.input_shape, name=FEATURES)}
    for layer in network.layers[1:]:
        x = [tensors[name] for name in layer.inputs]
        if layer.kind == "Sampling":
            tensors[layer.name] = Sampling(model.beta, seed, name=SAMPLING)(x)
            continue
        if layer.kind == "ReLU" and batch_normalization:
            x = [keras.layers.BatchNormalization(name=f"{layer.inputs[0]}_normalization")(x[0])]
        tensors[layer.name] = _make(layer, initializers, masked=masked)(x[0])
    if model.kind is ModelKind.STUDENT:  # trained without its last ReLU, behind which nothing is learned below zero
        student = keras.Model(tensors[FEATURES], tensors[OUTPUT])
        return FloatGraph(student, student)
    reconstruction = tensors[network.outputs[0]]
    scored = tensors["mu"] if model.kind is ModelKind.VARIATIONAL else reconstruction
    if model.score.needs_variance:
        scored = keras.layers.Concatenate()([scored, tensors["log_variance"]])
    if model.compared_layer is not None:
        scored = keras.layers.Concatenate()([tensors[model.compared_layer], scored])
    return FloatGraph(keras.Model(tensors[FEATURES], reconstruction), keras.Model(tensors[FEATURES], scored))


def _make(layer: LayerDescription, seeds: Iterator[int], *, masked: bool) -> keras.layers.Layer:
    """Make a planned layer; of those with weights, each takes the next seed, but log sigma^2 starts at zero."""
    if not layer.is_float_sum:
        return getattr(keras.layers, layer.kind)(name=layer.name, **layer.settings)
    is_zero = layer.name == "log_variance"
    initializer = "zeros" if is_zero else keras.initializers.HeUniform(seed=next(seeds))
    kind = _MASKED[layer.kind] if masked else getattr(keras.layers, layer.kind)
    return kind(name=layer.name, kernel_initializer=initializer, **layer.settings)


def reconstruction_loss(model: Model, variance: NDArray[np.float64], empty: NDArray[np.float64]) -> Any:  # noqa: ANN401
    """Give the reconstruction term of the loss; of a student, the squared difference from its target.

    Autoencoder: the score divided by the number of features. Variational: `fpgaae.methods.likelihood.weighted_error`.

    Parameters
    ----------
    variance
        Of each feature in training, (n_features,).
    empty
        What the first feature of each slot is when the slot is empty, (n_slots,).
    """
    if model.score is Score.ABSOLUTE_ERROR:
        return "mean_absolute_error"
    if model.score is Score.MASKED_SQUARED_ERROR:
        limits = empty.astype(np.float32)

        def masked(target: Tensor, prediction: Tensor) -> Tensor:
            return ops.mean(filled(len(variance), limits, target) * ops.square(target - prediction), axis=-1)

        return masked
    if model.kind is not ModelKind.VARIATIONAL:
        return "mean_squared_error"
    return partial(weighted_error, variance)


def save_float(training: keras.Model, folder: Path) -> FloatWeights:
    """Write the weights of a trained network, as Keras has them and folded, and give the folded ones."""
    save_by_keras(training.save_weights, folder / WEIGHTS_FILE)
    folded = folded_weights(training)
    save_folded(folder / FOLDED_FILE, folded)
    return folded


def folded_weights(training: keras.Model) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Give kernel and bias of every layer with weights by name, with the batch normalization behind it folded in.

    y = gamma (W x + b - mean) / sqrt(variance + epsilon) + beta is the layer with W' = W g and
    b' = (b - mean) g + beta, g = gamma / sqrt(variance + epsilon).
    """
    weights = {}
    names = {layer.name: layer for layer in training.layers}
    for name, layer in names.items():
        if not isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D)):
            continue
        kernel, bias = (np.asarray(array, dtype=np.float64) for array in layer.get_weights())
        if (normalization := names.get(f"{name}_normalization")) is not None:
            gamma, beta, mean, variance = (np.asarray(a, dtype=np.float64) for a in normalization.get_weights())
            gain = gamma / np.sqrt(variance + normalization.epsilon)
            kernel, bias = kernel * gain, (bias - mean) * gain + beta
        weights[name] = (kernel.astype(np.float32), bias.astype(np.float32))
    return weights
