"""ONNX operations on each value, and those that change none: rounding, activations, reshaping."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models import onnx_constants
from fpgaae.models.description import LayerDescription
from fpgaae.models.onnx_graph import Node
from fpgaae.models.onnx_quant import Quant
from fpgaae.models.onnx_reader import Reader, layer_name
from fpgaae.models.onnx_values import Held, Places
from fpgaae.models.onnx_windows import refuse
from fpgaae.models.quantizers import Quantizer

FUNCTIONS: Mapping[str, str] = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus"}
_ALPHA = {"LeakyRelu": 0.01, "Elu": 1.0, "HardSigmoid": 0.2}  # where a node says none
MOVES: Mapping[str, Callable[..., Places]] = {
    "Transpose": onnx_constants.transpose,
    "Reshape": onnx_constants.reshape,
    "Flatten": onnx_constants.flatten,
    "Squeeze": onnx_constants.squeeze,
    "Unsqueeze": onnx_constants.unsqueeze,
}


def pass_on(reader: Reader, node: Node) -> None:
    """Let an operation that changes nothing stand for what it reads."""
    reader.layers.held[node.outputs[0]] = reader.held(node)


def move(reader: Reader, node: Node) -> None:
    """Look values up elsewhere: reshaping and transposing."""
    held = reader.held(node)
    rest = [reader.constant(node, index, "shape") for index in range(1, len(node.inputs)) if node.inputs[index]]
    places = MOVES[node.kind](node, held.places, *rest)
    if places.shape[:1] != (1,):
        raise InputError(
            f"the node {node.name} ({node.kind}) makes {places.shape} of one event of shape {held.places.shape[1:]}; "
            "export the model with a batch of 1, which it keeps as its first axis"
        )
    reader.layers.held[node.outputs[0]] = held.moved(places)


def shape(reader: Reader, node: Node) -> None:
    """Calculate with the extents of a tensor, the batch being one."""
    extents = np.array(reader.held(node).places.shape, dtype=np.int64)
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    reader.constants.arrays[node.outputs[0]] = extents[start:end]


def quantize(reader: Reader, node: Node) -> None:
    """Round to the grid of a Quant node; a ReLU in front of it becomes part of that."""
    if node.kind not in {"Quant", "IntQuant"}:
        raise InputError(f"the node {node.name} is a {node.kind}, which is not read; export Quant nodes")
    quantizer = Quant.of(node, reader.constants.arrays).quantizer()
    tensor = node.inputs[0]
    held = reader.layers.held[tensor]
    if held.is_rectified and isinstance(quantizer, Quantizer) and quantizer.is_signed:
        held = reader.plain_values(tensor)
    if held.is_rectified and isinstance(quantizer, FixedPointType):
        quantizer = _rectified(quantizer)
    output = node.outputs[0]
    of = quantizer if isinstance(quantizer, FixedPointType) else None
    if of is not None and held.type is not None and _holds(of, held.type):
        reader.layers.held[output] = held
        return
    layer = LayerDescription(layer_name(node.name), "QActivation", (held.layer,), {"activation": quantizer})
    name = reader.add(layer, reader.layers.shapes[held.layer], output)
    reader.layers.held[output] = Held(name, held.places, type=of)


def rectify(reader: Reader, node: Node) -> None:
    """Cut negative values off, in the next layer that can."""
    held = reader.held(node)
    if node.kind == "Clip":
        _check_clip(reader, node)
    if held.type is None:
        reader.layers.held[node.outputs[0]] = held._replace(is_rectified=True)
    elif not held.type.signed:
        reader.layers.held[node.outputs[0]] = held
    else:
        of = _rectified(held.type)
        layer = LayerDescription(layer_name(node.name), "QActivation", (held.layer,), {"activation": of})
        reader.hold(node, layer, reader.layers.shapes[held.layer], held)
        reader.layers.held[node.outputs[0]] = reader.layers.held[node.outputs[0]]._replace(type=of)


def _check_clip(reader: Reader, node: Node) -> None:
    low = node.attributes.get("min", reader.constants.arrays.get(node.input(1)))
    high = node.attributes.get("max", reader.constants.arrays.get(node.input(2)))
    if node.input(2) or high is not None:
        raise refuse(node, "max", "cut negative values off only, as a Relu does")
    if low is None or np.any(np.asarray(low) != 0):
        raise refuse(node, "min", "cut negative values off only, as a Relu does")


def activate(reader: Reader, node: Node) -> None:
    """Put out a function of each value."""
    held = reader.plain_values(node.inputs[0])
    alpha = float(node.attributes.get("alpha", _ALPHA.get(node.kind, 0)))
    settings: dict[str, float | str]
    if node.kind == "LeakyRelu":
        kind, settings = "LeakyReLU", {"alpha": alpha}
    elif node.kind == "Elu":
        kind, settings = "ELU", {"alpha": alpha}
    elif node.kind == "HardSigmoid":
        if not (abs(alpha - 0.2) < 1e-7 and float(node.attributes.get("beta", 0.5)) == 0.5):
            raise refuse(node, "alpha", "use 0.2 x + 0.5")
        kind, settings = "Activation", {"activation": "hard_sigmoid"}
    else:
        kind, settings = "Activation", {"activation": FUNCTIONS[node.kind]}
    layer = LayerDescription(layer_name(node.name), kind, (held.layer,), settings)
    reader.hold(node, layer, reader.layers.shapes[held.layer], held)


def _rectified(of: FixedPointType) -> FixedPointType:
    """Give the type of a grid without its negative values."""
    if not of.signed:
        return of
    return FixedPointType(of.width - 1, of.integer - 1, False, Rounding.HALF_EVEN, Overflow.SATURATE)


def _holds(of: FixedPointType, other: FixedPointType) -> bool:
    """Tell whether every value of a type is one of another."""
    shift = of.fraction - other.fraction
    return (
        shift >= 0 and other.max_code << shift <= of.max_code and other.min_code * 2**shift >= of.min_code
    )  # fmt: skip
