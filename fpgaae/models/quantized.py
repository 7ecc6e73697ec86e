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

from fpgaae.config import Model, ModelKind, Score
from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, values_of
from fpgaae.models.scores import LAYER_OF_SCORE, SCORE_LAYERS, ScoreLayer

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

    def signed_type(self) -> FixedPointType:
        """Give the type that `signed` stands for."""
        return FixedPointType(self.bits, self.integer_bits + 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)

    def relu(self) -> str:
        """Give the QKeras quantizer of a rectified value: `ap_ufixed<bits, integer_bits, RND_CONV, SAT>`."""
        return f"quantized_relu({self.bits},{self.integer_bits})"


class Widths(NamedTuple):
    """Every quantizer of a network, by layer name."""

    inputs: ResolvedWidth
    weights: Mapping[str, ResolvedWidth]
    activations: Mapping[str, ResolvedWidth]
    score_table_fraction_bits: int = 8

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a result file."""
        return {
            "inputs": self.inputs._asdict(),
            "weights": {name: width._asdict() for name, width in self.weights.items()},
            "activations": {name: width._asdict() for name, width in self.activations.items()},
            "score_table_fraction_bits": self.score_table_fraction_bits,
        }


class QuantizedGraph(NamedTuple):
    """The symbolic tensors of a network, for training and for deployment."""

    features: Tensor
    inputs: Tensor  # quantized features
    hidden: Tensor  # last hidden activation of the encoder
    latent: Tensor
    log_variance: Tensor | None  # None where the score does not need it
    reconstruction: Tensor | None  # None where only the encoder is deployed
    score: Tensor

    def deployed(self) -> tf_keras.Model:
        """Give the model that goes into the firmware: features in, score out."""
        return tf_keras.Model(self.features, self.score, name="deployed")


def build_quantized(
    model: Model, feature_map: FeatureMap, widths: Widths, wrap: Wrapper | None = None
) -> QuantizedGraph:
    """Build the deployed network.

    Parameters
    ----------
    feature_map
        The scaling of the inputs; a masked score finds in it what an empty slot looks like.
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

    features = tf_keras.layers.Input((len(feature_map),), name="features")
    x = inputs = QActivation(widths.inputs.signed(), name="features_quantized")(features)
    for index, units in enumerate(model.encoder, 1):
        x = hidden(x, f"encoder_{index}", units)
    last_hidden = x
    if model.kind is ModelKind.VARIATIONAL:
        mu, log_variance = linear(x, "mu", model.latent), None
        if model.score.needs_variance:
            log_variance = linear(x, "log_variance", model.latent)
        layer = score_layer(model.score, feature_map, widths.inputs.signed_type(), _variance_table(model, widths))
        score = layer(mu if log_variance is None else [mu, log_variance])
        return QuantizedGraph(features, inputs, last_hidden, mu, log_variance, None, score)
    x = latent = linear(x, "latent", model.latent)
    for index, units in enumerate(model.decoder, 1):
        x = hidden(x, f"decoder_{index}", units)
    reconstruction = linear(x, "reconstruction", len(feature_map))
    score = score_layer(model.score, feature_map, widths.inputs.signed_type())([inputs, reconstruction])
    return QuantizedGraph(features, inputs, last_hidden, latent, None, reconstruction, score)


class VarianceTable(NamedTuple):
    """The table over log sigma^2 that some scores hold."""

    argument: FixedPointType
    fraction_bits: int


def _variance_table(model: Model, widths: Widths) -> VarianceTable | None:
    if not model.score.needs_variance:
        return None
    return VarianceTable(widths.activations["log_variance"].signed_type(), widths.score_table_fraction_bits)


def score_layer(
    score: Score, feature_map: FeatureMap, inputs: FixedPointType, table: VarianceTable | None = None
) -> ScoreLayer:
    """Make the Keras layer of a score, called `score`.

    Parameters
    ----------
    inputs
        Type of the network's inputs.
    table
        For the scores that need sigma.
    """
    options: dict[str, Any] = {"name": "score"}
    if score is Score.MASKED_SQUARED_ERROR:
        options["empty"] = values_of(feature_map.empty_slot_codes(inputs), inputs.fraction).tolist()
    elif table is not None:
        options |= {"argument": str(table.argument), "fraction_bits": table.fraction_bits}
    return LAYER_OF_SCORE[score](**options)


def load_quantized(file: str) -> tf_keras.Model:
    """Read a deployed model that `train` saved."""
    return load_qmodel(file, custom_objects=dict(SCORE_LAYERS), compile=False)
