"""A described network in its simplest form: activations as layers of their own, batch normalization folded away.

What a network computes stays the same, up to the rounding of float arithmetic (NumPy only).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.depthwise import with_dense_kernels
from fpgaae.models.description import LayerDescription, NetworkDescription, check_names
from fpgaae.models.functions import TABULATED, as_layer, function_of_activation, function_of_layer, with_tables
from fpgaae.models.keras_layers import Role, function_of
from fpgaae.models.quantizers import Quantizer
from fpgaae.models.setting_forms import entries, has_no_axis
from fpgaae.models.shapes import Shape, channel_axis, shapes_of_layers
from fpgaae.models.transposed import with_spread_images
from fpgaae.names import CPP_KEYWORDS, free_of_clashes

_RELU_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "max_value": (None,),
    "negative_slope": (0, None),
    "threshold": (0, None),
}
_UNIT = {"moving_mean": 0.0, "moving_variance": 1.0}  # of a normalization that is all gain and offset
_RELU = Quantizer("relu", {})
_LONGEST_NAME = 80  # such that what is put behind a layer may add to its name
_TAKEN = frozenset({"score", "latent_flat", "log_variance_flat", "inputs_flat", "inputs_reshaped",
                    "reconstruction_flat", "reconstruction_reshaped"})  # fmt: skip


def simplify(network: NetworkDescription) -> NetworkDescription:
    """Give activations layers of their own, leave out what only works in training, and add zeros for missing biases.

    Names become such that C++ takes them, and layers of nested models stand beside the others.

    Raises
    ------
    InputError
        If an activation is neither linear, nor rectified, nor a quantizer, nor a function that can be a table.
    """
    layers: list[LayerDescription] = []
    into: dict[str, str] = {}
    renamed: dict[str, str] = {}
    named = with_spread_images(with_dense_kernels(_with_one_normalization(_identified(network))))
    taken = {layer.name for layer in named.layers}
    for layer in map(_as_leaky, named.layers):
        if layer.role is Role.TRAINING or (layer.role is Role.ACTIVATE and layer.activation is None):
            into[layer.name] = layer.inputs[0]
        elif (function := function_of_layer(layer)) is not None:
            layers.append(as_layer(layer.name, layer.inputs[0], function, layer.of_file))
        elif layer.role in {Role.ACTIVATE, Role.RECTIFY}:
            layers.append(_rectifier(layer.name, layer.inputs[0], layer))
        elif layer.role is Role.SUM:
            plain, activation = _with_bias(layer).with_settings(activation=None), layer.activation
            layers.append(plain if activation is None else plain.changed(of_file=None))
            if activation is not None:
                made = _activation_of(layer, activation)
                layers.append(made.changed(name=_free_name(made.name, taken)))
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
    outputs = tuple(renamed.get(name, name) for name in named.outputs)
    return with_tables(check_names(NetworkDescription(tuple(rewired), outputs).rewired(rewired, targets)))


def _identified(network: NetworkDescription) -> NetworkDescription:
    """Give every layer a name that C++ takes, outside of any nested model."""
    taken: set[str] = set()
    names = {layer.name: _free_name(_identifier(layer.name), taken) for layer in check_names(network).layers}
    layers = (
        layer.changed(name=names[layer.name], inputs=tuple(names[name] for name in layer.inputs), within=())
        for layer in network.layers
    )
    return NetworkDescription(tuple(layers), tuple(names[name] for name in network.outputs))


def _free_name(name: str, taken: set[str]) -> str:
    """Give a name that no layer has yet, and take it."""
    while name in taken:
        name += "_2"
    taken.add(name)
    return name


def _with_one_normalization(network: NetworkDescription) -> NetworkDescription:
    """Give Normalization and Rescaling, which are affine maps as well, the form of a BatchNormalization."""
    shapes = shapes_of_layers(network)
    return NetworkDescription(
        tuple(
            _as_batch_normalization(layer, shapes.get(layer.inputs[0]))
            if layer.kind in {"Normalization", "Rescaling"}
            else layer
            for layer in network.layers
        ),
        network.outputs,
    )


def _as_batch_normalization(layer: LayerDescription, shape: Shape | None) -> LayerDescription:
    settings = layer.settings
    own = settings.get("axis", -1)
    axis = -1 if layer.kind == "Rescaling" or has_no_axis(own) else own
    index = None if shape is None else channel_axis(layer.with_settings(axis=axis), shape)
    if shape is None or index is None:
        raise InputError(
            f"the layer {layer.name} is a {layer.kind} of inputs of unknown shape; give the model an Input"
        )
    if layer.kind == "Rescaling":
        named = {"gamma": settings.get("scale", 1.0), "beta": settings.get("offset", 0.0), **_UNIT}
    else:
        mean, variance = (layer.weights.get(key, settings.get(key)) for key in ("mean", "variance"))
        deviation = np.maximum(np.sqrt(np.asarray(variance, dtype=np.float64)), 1e-7)  # as Keras does
        named = {"gamma": 1.0, "beta": 0.0, "moving_mean": mean, "moving_variance": np.square(deviation)}
    try:
        weights = {
            key: np.broadcast_to(np.squeeze(np.asarray(value, dtype=np.float64)), (shape[index],))
            for key, value in named.items()
        }
    except (ValueError, TypeError):
        raise InputError(
            f"the numbers of the layer {layer.name} do not fit its input of shape {shape}; give one, or one for each "
            f"of the {shape[index]} entries of its axis"
        ) from None
    return layer.changed(kind="BatchNormalization", settings={"axis": axis, "epsilon": 0.0}, weights=weights)


def _identifier(name: str) -> str:
    """Give a name that C++ and hls4ml take, and that none of the layers has which are put behind the model."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:_LONGEST_NAME]
    if not re.match(r"[A-Za-z]", plain) or plain in _TAKEN | CPP_KEYWORDS:
        return f"layer_{plain}"
    return free_of_clashes(plain)


def _as_leaky(layer: LayerDescription) -> LayerDescription:
    """Give the LeakyReLU that a ReLU with a slope for what is negative, and nothing else, is."""
    unusual = _unusual(layer) if layer.role is Role.RECTIFY else []
    if unusual != ["negative_slope"]:
        return layer
    return layer.changed(kind="LeakyReLU", settings={"negative_slope": float(layer.settings["negative_slope"])})


def _unusual(layer: LayerDescription) -> list[str]:
    return [key for key, usual in _RELU_DEFAULTS.items() if layer.settings.get(key, usual[0]) not in usual]


def _rectifier(name: str, source: str, layer: LayerDescription) -> LayerDescription:
    """Give the ReLU that an Activation or ReLU layer is."""
    if layer.role is Role.RECTIFY and (unusual := _unusual(layer)):
        raise InputError(
            f"the layer {layer.name} is a ReLU with {' and '.join(unusual)}, which has no exact firmware; leave "
            f"{' or '.join(unusual)} out"
        )
    if layer.role is not Role.RECTIFY and layer.activation != _RELU:
        raise InputError(
            f"the layer {layer.name} has the activation '{layer.activation}', which has no exact firmware; use relu, "
            f"linear, or one that becomes a table ({', '.join(sorted(TABULATED))})"
        )
    return LayerDescription(name, "ReLU", (source,), {}, of_file=layer.of_file)


def _activation_of(layer: LayerDescription, activation: Quantizer) -> LayerDescription:
    """Give the activation inside a layer as a layer behind it."""
    if (function := function_of_activation(activation)) is not None:
        return as_layer(f"{layer.name}_{activation.kind}", layer.name, function, layer.of_file)
    if activation == _RELU or layer.is_float_sum:
        return _rectifier(f"{layer.name}_relu", layer.name, layer)
    kind = "relu" if activation.is_rectifier else "quantized"
    settings = {"activation": activation}
    return LayerDescription(f"{layer.name}_{kind}", "QActivation", (layer.name,), settings, of_file=layer.of_file)


def _with_bias(layer: LayerDescription) -> LayerDescription:
    if layer.settings.get("use_bias", True):
        return layer
    zeros = np.zeros(layer.weights["kernel"].shape[-1], dtype=np.float32)
    settings: dict[str, Any] = {**layer.settings, "use_bias": True}
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
    found = next((layer for layer in network.layers if layer.role is Role.NORMALIZE), None)
    if found is None:
        return network
    shape = shapes_of_layers(network).get(found.inputs[0])
    if not _is_along_channels(found, shape):
        return fold_normalization(_along_features(network, found, shape))
    source, readers = network[found.inputs[0]], network.readers(found.name)
    gain, offset = _gain_and_offset(found)
    if source.is_float_sum and len(network.readers(source.name)) == 1:
        changed = {source.name: _scaled_outputs(source, gain, offset).changed(of_file=found.of_file)}
    elif found.name in network.outputs or not readers:
        raise _unfoldable(found)
    elif len(readers) == 1 and readers[0].role is Role.NORMALIZE and _is_along_channels(readers[0], shape):
        changed = {readers[0].name: _after(readers[0], gain, offset)}
    elif all(_takes_normalization(reader, len(gain)) for reader in readers):
        changed = {reader.name: _scaled_inputs(reader, gain, offset) for reader in readers}
    elif len(readers) == 1 and _changes_places(readers[0], gain):
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


def _takes_normalization(reader: LayerDescription, n: int) -> bool:
    """Tell whether an affine map of its inputs can go into a layer: zeros around an image would be mapped, too."""
    is_padded = reader.settings.get("padding", "valid") != "valid"
    return reader.is_float_sum and not is_padded and reader.weights["kernel"].shape[-2] % n == 0


def _changes_places(reader: LayerDescription, gain: NDArray[np.float64]) -> bool:
    """Tell whether an affine map of every channel is the same in front of a layer and behind it."""
    return reader.row.keeps_channels or (reader.role is Role.MAXIMUM and bool((gain > 0).all()))


def _is_along_channels(layer: LayerDescription, shape: Shape | None) -> bool:
    if shape is None:  # behind a layer that nothing is known of
        return entries(layer.settings.get("axis", -1)) == [-1]
    return channel_axis(layer, shape) == len(shape) - 1


def _along_features(network: NetworkDescription, found: LayerDescription, shape: Shape | None) -> NetworkDescription:
    """Give a network in which a normalization along another axis than the last stands behind the Flatten that reads it.

    There it has a gain for every feature: that of the entry of its axis which the feature belongs to.
    """
    axis, readers = shape and channel_axis(found, shape), network.readers(found.name)
    flattens = len(readers) == 1 and readers[0].kind == "Flatten" and found.name not in network.outputs
    if shape is None or axis is None or not flattens:
        raise InputError(
            f"the layer {found.name} can't be folded away: it normalizes along the axis {found.settings.get('axis')} "
            f"of events of shape {shape}; normalize along the last axis, or put a Flatten and a Dense layer behind it"
        )
    along = [-1 if index == axis else 1 for index in range(len(shape))]
    weights = {name: np.broadcast_to(array.reshape(along), shape).reshape(-1) for name, array in found.weights.items()}
    changed = found.with_settings(axis=-1).changed(weights=weights)
    swapped = NetworkDescription(
        tuple(changed if layer is found else layer for layer in network.layers), network.outputs
    )
    return _behind(swapped, changed, readers[0])


def _behind(network: NetworkDescription, moved: LayerDescription, other: LayerDescription) -> NetworkDescription:
    """Let a layer change places with the one layer that reads it."""
    first = other.changed(inputs=moved.inputs, of_file=None)
    second = moved.changed(inputs=(other.name,), of_file=other.of_file)
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


def _after(layer: LayerDescription, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> LayerDescription:
    """Give the one normalization that an affine map and a normalization behind it are."""
    own, shift = _gain_and_offset(layer)
    values = np.ones_like(own)
    weights = {"gamma": own * gain, "beta": own * offset + shift} | {k: v * values for k, v in _UNIT.items()}
    return layer.changed(settings={"axis": -1, "epsilon": 0.0}, weights=weights)


def _gain_and_offset(layer: LayerDescription) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, variance = (layer.weights[name].astype(np.float64) for name in ("moving_mean", "moving_variance"))
    gamma = layer.weights.get("gamma", np.ones_like(mean))
    gain = np.asarray(gamma / np.sqrt(variance + float(layer.settings.get("epsilon", 1e-3))))
    return gain, np.asarray(layer.weights.get("beta", np.zeros_like(mean)) - gain * mean)


def _reweighted(layer: LayerDescription, kernel: NDArray[np.float64], bias: NDArray[np.float64]) -> LayerDescription:
    return layer.changed(weights={"kernel": kernel, "bias": bias})  # in double precision until a model is built


def without_quantizers(network: NetworkDescription) -> tuple[NetworkDescription, dict[str, str]]:
    """Give the float twin of a simplified network, and for each of its quantizers the float layer with that output.

    The weights stay as they are before they are quantized.

    Raises
    ------
    InputError
        If a quantizer does more than rounding, or cutting negative values off.
    """
    layers: list[LayerDescription] = []
    into: dict[str, str] = {}
    for layer in network.layers:
        if layer.role is Role.ROUND and layer.activation is not None and not layer.activation.is_straight:
            raise InputError(
                f"the layer {layer.name} is {layer.activation}, of which no float layer gives the values before they "
                "are rounded; use quantized_bits, or quantized_relu without a slope or a bound"
            )
        if layer.role is Role.ROUND and not (layer.activation and layer.activation.is_rectifier):
            into[layer.name] = layer.inputs[0]
        elif layer.role is Role.ROUND:
            layers.append(LayerDescription(layer.name, "ReLU", layer.inputs, {}, of_file=layer.of_file))
        elif layer.kind == "TableActivation":
            layers.append(as_layer(layer.name, layer.inputs[0], function_of(layer.settings), layer.of_file))
        elif layer.is_quantized_sum:
            settings = {key: value for key, value in layer.settings.items() if not key.endswith("_quantizer")}
            layers.append(layer.changed(kind=layer.kind[1:], settings=settings))
        else:
            layers.append(layer)
    twins = {}
    for layer in network.layers:
        if layer.role is Role.ROUND:
            twin = layer.name
            while twin in into:
                twin = into[twin]
            twins[layer.name] = twin
    return network.rewired(_named_by_rounding(network, layers, into), into), twins


def _named_by_rounding(
    network: NetworkDescription, layers: list[LayerDescription], into: Mapping[str, str]
) -> list[LayerDescription]:
    """Let layers stand for what the file calls the rounding behind them, where it has no name for themselves."""
    named: dict[str, str] = {}
    for name in into:
        source, of_file = name, network[name].of_file
        while source in into:
            source = into[source]
        if of_file is not None:
            named.setdefault(source, of_file)
    return [layer if layer.of_file is not None else layer.changed(of_file=named.get(layer.name)) for layer in layers]
