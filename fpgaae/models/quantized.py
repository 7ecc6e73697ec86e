"""The quantized twin (QKeras): the network exactly as the firmware computes it, built from resolved widths.

This module imports TensorFlow. Layer names are those of the float model: `encoder_1`, `latent` or `mu`, `decoder_1`,
`reconstruction`; what follows a layer is called `<layer>_relu` or `<layer>_quantized`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tf_keras
from qkeras import QActivation, QDense
from qkeras.utils import load_qmodel

from fpgaae.config import Model, ModelKind
from fpgaae.models.scores import SCORE_LAYERS, MuSquaredScore, SquaredErrorScore

Tensor = Any
MODEL_FILE = "model.h5"
Wrapper = Callable[[tf_keras.layers.Layer], tf_keras.layers.Layer]


class ResolvedWidth(NamedTuple):
    """A quantizer's width with its integer bits known; `integer_bits` without the sign, as QKeras counts."""

    bits: int
    integer_bits: int

    def signed(self) -> str:
        """Give the QKeras quantizer of a signed value: `ap_fixed<bits, integer_bits + 1, RND_CONV, SAT>`."""
        return f"quantized_bits({self.bits},{self.integer_bits},0,alpha=1)"

    def relu(self) -> str:
        """Give the QKeras quantizer of a rectified value: `ap_ufixed<bits, integer_bits, RND_CONV, SAT>`."""
        return f"quantized_relu({self.bits},{self.integer_bits})"


class Widths(NamedTuple):
    """Every quantizer of a network, by layer name."""

    inputs: ResolvedWidth
    weights: Mapping[str, ResolvedWidth]
    activations: Mapping[str, ResolvedWidth]

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a result file."""
        return {
            "inputs": self.inputs._asdict(),
            "weights": {name: width._asdict() for name, width in self.weights.items()},
            "activations": {name: width._asdict() for name, width in self.activations.items()},
        }


class QuantizedGraph(NamedTuple):
    """The symbolic tensors of a network, for training and for deployment."""

    features: Tensor
    inputs: Tensor  # quantized features
    hidden: Tensor  # last hidden activation of the encoder
    latent: Tensor
    reconstruction: Tensor | None  # None where only the encoder is deployed
    score: Tensor

    def deployed(self) -> tf_keras.Model:
        """Give the model that goes into the firmware: features in, score out."""
        return tf_keras.Model(self.features, self.score, name="deployed")


def build_quantized(model: Model, n_features: int, widths: Widths, wrap: Wrapper | None = None) -> QuantizedGraph:
    """Build the deployed network.

    Parameters
    ----------
    wrap
        Applied to each layer with weights before it is called: the pruning wrapper during training.
    """

    def dense(x: Tensor, name: str, units: int) -> Tensor:
        quantizer = widths.weights[name].signed()
        layer = QDense(units, kernel_quantizer=quantizer, bias_quantizer=quantizer, name=name)
        return (wrap(layer) if wrap else layer)(x)

    def hidden(x: Tensor, name: str, units: int) -> Tensor:
        return QActivation(widths.activations[name].relu(), name=f"{name}_relu")(dense(x, name, units))

    def linear(x: Tensor, name: str, units: int) -> Tensor:
        return QActivation(widths.activations[name].signed(), name=f"{name}_quantized")(dense(x, name, units))

    features = tf_keras.layers.Input((n_features,), name="features")
    x = inputs = QActivation(widths.inputs.signed(), name="features_quantized")(features)
    for index, units in enumerate(model.encoder, 1):
        x = hidden(x, f"encoder_{index}", units)
    last_hidden = x
    if model.kind is ModelKind.VARIATIONAL:
        mu = linear(x, "mu", model.latent)
        return QuantizedGraph(features, inputs, last_hidden, mu, None, MuSquaredScore(name="score")(mu))
    x = latent = linear(x, "latent", model.latent)
    for index, units in enumerate(model.decoder, 1):
        x = hidden(x, f"decoder_{index}", units)
    reconstruction = linear(x, "reconstruction", n_features)
    score = SquaredErrorScore(name="score")([inputs, reconstruction])
    return QuantizedGraph(features, inputs, last_hidden, latent, reconstruction, score)


def load_quantized(file: str) -> tf_keras.Model:
    """Read a deployed model that `train` saved."""
    return load_qmodel(file, custom_objects=dict(SCORE_LAYERS), compile=False)
