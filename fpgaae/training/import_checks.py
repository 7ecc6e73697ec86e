"""Whether an imported network fits the experiment: its input, its output and its score.

This module imports TensorFlow.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fpgaae.config.experiment import Config
from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.quantized import score_layer
from fpgaae.models.quantizers import quantizer_type
from fpgaae.models.rebuild import with_score
from fpgaae.models.score_layers import LAYER_OF_SCORE
from fpgaae.models.shapes import Shape


def check_input(network: NetworkDescription, image: Shape) -> None:
    """Make sure that a network takes the events of the config: flat, or as an image with or without its one channel.

    Parameters
    ----------
    image
        Height, width and channels of an event.

    Raises
    ------
    InputError
        If its input has another shape.
    """
    *_, n_channels = image
    shapes = [image] if n_channels > 1 else [image[:-1], image]
    allowed = list(dict.fromkeys([(prod(image),), *shapes]))
    if network.input_shape not in allowed:
        raise InputError(
            f"the model takes events of shape {network.input_shape}, but those of the config are "
            f"{', '.join(map(str, allowed[:-1]))} or {allowed[-1]}; change `data.hardware` or the model"
        )


def check_score(config: Config, given: NetworkDescription, n_inputs: int, output_shape: tuple[int, ...]) -> None:
    """Make sure that the config's score can be made from what a network puts out.

    Raises
    ------
    InputError
        If the model and `model.score` contradict each other.
    """
    score = config.model.score
    if score.needs_variance:
        raise InputError(
            f"the score {score.value} of the config needs mu and log sigma^2, and an imported model has one output; "
            "set `model.score` to mu_squared, or to a score of the reconstruction"
        )
    wanted = LAYER_OF_SCORE[score].__name__
    if given.score is not None and given.score.kind != wanted:
        raise InputError(
            f"the model ends in a {given.score.kind}, but `model.score` is {score.value}; change one of them"
        )
    n_outputs = int(np.prod(output_shape))
    if score is Score.REGRESSION:
        if n_outputs != 1:
            raise InputError(
                f"the model puts out {n_outputs} values, but `model.score` is regression, which is one number; give a "
                "model with one output behind a ReLU"
            )
        return
    if score is Score.MU_SQUARED and n_outputs == n_inputs:
        raise InputError(
            f"the model puts out as many values as it takes in ({n_inputs}), a reconstruction, but `model.score` is "
            "mu_squared; set `model.kind` to autoencoder and `model.score` to squared_error"
        )
    if score is not Score.MU_SQUARED and n_outputs != n_inputs:
        raise InputError(
            f"the model takes in {n_inputs} values and puts out {n_outputs}, no reconstruction, but `model.score` is "
            f"{score.value}; set `model.kind` to variational and `model.score` to mu_squared"
        )


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
