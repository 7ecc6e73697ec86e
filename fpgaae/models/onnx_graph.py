"""An ONNX file as plain values: nodes in their order, attributes, constants and inputs; nothing in it is executed.

The package `onnx` parses the file. What lies outside of it (external data), graphs inside nodes and functions of the
file's own are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_LAYERS, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.optional import require

Array = NDArray[Any]
Extents = tuple[int | None, ...]
_PLAIN_DOMAINS = frozenset(
    {"", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas", "brevitas.onnx"}
)
_NODES_OF_LAYER = 20  # constants and reshaping among them
_NUMBERS = frozenset("fiub")
USE = "ONNX files are read with it"


class Node(NamedTuple):
    """An operation."""

    name: str  # its own, or one made of what it puts out
    kind: str  # with its domain in front where that is none of ONNX, QONNX or Brevitas
    inputs: tuple[str, ...]  # an optional one that is left out is ""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def input(self, index: int) -> str:
        """Give an input by its place, "" where there is none."""
        return self.inputs[index] if index < len(self.inputs) else ""


class Graph(NamedTuple):
    """What a file says."""

    inputs: Mapping[str, Extents]  # with the batch; None where an extent is open
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]

    @property
    def is_quantized(self) -> bool:
        """Whether it holds Quant nodes."""
        return any(node.kind in QUANT_KINDS for node in self.nodes)


QUANT_KINDS = frozenset({"Quant", "IntQuant", "BipolarQuant", "Trunc", "FloatQuant"})


def read_graph(file: Path) -> Graph:
    """Read a file.

    Raises
    ------
    InputError
        If it is damaged, larger than any model for firmware, or leans on anything outside of itself.
    ToolMissing
        If the package `onnx` is not installed.
    """
    onnx = require("onnx", USE)
    if file.stat().st_size > MODEL_WEIGHTS_BYTES:
        raise InputError(f"it has more than {in_mebibytes(MODEL_WEIGHTS_BYTES)}")
    try:
        model = onnx.load_model_from_string(file.read_bytes())
    except Exception as error:  # noqa: BLE001 - protobuf has classes of its own in each implementation
        raise InputError(f"it is no ONNX model ({type(error).__name__})") from None
    if model.functions:
        raise InputError(f"it has functions of its own, such as {_shown(model.functions[0].name)}; inline them")
    graph = model.graph
    if not graph.node or not graph.output:
        raise InputError("it has no nodes, or puts nothing out")
    if len(graph.node) > MODEL_LAYERS * _NODES_OF_LAYER:
        raise InputError(f"it has {len(graph.node):,} nodes, more than {MODEL_LAYERS * _NODES_OF_LAYER:,}")
    if graph.sparse_initializer:
        raise InputError("it has sparse weights; export it with dense ones")
    constants = {tensor.name: _array(onnx, tensor) for tensor in graph.initializer}
    inputs = {value.name: _extents(value) for value in graph.input if value.name not in constants}
    nodes = tuple(_nodes(onnx, graph.node))
    return Graph(inputs, tuple(value.name for value in graph.output), nodes, constants)


def _nodes(onnx: Any, given: Any) -> Iterator[Node]:  # noqa: ANN401
    taken: set[str] = set()
    for proto in given:
        name = _shown(proto.name or f"{proto.op_type}_{proto.output[0] if proto.output else ''}").strip("_")
        while name in taken:
            name += "_"
        taken.add(name)
        kind = _shown(proto.op_type if proto.domain in _PLAIN_DOMAINS else f"{proto.domain}.{proto.op_type}")
        attributes = {attribute.name: _value(onnx, name, attribute) for attribute in proto.attribute}
        yield Node(name, kind, tuple(proto.input), tuple(proto.output), attributes)


def _shown(text: str) -> str:
    """Give a name out of a file so that it can stand in a sentence."""
    return "".join(character if character.isprintable() else "_" for character in text)[:100]


def _value(onnx: Any, node: str, attribute: Any) -> Any:  # noqa: ANN401
    types = onnx.AttributeProto
    if attribute.type in {types.GRAPH, types.GRAPHS}:
        raise InputError(f"the node {node} has a graph inside, its {_shown(attribute.name)}; export a plain graph")
    if attribute.type == types.TENSOR:
        return _array(onnx, attribute.t)
    if attribute.type not in {types.FLOAT, types.INT, types.STRING, types.FLOATS, types.INTS, types.STRINGS}:
        raise InputError(f"the node {node} has the attribute {_shown(attribute.name)} of a kind that is not read")
    return _plain(onnx.helper.get_attribute_value(attribute))


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, bytes):
        return _shown(value.decode(errors="replace"))
    return value if isinstance(value, int | float | str) else tuple(_plain(entry) for entry in value)


def _array(onnx: Any, tensor: Any) -> Array:  # noqa: ANN401
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise InputError(f"its array {_shown(tensor.name)} lies in another file; save it with its data inside")
    try:
        array = np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError, KeyError, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise InputError(f"its array {_shown(tensor.name)} is damaged ({reason})") from None
    if array.dtype.kind not in _NUMBERS or array.dtype.names:
        raise InputError(f"its array {_shown(tensor.name)} holds {array.dtype}, no numbers")
    return array


def _extents(value: Any) -> Extents:  # noqa: ANN401
    dimensions = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dimensions)
