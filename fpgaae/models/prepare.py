"""What a described model from elsewhere becomes: its float network, and its quantized one where it has quantizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.models.cut import refuse_several_outputs, up_to
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import SCORES, Role
from fpgaae.models.qkeras_form import folded_twin, quantized_form
from fpgaae.models.simplify import fold_normalization, simplify, without_quantizers


class Prepared(NamedTuple):
    """An imported network without its score."""

    twin: NetworkDescription  # in full precision
    quantized: NetworkDescription | None  # as it is, of a QKeras model
    tensors: Mapping[str, str]  # quantizer -> float layer that it stands for
    is_folded: bool = False  # normalizations went into quantized weights, so that these differ from those of the file
    inputs: FixedPointType | None = None  # the type that the inputs of a QKeras model were given


def prepare_network(network: NetworkDescription, inputs: FixedPointType, *, quantize: bool) -> Prepared:
    """Bring a network into the form that is quantized, or keep that of a QKeras model.

    Parameters
    ----------
    inputs
        Type of the network's inputs in the config.

    Raises
    ------
    InputError
        If it has a layer or an activation without exact firmware.
    """
    simple = _without_score(simplify(network))
    if not simple.is_quantized:
        return Prepared(fold_normalization(simple), None, {})
    if quantize:  # anew: from the weights that it multiplies with
        return Prepared(folded_twin(simple)[0], None, {})
    form = quantized_form(simple, inputs)
    twin, tensors = folded_twin(simple) if form.is_folded else without_quantizers(form.network)
    first = form.network.layers[1].name
    return Prepared(twin, form.network, {first: form.network.layers[0].name, **tensors}, form.is_folded, form.inputs)


def _without_score(network: NetworkDescription) -> NetworkDescription:
    """Take off the score at the end and what only flattens in front of it; it is put back as the config names it."""
    refuse_several_outputs(network)
    score = network.score
    if score is None:
        return network
    if SCORES[score.kind].of_reconstruction:
        _refuse_inner_layer(network, score.inputs[0])
    outputs = score.inputs if SCORES[score.kind].needs_variance else score.inputs[-1:]
    return up_to(network, tuple(_in_front_of_reshaping(network, name) for name in outputs))


def _refuse_inner_layer(network: NetworkDescription, compared: str) -> None:
    """Refuse a score that compares something else than the inputs, with which it would be put back."""
    name = compared
    while network[name].inputs:
        if network[name].role.computes:
            raise InputError(
                f"the score of the model compares its output with the layer {compared}, and the score of an imported "
                "model compares it with the inputs; train one with `model.embedding` here"
            )
        name = network[name].inputs[0]


def _in_front_of_reshaping(network: NetworkDescription, name: str) -> str:
    while network[name].role is Role.RESHAPE:
        name = network[name].inputs[0]
    return name
