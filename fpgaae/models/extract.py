"""A QKeras model to its integer network: quantized weights to codes, layers to their exact integer form.

This module needs a Keras 2 model in memory, but imports neither TensorFlow nor QKeras.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, codes_of
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.rounding import Input, Quantize, Quantizer, Relu
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Convolution, Dense
from fpgaae.golden.network import IntegerNetwork, refuse_wide
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.models.architecture import read_architecture
from fpgaae.models.description import check_settings
from fpgaae.models.extract_convolution import IMAGE_READERS, image_shape, read_convolution
from fpgaae.models.keras_layers import score_kind
from fpgaae.models.quantizers import quantizer_type

_Reader = Callable[[Any, list[Layer]], Layer]


def extract_network(model: Any) -> IntegerNetwork:  # noqa: ANN401
    """Read the exact integer network from a QKeras model.

    Raises
    ------
    InputError
        If a layer, one of its settings, or a quantizer has no exact integer form.
    """
    layers: dict[str, Layer] = {}
    name_of: dict[str, str] = {}  # Keras layer -> integer layer that holds its output
    for keras_layer in model.layers:
        sources = [name_of[name] for name in _input_names(keras_layer) if name in name_of]
        kind = type(keras_layer).__name__
        if kind == "InputLayer":
            name_of[keras_layer.name] = keras_layer.name
            continue
        reader = _READER_OF.get(kind)
        if reader is None:
            raise InputError(f"the layer {keras_layer.name} is a {kind}, which has no exact integer form")
        if not sources:
            raise InputError(f"the layer {keras_layer.name} has no input that is part of the network")
        layer = reader(keras_layer, [layers.get(name, _input_placeholder(name)) for name in sources])
        layers[layer.name] = layer
        name_of[keras_layer.name] = layer.name
    check_settings(read_architecture(json.loads(model.to_json())).network)
    return refuse_wide(IntegerNetwork(tuple(layers.values())))


def _input_names(keras_layer: Any) -> list[str]:  # noqa: ANN401
    tensors = keras_layer.input if isinstance(keras_layer.input, list) else [keras_layer.input]
    return [tensor._keras_history.layer.name for tensor in tensors]


def _input_placeholder(name: str) -> Layer:
    """Stand for an Input layer until the quantizer behind it is read."""
    return Input(name, (), 0, FixedPointType(1, 1))


def _read_activation(layer: Any, sources: list[Layer]) -> Layer:  # noqa: ANN401
    to = quantizer_type(layer.quantizer, layer.name)
    size, shape = int(np.prod(layer.output.shape[1:])), image_shape(layer)
    if sources[0].size == 0:  # the quantizer straight behind the Input gives the input its type
        return Input(sources[0].name, (), size, to, shape)
    return (Quantize if to.signed else Relu)(layer.name, (sources[0].name,), size, to, shape)


def _read_dense(layer: Any, sources: list[Layer]) -> Layer:  # noqa: ANN401
    kernel, bias = _quantized_weights(layer, sources[0])
    if len(layer.input.shape) != 2:
        raise InputError(f"the input of the layer {layer.name} is an image; put a Flatten in front of it")
    return Dense.of(layer.name, sources[0], kernel, bias)


def _read_convolution(layer: Any, sources: list[Layer]) -> Layer:  # noqa: ANN401
    return read_convolution(layer, sources[0], *_quantized_weights(layer, sources[0]))


def _read_behind(read: Callable[[Any, Layer], Layer]) -> _Reader:
    """Let a reader of one source read a layer whose input is quantized."""

    def reader(layer: Any, sources: list[Layer]) -> Layer:  # noqa: ANN401
        _require_quantized(layer, sources[0])
        return read(layer, sources[0])

    return reader


def _read_leaky_relu(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    return LeakyRelu.of(layer.name, source, round(-math.log2(float(layer.alpha))))


def _read_table(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    made: Layer = layer.golden(source)
    return made


def _require_quantized(layer: Any, source: Layer) -> None:  # noqa: ANN401
    if source.size == 0:
        raise InputError(f"the input of the layer {layer.name} has no quantizer; put a QActivation behind the Input")


def _quantized_weights(
    layer: Any,  # noqa: ANN401
    source: Layer,
) -> tuple[tuple[Codes, FixedPointType], tuple[Codes, FixedPointType]]:
    """Give kernel and bias of a layer, of which nothing may stay in full precision."""
    _require_quantized(layer, source)
    if getattr(layer.activation, "__name__", layer.activation) not in {None, "linear"}:
        raise InputError(f"the layer {layer.name} has an activation inside; put a QActivation behind it instead")
    if not layer.use_bias:
        raise InputError(f"the layer {layer.name} has no bias; set use_bias=True (it may be zero)")
    kernel = _weights(layer, layer.kernel, layer.kernel_quantizer_internal, "kernel")
    bias = _weights(layer, layer.bias, layer.bias_quantizer_internal, "bias")
    return kernel, bias


def _weights(
    layer: Any,  # noqa: ANN401
    variable: Any,  # noqa: ANN401
    quantizer: Any,  # noqa: ANN401
    what: str,
) -> tuple[Codes, FixedPointType]:
    if quantizer is None:
        raise InputError(f"the {what} of the layer {layer.name} is not quantized; give it a {what}_quantizer")
    to = quantizer_type(quantizer, f"{layer.name} ({what})")
    return codes_of(np.asarray(quantizer(variable), dtype=np.float64), to), to


def _read_score(layer: Any, sources: list[Layer]) -> Layer:  # noqa: ANN401
    made: Layer = layer.golden(sources)
    return made


READERS: dict[type, tuple[_Reader, tuple[str, ...]]] = {  # by golden class: how it is read, and of which Keras classes
    Input: (_read_activation, ("QActivation",)),  # the one straight behind the Input
    Quantizer: (_read_activation, ("QActivation",)),
    Dense: (_read_dense, ("QDense",)),
    LeakyRelu: (_read_behind(_read_leaky_relu), ("LeakyReLU",)),
    Tabulated: (_read_behind(_read_table), ("TableActivation",)),
    Convolution: (_read_convolution, ("QConv1D", "QConv2D")),
    **{kind: (_read_behind(read), names) for kind, (read, names) in IMAGE_READERS.items()},
    ScoreLayer: (_read_score, tuple(score_kind(score) for score in Score)),
}
_READER_OF = {name: reader for reader, names in READERS.values() for name in names}

SUPPORTED_LAYERS = frozenset(_READER_OF)  # Keras classes that have an exact integer form, besides the Input
