"""ONNX operations on images without weights: pooling, repeating pixels, zeros around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription
from fpgaae.models.onnx_graph import Array, Node
from fpgaae.models.onnx_reader import Reader, layer_name
from fpgaae.models.onnx_values import Held, image_places
from fpgaae.models.onnx_windows import enlargement, padded, pooling, refuse, whole_image
from fpgaae.models.shapes import Shape


def pool(reader: Reader, node: Node) -> None:
    """Take a pooling layer; a maximum changes places with a ReLU in front of it."""
    tensor = node.inputs[0]
    held = reader.layers.held[tensor] if node.kind == "MaxPool" else reader.plain_values(tensor)
    if len(node.outputs) > 1 and node.outputs[1]:
        raise InputError(f"the node {node.name} ({node.kind}) puts out where its maxima lie, which is not read")
    source, image = reader.layers.as_image(node, held)
    keeps_extents = node.attributes.get("keepdims", 1)
    node = _whole_image(reader, node, image)
    size = tuple(int(extent) for extent in node.attributes.get("kernel_shape", ()))
    layer, shape = pooling(reader.layers, node, source, size, layer_name(node.name))
    _place_image(reader, node, layer, shape, held if node.kind == "MaxPool" else held._replace(type=None))
    if not keeps_extents:
        pooled = reader.layers.held[node.outputs[0]]
        reader.layers.held[node.outputs[0]] = pooled.moved(pooled.places.reshape(1, -1))


def _whole_image(reader: Reader, node: Node, image: Shape) -> Node:
    if node.kind == "ReduceMean":
        axes = node.attributes.get("axes") or np.ravel(reader.constant(node, 1, "axes")).tolist()
        wanted = set(range(2, len(image) + 1))
        if {int(a) % (len(image) + 1) for a in axes} != wanted:
            raise refuse(node, "axes", "average over height and width")
    return node if node.kind in {"MaxPool", "AveragePool"} else whole_image(node, image[:-1])


def _place_image(reader: Reader, node: Node, layer: LayerDescription, shape: Shape, before: Held) -> None:
    output = node.outputs[0]
    name = reader.add(layer, shape, None if before.is_rectified else output)
    *extents, channels = shape
    reader.layers.held[output] = Held(name, image_places(channels, tuple(extents)), before.is_rectified, before.type)


def enlarge(reader: Reader, node: Node) -> None:
    """Repeat pixels."""
    held = reader.held(node)
    source, image = reader.layers.as_image(node, held)
    sizes = enlargement(node, image, _scales(reader, node, image))
    shape = (*(extent * size for extent, size in zip(image[:-1], sizes, strict=True)), image[-1])
    n = len(sizes)
    settings: dict[str, Any] = {"size": sizes if n == 2 else sizes[0]}
    settings |= {"interpolation": "nearest"} if n == 2 else {}
    layer = LayerDescription(layer_name(node.name), f"UpSampling{n}D", (source,), settings)
    _place_image(reader, node, layer, shape, held)


def _scales(reader: Reader, node: Node, image: Shape) -> Array:
    """Give how often each axis is repeated."""
    if "scales" in node.attributes:
        return np.asarray(node.attributes["scales"])
    extents = np.array([1, image[-1], *image[:-1]])
    if node.kind == "Resize" and len(node.inputs) == 2:
        raise InputError(
            f"the node {node.name} (Resize) is one of ONNX before opset 11, which the reference implementation of ONNX "
            "does not compute, so that nothing could be compared; export the model with opset 11 or later"
        )
    index = 1 if node.kind == "Upsample" else 2
    given = reader.constant(node, index, "scales") if node.input(index) else np.empty(0)
    wanted = np.ravel(given) if given.size else np.ravel(reader.constant(node, 3, "sizes"))
    if not given.size and str(node.attributes.get("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise refuse(node, "keep_aspect_ratio_policy", "use stretch")
    if (axes := node.attributes.get("axes")) is not None:
        wide = np.ones(len(extents)) if given.size else extents.astype(np.float64)
        wide[[int(axis) for axis in axes]] = wanted
        wanted = wide
    return wanted if given.size or len(wanted) != len(extents) else wanted / extents


def pad(reader: Reader, node: Node) -> None:
    """Put zeros around an image."""
    held = reader.held(node)
    mode, value = str(node.attributes.get("mode", "constant")), node.attributes.get("value", 0)
    if node.input(2):
        value = reader.constant(node, 2, "value")
    if mode != "constant" or np.any(np.asarray(value) != 0):
        raise refuse(node, "mode" if mode != "constant" else "value", "pad height and width with zeros")
    pads = node.attributes.get("pads") or np.ravel(reader.constant(node, 1, "pads")).tolist()
    source, image = reader.layers.as_image(node, held)
    half = len(image) + 1
    if node.input(3):
        pads = _of_all_axes(pads, np.ravel(reader.constant(node, 3, "axes")).tolist(), half)
    before, after = tuple(map(int, pads[:half])), tuple(map(int, pads[half:]))
    if len(before) != len(after) or len(after) != half or any((*before[:2], *after[:2])) or min(*before, *after) < 0:
        raise refuse(node, "pads", "pad height and width with zeros")
    name = padded(reader.layers, source, before[2:], after[2:], layer_name(node.name))
    *extents, channels = reader.layers.shapes[name]
    if not held.is_rectified:
        reader.made_by[name] = node.outputs[0]
    places = image_places(channels, tuple(extents))
    reader.layers.held[node.outputs[0]] = Held(name, places, held.is_rectified, held.type)


def _of_all_axes(pads: list[int], axes: list[int], n: int) -> list[int]:
    """Give the numbers before and behind each of n axes of those that a node names."""
    wide = np.zeros((2, n), dtype=np.int64)
    wide[:, axes] = np.reshape(pads, (2, len(axes)))
    return [int(extent) for extent in wide.reshape(-1)]
