"""ONNX operations that add products with constants: dense layers, convolutions, biases, normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription
from fpgaae.models.onnx_graph import Array, Node
from fpgaae.models.onnx_quant import Quant, exact_type
from fpgaae.models.onnx_reader import Reader, layer_name
from fpgaae.models.onnx_values import Held, Places, image_places
from fpgaae.models.onnx_windows import convolution, refuse
from fpgaae.models.shapes import Shape


def multiply(reader: Reader, node: Node) -> None:
    """Take a MatMul or Gemm with constant weights as a dense layer."""
    attributes = node.attributes
    for key in ("alpha", "beta"):
        if float(attributes.get(key, 1.0)) != 1.0:
            raise refuse(node, key, f"use {key}=1")
    if attributes.get("transA"):
        raise refuse(node, "transA", "use transA=0")
    if node.input(0) not in reader.layers.held or node.input(1) in reader.layers.held:
        raise InputError(f"the node {node.name} ({node.kind}) does not multiply the network by constant weights")
    kernel, quant = _weights(reader, node, 1)
    kernel = kernel.T if attributes.get("transB") else kernel
    held = reader.plain_values(node.inputs[0])
    if held.places.ndim != 2 or kernel.ndim != 2 or held.places.shape[1] != kernel.shape[0]:
        raise InputError(
            f"the node {node.name} ({node.kind}) multiplies a tensor of shape {held.places.shape[1:]} by weights of "
            f"shape {kernel.shape}; put a Flatten in front of it"
        )
    source = reader.layers.as_flat(held)
    rows = np.empty_like(kernel)
    rows[held.places[0]] = kernel
    settings = {"units": kernel.shape[1]}
    _sum(reader, node, source, ("Dense", settings, rows, quant), (kernel.shape[1],), np.arange(kernel.shape[1])[None])


def convolve(reader: Reader, node: Node) -> None:
    """Take a Conv with constant weights."""
    kernel, quant = _weights(reader, node, 1)
    held = reader.plain_values(node.inputs[0])
    source, image = reader.layers.as_image(node, held)
    source, settings, shape = convolution(reader.layers, node, source, kernel, layer_name(node.name))
    moved = np.moveaxis(kernel, (0, 1), (-1, -2))
    *extents, channels = shape
    kind = f"Conv{len(image) - 1}D"
    _sum(reader, node, source, (kind, settings, moved, quant), shape, image_places(channels, tuple(extents)))


def _weights(reader: Reader, node: Node, index: int) -> tuple[Array, Quant | None]:
    array = np.asarray(reader.constant(node, index, "weights"), dtype=np.float64)
    return array, reader.constants.quants.get(node.inputs[index])


def _sum(
    reader: Reader,
    node: Node,
    source: str,
    form: tuple[str, dict[str, Any], Array, Quant | None],
    shape: Shape,
    places: Places,
) -> None:
    kind, settings, kernel, quant = form
    settings = {**settings, "use_bias": True, "activation": None}
    if reader.is_quantized:
        settings |= {"kernel_quantizer": quant and quant.weight_quantizer(), "bias_quantizer": None}
    weights = {"kernel": kernel, "bias": np.zeros(shape[-1])}
    name = f"Q{kind}" if reader.is_quantized else kind
    layer = LayerDescription(layer_name(node.name), name, (source,), settings, weights)
    made, output = reader.add(layer, shape, node.outputs[0]), node.outputs[0]
    reader.layers.held[output] = Held(made, places)
    _set_bias(reader, made, np.zeros(shape[-1]), is_rounded=True)
    if node.input(2):
        bias = np.broadcast_to(_weights(reader, node, 2)[0].reshape(-1), (shape[-1],))
        _set_bias(reader, made, bias, is_rounded=node.inputs[2] in reader.constants.quants)
    elif reader.n_readers[output] == 1:
        reader.without_bias[output] = made


def _set_bias(reader: Reader, name: str, bias: Array, *, is_rounded: bool) -> None:
    layer = reader.layers.made[name]
    changed = layer.changed(weights={**layer.weights, "bias": bias})
    if reader.is_quantized:
        changed = changed.with_settings(bias_quantizer=exact_type(bias, is_rounded=is_rounded))
    reader.layers.made[name] = changed


def calculate(reader: Reader, node: Node) -> None:
    """Add a bias, or scale and shift each channel by constants."""
    both = [name in reader.layers.held for name in node.inputs]
    if all(both):
        _merge(reader, node)
        return
    index = both.index(True)
    tensor, other = node.inputs[index], node.inputs[1 - index]
    constant = np.asarray(reader.constants.arrays[other], dtype=np.float64)
    if node.kind == "Add" and tensor in reader.without_bias and _take_bias(reader, node, tensor, constant, other):
        return
    gain, offset = _affine(node, constant, is_first=index == 0)
    _scale(reader, node, tensor, gain, offset)


def _take_bias(reader: Reader, node: Node, tensor: str, constant: Array, name: str) -> bool:
    held = reader.layers.held[tensor]
    found = _of_channels(constant, held.places)
    if found is None or np.broadcast_shapes(constant.shape, held.places.shape) != held.places.shape:
        return False
    made = reader.without_bias.pop(tensor)
    bias = np.empty(len(found))
    bias[held.places[0] if held.places.ndim == 2 else np.arange(len(found))] = found
    _set_bias(reader, made, bias, is_rounded=name in reader.constants.quants)
    reader.made_by[made] = node.outputs[0]
    reader.layers.held[node.outputs[0]] = held
    return True


def normalize(reader: Reader, node: Node) -> None:
    """Take a BatchNormalization with its trained numbers."""
    if node.attributes.get("training_mode"):
        raise refuse(node, "training_mode", "export the model in evaluation mode")
    named = zip(("gamma", "beta", "moving_mean", "moving_variance"), range(1, 5), strict=True)
    weights = {name: np.asarray(reader.constant(node, index, name), np.float64).reshape(-1) for name, index in named}
    _normalize(reader, node, node.inputs[0], weights, float(node.attributes.get("epsilon", 1e-5)))


def _scale(reader: Reader, node: Node, tensor: str, gain: Array, offset: Array) -> None:
    held = reader.layers.held[tensor]
    found = [_of_channels(np.asarray(numbers, dtype=np.float64), held.places) for numbers in (gain, offset)]
    if found[0] is None or found[1] is None:
        raise InputError(
            f"the node {node.name} ({node.kind}) has constants that differ between the pixels of a channel; give "
            "one for each channel"
        )
    n = len(found[0])
    weights = {"gamma": found[0], "beta": found[1], "moving_mean": np.zeros(n), "moving_variance": np.ones(n)}
    _normalize(reader, node, tensor, weights, 0.0)


def _normalize(reader: Reader, node: Node, tensor: str, weights: dict[str, Array], epsilon: float) -> None:
    held = reader.plain_values(tensor)
    n = held.places.shape[1]
    if any(array.shape != (n,) for array in weights.values()):
        raise InputError(f"the node {node.name} ({node.kind}) has not one number for each of {n} channels")
    if held.places.ndim == 2:
        source = reader.layers.as_flat(held)
        places, given, weights = reader.layers.held[tensor].places[0], weights, {}
        for key, array in given.items():
            weights[key] = np.empty(n)
            weights[key][places] = array
    else:
        source, _ = reader.layers.as_image(node, held)
    settings = {"axis": -1, "epsilon": epsilon}
    layer = LayerDescription(layer_name(node.name), "BatchNormalization", (source,), settings, weights)
    reader.hold(node, layer, reader.layers.shapes[source], reader.layers.held[tensor])


def _merge(reader: Reader, node: Node) -> None:
    """Join two tensors value by value."""
    kinds = {"Add": "Add", "Sub": "Subtract", "Mul": "Multiply"}
    if node.kind not in kinds:
        raise InputError(f"the node {node.name} ({node.kind}) joins two parts of the network, which is not read")
    first, second = (reader.plain_values(name) for name in node.inputs)
    if first.places.shape != second.places.shape:
        raise InputError(f"the node {node.name} ({node.kind}) joins tensors of different shapes")
    if not np.array_equal(first.places, second.places):
        reader.layers.in_order(node, second, first.places)
    if reader.layers.shapes[first.layer] == reader.layers.shapes[second.layer]:
        sources: tuple[str, ...] = (first.layer, second.layer)
    else:
        sources = (reader.layers.as_flat(first), reader.layers.as_flat(second))
    layer = LayerDescription(layer_name(node.name), kinds[node.kind], sources, {})
    reader.hold(node, layer, reader.layers.shapes[sources[0]], reader.layers.held[node.inputs[0]])


def _affine(node: Node, constant: Array, *, is_first: bool) -> tuple[Array, Array]:
    """Give gain and offset of an operation with a constant, behind the network (is_first) or in front of it."""
    ones, zeros = np.ones_like(constant), np.zeros_like(constant)
    if node.kind == "Add":
        return ones, constant
    if node.kind == "Sub":
        return (ones, -constant) if is_first else (-ones, constant)
    if node.kind == "Mul":
        return constant, zeros
    if not is_first or (constant == 0).any():
        raise InputError(f"the node {node.name} ({node.kind}) divides by the network or by zero, which is not read")
    return 1 / constant, zeros


def _of_channels(constant: Array, places: Places) -> Array | None:
    """Give a number for each channel; None where the pixels of a channel have different ones."""
    try:
        wide = np.broadcast_to(constant, places.shape)[0]
    except ValueError:
        return None
    flat = wide.reshape(len(wide), -1)
    return flat[:, 0] if (flat == flat[:, :1]).all() else None
