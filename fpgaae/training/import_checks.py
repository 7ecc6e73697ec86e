"""The score behind an imported network (imports TensorFlow)."""

from __future__ import annotations

from typing import Any

from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.quantized import VarianceTable, score_layer
from fpgaae.models.quantizers import quantizer_type
from fpgaae.models.rebuild import with_score
from fpgaae.models.score_layers import LAYER_OF_SCORE


def check_empty_slots(given: NetworkDescription, deployed: Any) -> None:  # noqa: ANN401
    """Make sure that a masked score at the end of a model calls those slots empty that the config's does.

    Raises
    ------
    InputError
        If the two differ, so that other slots would count.
    """
    if given.score is None or given.score.kind != LAYER_OF_SCORE[Score.MASKED_SQUARED_ERROR].__name__:
        return
    theirs, ours = given.score.settings.get("empty"), deployed.get_layer("score").empty
    if list(theirs or ()) != list(ours):
        raise InputError(
            f"the score of the model takes a slot for empty up to {theirs}, but that of the config up to {ours}; give "
            "the model in front of its score, or change `data.scaling` or `quantization.inputs`"
        )


def deploy(
    model: Any,  # noqa: ANN401
    network: NetworkDescription,
    score: Score,
    features: FeatureMap,
    table_fraction_bits: int,
) -> Any:  # noqa: ANN401
    """Put the config's score behind a quantized model.

    Parameters
    ----------
    table_fraction_bits
        Bits behind the point of the entries, where the score has a table over log sigma^2.

    Raises
    ------
    InputError
        If its input, or the log sigma^2 that it puts out, is not quantized.
    """
    source = network.layers[0].name
    readers = network.readers(source)
    if len(readers) != 1 or readers[0].role is not Role.ROUND:
        raise InputError(f"the input {source} has no quantizer; put a QActivation straight behind the Input")
    name = readers[0].name
    table = None
    if score.needs_variance:
        table = VarianceTable(_type_of_log_variance(model, network), table_fraction_bits)
    inputs = quantizer_type(model.get_layer(name).quantizer, name)
    return with_score(model, name, score_layer(score, features, inputs, table))


def _type_of_log_variance(model: Any, network: NetworkDescription) -> FixedPointType:  # noqa: ANN401
    layer = network[network.outputs[1]]
    while layer.role is Role.RESHAPE:
        layer = network[layer.inputs[0]]
    if layer.role is not Role.ROUND:
        raise InputError(
            f"the layer {layer.name} puts out log sigma^2, over whose codes the score has a table; put a QActivation "
            "behind it"
        )
    return quantizer_type(model.get_layer(layer.name).quantizer, layer.name)
