"""The score behind an imported network (imports TensorFlow)."""

from __future__ import annotations

from typing import Any

from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.quantized import score_layer
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


def deploy(model: Any, network: NetworkDescription, score: Score, features: FeatureMap) -> Any:  # noqa: ANN401
    """Put the config's score behind a quantized model.

    Raises
    ------
    InputError
        If its input is not quantized.
    """
    source = network.layers[0].name
    readers = network.readers(source)
    if len(readers) != 1 or readers[0].role is not Role.ROUND:
        raise InputError(f"the input {source} has no quantizer; put a QActivation straight behind the Input")
    name = readers[0].name
    return with_score(model, name, score_layer(score, features, quantizer_type(model.get_layer(name).quantizer, name)))
