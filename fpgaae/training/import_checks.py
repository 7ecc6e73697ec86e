"""Whether an imported network fits the experiment: its input, its output and its score, and what it is prepared to.

This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fpgaae.config.experiment import Config
from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.models.description import NetworkDescription
from fpgaae.models.quantized import score_layer
from fpgaae.models.quantizers import quantizer_type
from fpgaae.models.rebuild import with_score
from fpgaae.models.score_layers import LAYER_OF_SCORE
from fpgaae.models.simplify import fold_normalization, simplify, without_quantizers

_AXES = 3  # pt, eta and phi of each slot


class Prepared(NamedTuple):
    """An imported network without its score."""

    twin: NetworkDescription  # in full precision
    quantized: NetworkDescription | None  # as it is, of a QKeras model
    tensors: Mapping[str, str]  # quantizer -> float layer that it stands for


def prepare_network(network: NetworkDescription, *, quantize: bool) -> Prepared:
    """Bring a network into the form that is quantized, or keep that of a QKeras model.

    Raises
    ------
    InputError
        If it has a layer or an activation without exact firmware.
    """
    simple = _without_score(simplify(network))
    if not simple.is_quantized:
        return Prepared(fold_normalization(simple), None, {})
    twin, tensors = without_quantizers(simple)
    if quantize:
        return Prepared(fold_normalization(twin), None, {})
    return Prepared(twin, simple, tensors)


def _without_score(network: NetworkDescription) -> NetworkDescription:
    """Take off the score at the end and what only flattens in front of it; it is put back as the config names it."""
    if len(network.outputs) != 1:
        raise InputError(
            f"the model has {len(network.outputs)} outputs; give one whose only output is the reconstruction or mu"
        )
    score = network.score
    if score is None:
        return network
    output = score.inputs[-1]
    while network[output].kind in {"Flatten", "Reshape"}:
        output = network[output].inputs[0]
    needed: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += network[name].inputs
    return NetworkDescription(tuple(layer for layer in network.layers if layer.name in needed), (output,))


def check_input(network: NetworkDescription, n_features: int) -> None:
    """Make sure that a network takes the events of the config.

    Raises
    ------
    InputError
        If its input has another shape.
    """
    slots = n_features // _AXES
    allowed = [(n_features,), (slots, _AXES), (slots, _AXES, 1)]
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


def deploy(model: Any, network: NetworkDescription, score: Score, features: FeatureMap) -> Any:  # noqa: ANN401
    """Put the config's score behind a quantized model.

    Raises
    ------
    InputError
        If its input is not quantized.
    """
    source = network.layers[0].name
    readers = network.readers(source)
    if len(readers) != 1 or readers[0].kind != "QActivation":
        raise InputError(f"the input {source} has no quantizer; put a QActivation straight behind the Input")
    name = readers[0].name
    return with_score(model, name, score_layer(score, features, quantizer_type(model.get_layer(name).quantizer, name)))
