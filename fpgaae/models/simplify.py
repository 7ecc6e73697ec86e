"""A described network in its simplest form: activations as layers of their own, batch normalization folded away.

What a network computes stays the same, up to the rounding of float arithmetic (NumPy only).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.description import QUANTIZED, WEIGHTED, LayerDescription, NetworkDescription, check_names

_ONLY_IN_TRAINING = frozenset({
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization",
})  # fmt: skip
_LINEAR = frozenset({"AveragePooling1D", "AveragePooling2D", "UpSampling1D", "UpSampling2D", "Flatten"})
_MAXIMA = frozenset({"MaxPooling1D", "MaxPooling2D"})
_RELU_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "max_value": (None,),
    "negative_slope": (0, None),
    "threshold": (0, None),
}


def simplify(network: NetworkDescription) -> NetworkDescription:
    """Give activations layers of their own, leave out what only works in training, and add zeros for missing biases.

    Raises
    ------
    InputError
        If an activation is neither linear, nor rectified, nor a quantizer.
    """
    layers: list[LayerDescription] = []
    into: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for layer in network.layers:
        if layer.kind in _ONLY_IN_TRAINING or (layer.kind == "Activation" and layer.activation is None):
            into[layer.name] = layer.inputs[0]
        elif layer.kind in {"Activation", "ReLU"}:
            layers.append(_rectifier(layer.name, layer.inputs[0], layer))
        elif layer.kind in WEIGHTED | QUANTIZED:
            layers.append(_with_bias(layer).with_settings(activation=None))
            if layer.activation is not None:
                layers.append(_activation_of(layer))
                renamed[layer.name] = layers[-1].name
        else:
            layers.append(layer)
    separate = set(renamed.values())
    rewired = [
        layer if layer.name in separate else layer.changed(inputs=tuple(renamed.get(n, n) for n in layer.inputs))
        for layer in layers
    ]
    # what was left out stands for what it read, which may have got an activation layer by now
    targets = {name: renamed.get(source, source) for name, source in into.items()}
    outputs = tuple(renamed.get(name, name) for name in network.outputs)
    return check_names(NetworkDescription(tuple(rewired), outputs).rewired(rewired, targets))


def _rectifier(name: str, source: str, layer: LayerDescription) -> LayerDescription:
    """Give the ReLU that an Activation or ReLU layer is."""
    unusual = [key for key, usual in _RELU_DEFAULTS.items() if layer.settings.get(key, usual[0]) not in usual]
    if layer.kind == "ReLU" and unusual:
        raise InputError(
            f"the layer {layer.name} is a ReLU with {unusual[0]}, which has no exact firmware; leave it out"
        )
    if layer.kind != "ReLU" and layer.activation != "relu":
        raise InputError(
            f"the layer {layer.name} has the activation {layer.activation!r}, which has no exact firmware; use relu or "
            "linear"
        )
    return LayerDescription(name, "ReLU", (source,), {})


def _activation_of(layer: LayerDescription) -> LayerDescription:
    """Give the activation inside a layer as a layer behind it."""
    if layer.activation == "relu" or layer.kind in WEIGHTED:
        return _rectifier(f"{layer.name}_relu", layer.name, layer)
    kind = "relu" if "relu" in str(layer.activation) else "quantized"
    return LayerDescription(f"{layer.name}_{kind}", "QActivation", (layer.name,), {"activation": layer.activation})


def _with_bias(layer: LayerDescription) -> LayerDescription:
    if layer.settings.get("use_bias", True):
        return layer
    zeros = np.zeros(layer.weights["kernel"].shape[-1], dtype=np.float32)
    settings = {**layer.settings, "use_bias": True}
    if "kernel_quantizer" in settings:
        settings["bias_quantizer"] = settings["kernel_quantizer"]
    return layer.changed(settings=settings, weights={**layer.weights, "bias": zeros})


def fold_normalization(network: NetworkDescription) -> NetworkDescription:
    """Fold every BatchNormalization into the layer with weights in front of it, or into those behind it.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta is y = g x + h, g = gamma / sqrt(variance + epsilon) and
    h = beta - g mean, for each channel. Of W x + b it makes (g W) x + (g b + h); W y + b is (W g) x + (b + W h). On its
    way to a layer behind, it may change places with what treats every channel alike.

    Raises
    ------
    InputError
        If no such layer stands beside it.
    """
    found = next((layer for layer in network.layers if layer.kind == "BatchNormalization"), None)
    if found is None:
        return network
    source, readers = network[found.inputs[0]], network.readers(found.name)
    gain, offset = _gain_and_offset(found)
    if source.kind in WEIGHTED and len(network.readers(source.name)) == 1:
        changed = {source.name: _scaled_outputs(source, gain, offset)}
    elif found.name in network.outputs or not readers:
        raise _unfoldable(found)
    elif all(_takes_normalization(reader) for reader in readers):
        changed = {reader.name: _scaled_inputs(reader, gain, offset) for reader in readers}
    elif len(readers) == 1 and (readers[0].kind in _LINEAR or (readers[0].kind in _MAXIMA and (gain > 0).all())):
        return fold_normalization(_behind(network, found, readers[0]))
    else:
        raise _unfoldable(found)
    layers = [changed.get(layer.name, layer) for layer in network.layers if layer is not found]
    return fold_normalization(network.rewired(layers, {found.name: source.name}))


def _unfoldable(layer: LayerDescription) -> InputError:
    return InputError(
        f"the layer {layer.name} can't be folded away: it stands neither behind a Dense or Conv layer nor in front of "
        "a Dense layer or a Conv layer with padding='valid'; move it there"
    )


def _takes_normalization(reader: LayerDescription) -> bool:
    """Tell whether an affine map of its inputs can go into a layer: zeros around an image would be mapped, too."""
    is_padded = reader.settings.get("padding", "valid") != "valid"
    return reader.kind in WEIGHTED and not is_padded


def _behind(network: NetworkDescription, moved: LayerDescription, other: LayerDescription) -> NetworkDescription:
    """Let a layer change places with the one layer that reads it."""
    first, second = other.changed(inputs=moved.inputs), moved.changed(inputs=(other.name,))
    layers: list[LayerDescription] = []
    for layer in network.layers:
        if layer is moved:
            continue
        if layer is other:
            layers += [first, second]
        else:
            inputs = tuple(moved.name if name == other.name else name for name in layer.inputs)
            layers.append(layer.changed(inputs=inputs))
    outputs = tuple(moved.name if name == other.name else name for name in network.outputs)
    return NetworkDescription(tuple(layers), outputs)


def _scaled_outputs(
    layer: LayerDescription, gain: NDArray[np.float64], offset: NDArray[np.float64]
) -> LayerDescription:
    return _reweighted(layer, layer.weights["kernel"] * gain, layer.weights["bias"] * gain + offset)


def _scaled_inputs(layer: LayerDescription, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> LayerDescription:
    kernel = layer.weights["kernel"].astype(np.float64)
    times = kernel.shape[-2] // len(gain)  # pixels of an image that was flattened in between
    gain, offset = np.tile(gain, times), np.tile(offset, times)
    bias = layer.weights["bias"] + (kernel * offset[:, None]).reshape(-1, kernel.shape[-1]).sum(axis=0)
    return _reweighted(layer, kernel * gain[:, None], bias)


def _gain_and_offset(layer: LayerDescription) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, variance = (layer.weights[name].astype(np.float64) for name in ("moving_mean", "moving_variance"))
    gamma = layer.weights.get("gamma", np.ones_like(mean))
    gain = np.asarray(gamma / np.sqrt(variance + float(layer.settings.get("epsilon", 1e-3))))
    return gain, np.asarray(layer.weights.get("beta", np.zeros_like(mean)) - gain * mean)


def _reweighted(layer: LayerDescription, kernel: NDArray[np.float64], bias: NDArray[np.float64]) -> LayerDescription:
    return layer.changed(weights={"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)})


def without_quantizers(network: NetworkDescription) -> tuple[NetworkDescription, dict[str, str]]:
    """Give the float twin of a simplified network, and for each of its quantizers the float layer with that output.

    The weights stay as they are before they are quantized.
    """
    layers: list[LayerDescription] = []
    into: dict[str, str] = {}
    for layer in network.layers:
        if layer.kind == "QActivation" and "relu" not in str(layer.activation):
            into[layer.name] = layer.inputs[0]
        elif layer.kind == "QActivation":
            layers.append(LayerDescription(layer.name, "ReLU", layer.inputs, {}))
        elif layer.kind in QUANTIZED:
            layers.append(layer.changed(kind=layer.kind[1:]).with_settings(kernel_quantizer=None, bias_quantizer=None))
        else:
            layers.append(layer)
    twins = {}
    for layer in network.layers:
        if layer.kind == "QActivation":
            twin = layer.name
            while twin in into:
                twin = into[twin]
            twins[layer.name] = twin
    return network.rewired(layers, into), twins
