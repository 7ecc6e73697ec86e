"""The float network as plain arrays (NumPy only): what the quantized training starts from and calibrates with.

Kernel and bias of each layer by name, with any batch normalization folded in, and what each layer puts out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.golden.windows import Shape, Window, average, convolve, enlarge, largest, same_padding, surround
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role

FloatWeights = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

FOLDED_FILE = "folded.npz"
_HELD_VALUES = 1 << 24  # of the largest layer at a time
Values = NDArray[np.float32]


def save_folded(file: Path, weights: FloatWeights) -> None:
    """Write kernel and bias of each layer."""
    arrays: dict[str, Any] = {}
    for name, (kernel, bias) in weights.items():
        arrays |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    np.savez(file, **arrays)


def load_folded(file: Path) -> FloatWeights:
    """Read what `save_folded` wrote."""
    with np.load(file, allow_pickle=False) as saved:
        names = dict.fromkeys(key.split("/")[0] for key in saved)
        return {name: (saved[f"{name}/kernel"], saved[f"{name}/bias"]) for name in names}


def count_weights(weights: FloatWeights) -> int:
    """Count the weights of a network, biases among them."""
    return sum(kernel.size + bias.size for kernel, bias in weights.values())


def layer_outputs(
    network: NetworkDescription, weights: FloatWeights, x: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Give what each layer that is going to be rounded puts out, (n, size), for inputs x of shape (n, n_features).

    Parameters
    ----------
    network
        The deployed part of a planned network; its layers go by the names that the config knows.
    """
    layer_of = {site.tensor: site.layer for site in quantizer_sites(network)}
    for name, values in _outputs(network, weights, x):
        if name in layer_of:
            yield layer_of[name], values.reshape(len(values), -1)


def selected_outputs(
    network: NetworkDescription, weights: FloatWeights, x: NDArray[np.float32], layers: Sequence[str]
) -> NDArray[np.float32]:
    """Give what some layers put out, beside each other, (n, sum of their sizes)."""
    parts = []
    for part in bounded_parts(network, weights, x):
        outputs = dict(layer_outputs(network, weights, part))
        parts.append(np.concatenate([outputs[name] for name in layers], axis=1))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def bounded_parts(
    network: NetworkDescription, weights: FloatWeights, x: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Part events so that no layer holds more than 16 million values; what dense layers put out always fits."""
    widest = max(values.size for _, values in _outputs(network, weights, x[:1]))
    step = max(1, _HELD_VALUES // max(widest, 1))
    for start in range(0, max(len(x), 1), step):
        yield x[start : start + step]


def _outputs(network: NetworkDescription, weights: FloatWeights, x: Values) -> Iterator[tuple[str, Values]]:
    """Give what every layer puts out, images as images; a layer's values are held until the last one read them."""
    last_reader = {source: layer.name for layer in network.layers for source in layer.inputs}
    held = {network.layers[0].name: x}
    for layer in network.layers[1:]:
        source = layer.inputs[0]
        values = _apply(layer, held[source], weights)
        if layer.name == "log_variance":
            values = np.clip(values, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        if last_reader[source] == layer.name:
            del held[source]
        if layer.name in last_reader:
            held[layer.name] = values
        yield layer.name, values


def _apply(layer: LayerDescription, x: Values, weights: FloatWeights) -> Values:
    if layer.kind == "Dense":
        kernel, bias = weights[layer.name]
        return x @ kernel + bias
    if layer.row.function is not None:
        return np.asarray(layer.row.function(x, layer.settings))
    if layer.role is Role.RESHAPE:
        return x.reshape(len(x), *layer.settings.get("target_shape", (prod(x.shape[1:]),)))
    image: Shape = (x.shape[1], x.shape[2], x.shape[3])
    if layer.role is Role.SUM:
        return _convolution(layer, x, image, weights)
    window, work = _moving_window(layer, image)
    rows, columns = window.positions
    if layer.role is Role.ENLARGE:
        rows, columns = image[0] * window.size[0], image[1] * window.size[1]
    return np.asarray(work(x, window), dtype=np.float32).reshape(len(x), rows, columns, image[2])


def _convolution(layer: LayerDescription, x: Values, image: Shape, weights: FloatWeights) -> Values:
    kernel, bias = weights[layer.name]
    size, strides = layer.settings["kernel_size"], layer.settings["strides"]
    padding = same_padding(image, size, strides) if layer.settings["padding"] == "same" else (0, 0, 0, 0)
    window = Window(image, size, strides, padding)
    sums = convolve(x, kernel, window)
    return np.asarray(sums.reshape(len(x), *window.positions, len(bias)) + bias, dtype=np.float32)


def _moving_window(layer: LayerDescription, image: Shape) -> tuple[Window, Callable[[Any, Window], Any]]:
    """Give the window of a layer without weights, and what happens under it."""
    if layer.role is Role.ENLARGE:
        return Window(image, layer.settings["size"]), enlarge
    if layer.role is Role.PAD:
        (top, bottom), (left, right) = layer.settings["padding"]
        return Window(image, (1, 1), padding=(top, bottom, left, right)), surround
    size = layer.settings["pool_size"]
    return Window(image, size, size), average if layer.role is Role.MEAN else largest
