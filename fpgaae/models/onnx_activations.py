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

FUNCTIONS: Mapping[str, str] = {
    "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "Exp": "exponential",
}  # fmt: skip
_HARD_SIGMOIDS = {0.2: "hard_sigmoid", 1 / 6: "hard_sigmoid_by_6"}  # by their slope, that of Keras 2 and of PyTorch
_UNBOUNDED = float(np.finfo(np.float32).max)  # what stands for no bound
_REAL = frozenset({1, 11})  # of TensorProto: single and double precision, between which nothing is rounded here
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
    held = reader.held(node)
    if node.kind == "Cast" and node.attributes.get("to") not in _REAL:
        raise refuse(node, "to", "export the model in single precision (to=1), without rounding to another type")
    if node.kind == "Dropout":
        _check_dropout(reader, node)
    reader.layers.held[node.outputs[0]] = held


def _check_dropout(reader: Reader, node: Node) -> None:
    """Refuse what drops values; the ONNX of before version 7 says so by `is_test`, 0 where it is left out."""
    is_training = bool(np.any(reader.constant(node, 2, "training_mode"))) if node.input(2) else False
    if is_training or not node.attributes.get("is_test", 1):
        raise InputError(
            f"the node {node.name} ({node.kind}) drops values as in training; export the model in evaluation mode"
        )


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
    if held.type is None:
        reader.layers.held[node.outputs[0]] = held._replace(is_rectified=True)
    elif not held.type.signed:
        reader.layers.held[node.outputs[0]] = held
    else:
        of = _rectified(held.type)
        layer = LayerDescription(layer_name(node.name), "QActivation", (held.layer,), {"activation": of})
        reader.hold(node, layer, reader.layers.shapes[held.layer], held)
        reader.layers.held[node.outputs[0]] = reader.layers.held[node.outputs[0]]._replace(type=of)


def clip(reader: Reader, node: Node) -> None:
    """Cut values off: those below 0, above a bound as well (ReLU6), or those beyond -1 and 1 (Hardtanh)."""
    low, high = (_bound(reader, node, index, name) for index, name in ((1, "min"), (2, "max")))
    if low == 0 and (high is None or high >= _UNBOUNDED):
        rectify(reader, node)
    elif low == 0 and high is not None and not reader.is_quantized:
        _put_out(reader, node, "ReLU", {"max_value": high})
    elif (low, high) == (-1, 1) and not reader.is_quantized:
        _put_out(reader, node, "Activation", {"activation": "hard_tanh"})
    else:
        kept = "from 0" if reader.is_quantized else "from 0 on, from 0 to a bound, or from -1 to 1"
        raise InputError(
            f"the node {node.name} ({node.kind}) keeps values from {low} to {high}, which is not read; keep them {kept}"
        )


def _bound(reader: Reader, node: Node, index: int, name: str) -> float | None:
    if name in node.attributes:
        return float(node.attributes[name])
    return float(np.ravel(reader.constant(node, index, name))[0]) if node.input(index) else None


def activate(reader: Reader, node: Node) -> None:
    """Put out a function of each value."""
    alpha = float(node.attributes.get("alpha", _ALPHA.get(node.kind, 0)))
    settings: dict[str, float | str]
    if node.kind == "LeakyRelu":
        kind, settings = "LeakyReLU", {"alpha": alpha}
    elif node.kind == "PRelu":
        kind, settings = "LeakyReLU", {"alpha": _one_slope(reader, node)}
    elif node.kind == "Elu":
        kind, settings = "ELU", {"alpha": alpha}
    elif node.kind == "HardSigmoid":
        known = next((name for slope, name in _HARD_SIGMOIDS.items() if abs(alpha - slope) < 1e-7), None)
        if known is None or float(node.attributes.get("beta", 0.5)) != 0.5:
            raise refuse(node, "alpha" if known is None else "beta", "use 0.2 x + 0.5 or x / 6 + 0.5")
        kind, settings = "Activation", {"activation": known}
    else:
        kind, settings = "Activation", {"activation": FUNCTIONS[node.kind]}
    _put_out(reader, node, kind, settings)


def _put_out(reader: Reader, node: Node, kind: str, settings: dict[str, float | str]) -> None:
    held = reader.plain_values(node.inputs[0])
    layer = LayerDescription(layer_name(node.name), kind, (held.layer,), settings)
    reader.hold(node, layer, reader.layers.shapes[held.layer], held)


def _one_slope(reader: Reader, node: Node) -> float:
    slopes = np.ravel(reader.constant(node, 1, "slope"))
    if not slopes.size or (slopes != slopes[0]).any():
        raise refuse(node, "a slope for each channel", "train it with one for all")
    return float(slopes[0])


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
