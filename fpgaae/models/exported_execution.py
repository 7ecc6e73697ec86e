"""An exported graph evaluated by TensorFlow itself, operation by operation, to compare what fpgaae makes of it with.

The operations are those that `fpgaae.models.exported_graph` reads, each a plain calculation: variables are constants,
and all numbers are in double precision, so that what differs is no rounding. What layers the operations become, and
what constants are calculated from others, is known in another place only. This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fpgaae.models.exported_graph import Operation, ServingFunction, read_serving_function

_NORMALIZATION = "FusedBatchNormV3"  # which TensorFlow has in single precision only
_SINGLE_BY_DEFAULT = frozenset({"MaxPool", "LeakyRelu"})  # where no type is written


def evaluate_export(folder: Path, x: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Give what every operation puts out that depends on the events, by its name.

    Parameters
    ----------
    x
        Events in the shape of the model's input.
    """
    serving = read_serving_function(folder)
    names = {serving.input: "input"}
    definition = tf.compat.v1.GraphDef()
    definition.node.append(_placeholder(serving))
    for index, operation in enumerate(serving.operations):
        names[operation.name] = f"operation_{index}"
        definition.node.extend(_nodes(operation, serving.constants, names))
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    wanted = list(_dependent(serving))
    tensors = [graph.get_tensor_by_name(f"{names[name]}:0") for name in wanted]
    fetched = {name: tensor for name, tensor in zip(wanted, tensors, strict=True) if tensor.dtype == tf.float64}
    with tf.compat.v1.Session(graph=graph) as session:
        found: dict[str, NDArray[np.float64]] = session.run(fetched, {"input:0": x.astype(np.float64)})
    return {name: array for name, array in found.items() if len(array) == len(x)}


def _placeholder(serving: ServingFunction) -> Any:  # noqa: ANN401
    node = _node("input", "Placeholder", (), dtype=tf.float64)
    shape = tf.TensorShape([None, *serving.extents[1:]])
    node.attr["shape"].shape.CopyFrom(shape.as_proto())
    return node


def _dependent(serving: ServingFunction) -> Iterator[str]:
    known = {serving.input}
    for operation in serving.operations:
        if known & set(operation.inputs):
            known.add(operation.name)
            yield operation.name


def _nodes(operation: Operation, constants: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> Iterator[Any]:
    """Give an operation in double precision as nodes of a graph, the last of which has its name."""
    name, read = names[operation.name], [names[tensor] for tensor in operation.inputs if tensor in names]
    if operation.name in constants:
        array = constants[operation.name]
        yield _constant(name, array.astype(np.float64) if array.dtype == np.float32 else array)
    elif operation.kind == _NORMALIZATION:
        yield from _normalization(operation, name, read)
    else:
        node = tf.compat.v1.NodeDef()
        node.CopyFrom(operation.proto)
        node.name = name
        node.input[:] = read
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]
        for value in node.attr.values():
            if value.WhichOneof("value") == "type" and value.type == tf.float32.as_datatype_enum:
                value.type = tf.float64.as_datatype_enum
        if node.op in _SINGLE_BY_DEFAULT:
            node.attr["T"].type = tf.float64.as_datatype_enum
        yield node


def _normalization(operation: Operation, name: str, read: list[str]) -> Iterator[Any]:
    """Write a normalization out: its formula, from the numbers of the training."""
    x, gain, offset, mean, variance = read
    yield _constant(f"{name}_epsilon", np.float64(operation.attribute("epsilon", np.float32(1e-4))))
    steps = [
        ("spread", "AddV2", (variance, f"{name}_epsilon")),
        ("rate", "Rsqrt", (f"{name}_spread",)),
        ("centred", "Sub", (x, mean)),
        ("divided", "Mul", (f"{name}_centred", f"{name}_rate")),
        ("scaled", "Mul", (f"{name}_divided", gain)),
    ]
    for step, kind, inputs in steps:
        yield _node(f"{name}_{step}", kind, inputs, T=tf.float64)
    yield _node(name, "AddV2", (f"{name}_scaled", offset), T=tf.float64)


def _constant(name: str, array: NDArray[Any] | np.float64) -> Any:  # noqa: ANN401
    node = _node(name, "Const", (), dtype=tf.as_dtype(array.dtype))
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    return node


def _node(name: str, kind: str, read: tuple[str, ...], **types: Any) -> Any:  # noqa: ANN401
    node = tf.compat.v1.NodeDef(name=name, op=kind, input=read)
    for key, kind_of_number in types.items():
        node.attr[key].type = kind_of_number.as_datatype_enum
    return node
