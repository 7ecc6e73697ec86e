"""A described network to a Keras 2 model, float or quantized, and to the model that goes into the firmware.

This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import qkeras
import tf_keras
from tf_keras import layers as keras_layers

from fpgaae.errors import InputError
from fpgaae.models.description import QUANTIZED, SCORES, WEIGHTED, LayerDescription, NetworkDescription
from fpgaae.models.score_layers import SCORE_LAYERS, ScoreLayer

Tensor = Any
Wrapper = Callable[[tf_keras.layers.Layer], tf_keras.layers.Layer]
_POSITIONS = {  # of the arguments of QKeras 0.9.0's quantizers
    "quantized_bits": ("bits", "integer", "symmetric", "keep_negative", "alpha"),
    "quantized_relu": (
        "bits",
        "integer",
        "use_sigmoid",
        "negative_slope",
        "use_stochastic_rounding",
        "relu_upper_bound",
    ),
}


def rebuild(network: NetworkDescription) -> tf_keras.Model:
    """Build a network with its weights.

    Raises
    ------
    InputError
        If its layers do not fit together, or a quantizer has no exact fixed-point form.
    """
    tensors = build_tensors(network)
    outputs = [tensors[name] for name in network.outputs]
    return tf_keras.Model(tensors[network.layers[0].name], outputs if len(outputs) > 1 else outputs[0])


def build_tensors(network: NetworkDescription, wrap: Wrapper | None = None) -> dict[str, Tensor]:
    """Build the layers of a network, with weights where it has some, and give what each puts out.

    Parameters
    ----------
    wrap
        Applied to each layer with weights before it is called: the pruning wrapper during training.

    Raises
    ------
    InputError
        If its layers do not fit together, or a quantizer has no exact fixed-point form.
    """
    tensors: dict[str, Tensor] = {}
    for layer in network.layers:
        if layer.kind == "InputLayer":
            tensors[layer.name] = keras_layers.Input(layer.settings["shape"], name=layer.name)
            continue
        sources = [tensors[name] for name in layer.inputs]
        made = _make(layer)
        called = wrap(made) if wrap and layer.kind in WEIGHTED | QUANTIZED else made
        try:
            tensors[layer.name] = called(sources if len(sources) > 1 else sources[0])
            if layer.weights:
                made.set_weights([layer.weights[name] for name in ("kernel", "bias")])
        except (ValueError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(
                f"the layer {layer.name} does not fit its input or its weights ({reason}); save the model again"
            ) from None
    return tensors


def _make(layer: LayerDescription) -> Any:  # noqa: ANN401
    settings = {key: value for key, value in layer.settings.items() if key != "activation" and value is not None}
    if layer.kind in SCORES:
        if layer.kind not in SCORE_LAYERS:
            raise InputError(f"the layer {layer.name} is a {layer.kind}, which is not known here; remove it")
        return SCORE_LAYERS[layer.kind](name=layer.name, **settings)
    if layer.kind == "QActivation":
        return qkeras.QActivation(quantizer_text(layer.activation, layer.name), name=layer.name)
    if layer.kind in QUANTIZED:
        for key in ("kernel_quantizer", "bias_quantizer"):
            if layer.settings.get(key) is None:
                raise InputError(
                    f"the layer {layer.name} has no {key}; give it one such as quantized_bits(8, 0, 0, alpha=1)"
                )
            settings[key] = quantizer_text(layer.settings[key], layer.name)
        return getattr(qkeras, layer.kind)(name=layer.name, **settings)
    return getattr(keras_layers, layer.kind)(name=layer.name, **settings)


def quantizer_text(quantizer: Any, layer: str) -> str:  # noqa: ANN401
    """Write a quantizer, read as text or as class and settings, as the QKeras text of an exact one.

    Raises
    ------
    InputError
        If it has no exact fixed-point form: another class, scaled, leaky, bounded or stochastic.
    """
    name, arguments, options = _parse(quantizer) if isinstance(quantizer, str) else _of_config(quantizer)
    settings = {"bits": 8, "integer": 0, **dict(zip(_POSITIONS.get(name, ()), arguments, strict=False)), **options}
    numbers = settings["bits"], settings["integer"], settings.get("symmetric") or 0
    harmful = ("use_sigmoid", "negative_slope", "relu_upper_bound", "use_stochastic_rounding")
    exact = all(isinstance(n, (int, float)) and n == int(n) for n in numbers)
    exact = exact and not any(settings.get(key) for key in harmful)
    if exact and name == "quantized_bits" and settings.get("alpha") == 1 and settings.get("keep_negative", True):
        return f"quantized_bits({','.join(str(int(n)) for n in numbers)},alpha=1)"
    if exact and name == "quantized_relu":
        return f"quantized_relu({','.join(str(int(n)) for n in numbers[:2])})"
    shown = quantizer if isinstance(quantizer, str) else f"{name} {dict(options)}"
    raise InputError(
        f"the quantizer {shown[:200]} of the layer {layer} has no exact fixed-point form; use "
        "quantized_bits(n, i, 0, alpha=1) or quantized_relu(n, i)"
    )


def _parse(text: str) -> tuple[str, list[Any], Mapping[str, Any]]:
    """Take `quantized_bits(8,3,0,alpha=1)` apart without evaluating anything but literals."""
    try:
        call = ast.parse(text, mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            options = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords}
            return call.func.id, [ast.literal_eval(argument) for argument in call.args], options
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        pass
    return text[:60], [], {}


def _of_config(quantizer: Any) -> tuple[str, list[Any], Mapping[str, Any]]:  # noqa: ANN401
    if not isinstance(quantizer, Mapping):
        return str(quantizer)[:60], [], {}
    return str(quantizer["class_name"])[:60], [], quantizer["config"]


def with_score(model: tf_keras.Model, inputs: str, score: ScoreLayer) -> tf_keras.Model:
    """Put a score behind a quantized network.

    Both sides of a score on the reconstruction get the same shape, so that a stream brings them in the same packs.

    Parameters
    ----------
    inputs
        The quantizer behind the Input.
    score
        The layer, which reads mu or an output, or the inputs and their reconstruction.
    """
    output = model.output
    if not score.score.of_reconstruction:
        return tf_keras.Model(model.input, score(_flat(output, "latent_flat")))
    x = model.get_layer(inputs).output
    shape_in, shape_out = tuple(x.shape[1:]), tuple(output.shape[1:])
    if shape_in != shape_out and len(shape_in) == 1:
        x = keras_layers.Reshape(shape_out, name="inputs_reshaped")(x)
    elif shape_in != shape_out:
        output = keras_layers.Reshape(shape_in, name="reconstruction_reshaped")(output)
    pair = [_flat(x, "inputs_flat"), _flat(output, "reconstruction_flat")]
    return tf_keras.Model(model.input, score(pair))


def _flat(tensor: Tensor, name: str) -> Tensor:
    return tensor if len(tensor.shape) == 2 else keras_layers.Flatten(name=name)(tensor)


def weighted_layers(network: NetworkDescription) -> tuple[str, ...]:
    """Give the names of the layers with weights in graph order."""
    return tuple(layer.name for layer in network.layers if layer.kind in WEIGHTED | QUANTIZED)
