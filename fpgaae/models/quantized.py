"""The quantized twin (QKeras): the network exactly as the firmware computes it, built from resolved widths.

This module imports TensorFlow. Layers and their names are those of `fpgaae.models.plan`, as in the float model:
`encoder_1`, `latent` or `mu`, `decoder_1`, `reconstruction`, `output`; what follows a layer is called `<layer>_relu`
or `<layer>_quantized`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tf_keras
from qkeras.utils import load_qmodel

from fpgaae.config.layers import Shape
from fpgaae.config.model import Model, Score
from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import FixedPointType, values_of
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.own_layers import OWN_LAYERS
from fpgaae.models.plan import FEATURES, deployed_part, plan_deployed, plan_network
from fpgaae.models.rebuild import Wrapper, build_tensors
from fpgaae.models.resolved_widths import Widths
from fpgaae.models.score_layers import LAYER_OF_SCORE, ScoreLayer

Tensor = Any
MODEL_FILE = "model.h5"


class QuantizedGraph(NamedTuple):
    """The symbolic tensors of a network, for training and for deployment."""

    features: Tensor
    latent: Tensor  # of a student, its output
    log_variance: Tensor | None  # None where the score does not need it
    reconstruction: Tensor | None  # flat; None where only the encoder is deployed
    compared: Tensor | None  # what the score compares it with
    score: Tensor

    def deployed(self) -> tf_keras.Model:
        """Give the model that goes into the firmware: features in, score out."""
        return tf_keras.Model(self.features, self.score, name="deployed")


def build_quantized(
    model: Model, image: Shape, feature_map: FeatureMap, widths: Widths, wrap: Wrapper | None = None
) -> QuantizedGraph:
    """Build the deployed network.

    Parameters
    ----------
    image
        Height, width and channels of an event.
    feature_map
        The scaling of the inputs; a masked score finds in it what an empty slot looks like.
    wrap
        Applied to each layer with weights before it is called: the pruning wrapper during training.
    """
    sites = quantizer_sites(deployed_part(model, plan_network(model, image)))
    settings = _score_settings(model.score, feature_map, widths.inputs.signed(), _variance_table(model, widths))
    network = plan_deployed(model, image, widths.quantizers(sites), settings)
    tensors = build_tensors(network, wrap)
    score = network["score"]
    read = [tensors[name] for name in score.inputs]
    is_reconstruction = model.score.of_reconstruction
    return QuantizedGraph(
        features=tensors[FEATURES],
        latent=tensors["latent_quantized"] if is_reconstruction else read[0],
        log_variance=tensors.get("log_variance_quantized"),
        reconstruction=read[1] if is_reconstruction else None,
        compared=read[0] if is_reconstruction else None,
        score=tensors["score"],
    )


class VarianceTable(NamedTuple):
    """The table over log sigma^2 that some scores hold."""

    argument: FixedPointType
    fraction_bits: int


def _variance_table(model: Model, widths: Widths) -> VarianceTable | None:
    if not model.score.needs_variance:
        return None
    return VarianceTable(widths.activations["log_variance"].signed(), widths.score_table_fraction_bits)


def score_layer(
    score: Score, feature_map: FeatureMap, inputs: FixedPointType, table: VarianceTable | None
) -> ScoreLayer:
    """Make the Keras layer of a score, called `score`.

    Parameters
    ----------
    inputs
        Type of the network's inputs.
    table
        Of the scores that need log sigma^2.
    """
    return LAYER_OF_SCORE[score](name="score", **_score_settings(score, feature_map, inputs, table))


def _score_settings(
    score: Score, feature_map: FeatureMap, inputs: FixedPointType, table: VarianceTable | None
) -> dict[str, Any]:
    """Give what a score's layer is made from."""
    if score is Score.MASKED_SQUARED_ERROR:
        return {"empty": values_of(feature_map.empty_slot_codes(inputs), inputs.fraction).tolist()}
    return {} if table is None else {"argument": str(table.argument), "fraction_bits": table.fraction_bits}


def load_quantized(file: str) -> tf_keras.Model:
    """Read a deployed model that `train` saved."""
    return load_qmodel(file, custom_objects=dict(OWN_LAYERS), compile=False)
