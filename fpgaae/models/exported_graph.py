"""The serving function of a SavedModel folder of operations, as Keras 3 exports it: plain nodes and arrays.

The graph is parsed, calls of functions in it are put in place, and the values of its variables come from the
checkpoint. Nothing is loaded or executed, and an operation that is not on the list ends the reading. This module
imports TensorFlow inside its functions, for the formats of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_CONFIG_BYTES, MODEL_LAYERS, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.models.checkpoint import Checkpoint, parse
from fpgaae.tensorflow_setup import prepare

GRAPH_FILE = "saved_model.pb"
Array = NDArray[Any]
_SIGNATURE = "serving_default"
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_NODES_OF_LAYER = 40
_MOST_NESTED = 20
ADVICE = "give the Keras model itself, saved with model.save('model.keras')"
KINDS = frozenset({
    "Const", "ReadVariableOp", "Identity", "StopGradient", "Cast", "MatMul", "BiasAdd", "Conv2D",
    "DepthwiseConv2dNative", "Conv2DBackpropInput", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh",
    "Softplus", "Softsign", "FusedBatchNormV3", "MaxPool", "AvgPool", "Mean", "Pad", "PadV2",
    "ResizeNearestNeighbor", "Reshape", "Squeeze", "ExpandDims", "Tile", "StridedSlice", "Shape", "Pack", "ConcatV2",
    "Prod", "Add", "AddV2", "Sub", "Mul", "RealDiv", "Rsqrt", "Sqrt", "Neg", "Transpose",
})  # fmt: skip


class Operation(NamedTuple):
    """A node of the graph; it puts out one tensor, which has its name."""

    name: str
    kind: str
    inputs: tuple[str, ...]  # tensors
    proto: Any  # its NodeDef

    def attribute(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Give an attribute as a plain value; those that have their default are not written to a file."""
        if key not in self.proto.attr:
            return default
        value = self.proto.attr[key]
        form = value.WhichOneof("value")
        if form == "list":
            return tuple(value.list.i)
        found = getattr(value, form)
        return found.decode() if isinstance(found, bytes) else found


class ServingFunction(NamedTuple):
    """What a folder says."""

    input: str
    extents: tuple[int | None, ...]  # of the input, with the batch
    operations: tuple[Operation, ...]
    constants: Mapping[str, Array]  # of Const and ReadVariableOp nodes
    outputs: tuple[str, ...]


class _Variables:
    """The values of the variables that functions read, by their place among the arguments."""

    def __init__(self, folder: Path, objects: Any) -> None:  # noqa: ANN401
        self._objects, self._checkpoint = objects, Checkpoint(folder)
        self._paths: dict[int, tuple[str, ...]] = {0: ()}
        waiting = [0]
        while waiting:  # the objects that a folder holds make a graph, with the model at its root
            node = waiting.pop(0)
            for child in objects.nodes[node].children:
                if child.node_id not in self._paths and 0 <= child.node_id < len(objects.nodes):
                    self._paths[child.node_id] = (*self._paths[node], child.local_name)
                    waiting.append(child.node_id)

    def of(self, function: str) -> list[Array]:
        """Give the arrays behind the variables that a function captures, in the order of its last arguments."""
        if function not in self._objects.concrete_functions:
            raise InputError(f"its function {_shown(function)} does not say which variables it reads")
        return [self._array(index) for index in self._objects.concrete_functions[function].bound_inputs]

    def _array(self, index: int) -> Array:
        path = self._paths.get(index)
        found = None if path is None else self._checkpoint.array(path)
        if found is None:
            raise InputError("its serving function reads an object that is no variable of the checkpoint")
        return found


def read_serving_function(folder: Path) -> ServingFunction:
    """Read the graph and the weights of an exported model.

    Raises
    ------
    InputError
        If it is damaged, has no serving function with one input, or an operation in it is not read.
    """
    prepare()
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    file = folder / GRAPH_FILE
    if file.stat().st_size > MODEL_CONFIG_BYTES:
        raise InputError(f"its {GRAPH_FILE} has more than {in_mebibytes(MODEL_CONFIG_BYTES)}")
    content = saved_model_pb2.SavedModel()
    parse(content, file.read_bytes())
    graphs = [graph for graph in content.meta_graphs if _SIGNATURE in graph.signature_def]
    if not graphs:
        raise InputError(f"its {GRAPH_FILE} has no signature {_SIGNATURE}; {ADVICE}")
    return _read(graphs[0], folder)


def _read(graph: Any, folder: Path) -> ServingFunction:  # noqa: ANN401
    signature = graph.signature_def[_SIGNATURE]
    if len(signature.inputs) != 1:
        raise InputError(f"it has {len(signature.inputs)} inputs; export a model with one")
    (given,) = signature.inputs.values()
    nodes = {node.name: node for node in graph.graph_def.node}
    calls = {_node_of(value.name) for value in signature.outputs.values()}
    call = nodes.get(next(iter(calls))) if len(calls) == 1 else None
    if call is None or call.op not in _CALLS:
        raise InputError("its outputs are not those of one function; {ADVICE}")
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    name = call.attr["f"].func.name
    inlined = _Inlined(functions)
    values = _Variables(folder, graph.object_graph_def).of(name)
    arguments = [argument.name for argument in inlined.function(name).signature.input_arg]
    if len(arguments) != len(values) + 1:
        raise InputError(f"its serving function has {len(arguments)} arguments for {len(values)} variables")
    variables = {f"variable {argument}": value for argument, value in zip(arguments[1:], values, strict=True)}
    outputs = inlined.take(name, (arguments[0], *variables), "", 0)
    operations = tuple(inlined.operations)
    constants = dict(_constants(operations, variables))
    extents = tuple(d.size if d.size > 0 else None for d in given.tensor_shape.dim)
    return ServingFunction(arguments[0], extents, operations, constants, tuple(outputs))


class _Inlined:
    """Puts calls of functions in place."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self.operations: list[Operation] = []

    def function(self, name: str) -> Any:  # noqa: ANN401
        """Give a function by its name."""
        if name not in self._functions:
            raise InputError(f"its graph calls the function {_shown(name)}, which it does not hold")
        return self._functions[name]

    def take(self, name: str, given: tuple[str, ...], prefix: str, depth: int) -> list[str]:
        """Take the operations of a function, called with these tensors; give the tensors that it puts out."""
        function = self.function(name)
        arguments = [argument.name for argument in function.signature.input_arg]
        if len(arguments) != len(given) or depth > _MOST_NESTED:
            raise InputError(f"its function {_shown(name)} is called with other arguments than it has, or by itself")
        known: dict[str, str] = dict(zip(arguments, given, strict=True))
        for node in _in_order(function.node_def):
            read = [_tensor(name, known) for name in node.input if not name.startswith("^")]
            if node.op in _CALLS:
                called = self.take(node.attr["f"].func.name, tuple(read), f"{prefix}{node.name}/", depth + 1)
                known |= {f"{node.name}:{index}": tensor for index, tensor in enumerate(called)}
            elif node.op != "NoOp":
                output = ":y" if node.op == "FusedBatchNormV3" else ""  # of which only the first of several is used
                known[f"{node.name}{output}:0"] = f"{prefix}{node.name}"
                self._add(node, tuple(read), prefix)
        return [_tensor(function.ret[output.name], known) for output in function.signature.output_arg]

    def _add(self, node: Any, read: tuple[str, ...], prefix: str) -> None:  # noqa: ANN401
        name, kind = _shown(f"{prefix}{node.name}"), _shown(node.op)
        if kind not in KINDS:
            raise InputError(f"the operation {name} is a {kind}, which is not read from an export; {ADVICE}")
        self.operations.append(Operation(name, kind, read, node))
        if len(self.operations) > MODEL_LAYERS * _NODES_OF_LAYER:
            raise InputError(f"its serving function has more than {MODEL_LAYERS * _NODES_OF_LAYER:,} operations")


def _in_order(nodes: Any) -> Iterator[Any]:  # noqa: ANN401
    """Give the nodes of a function so that each comes behind those that it reads."""
    waiting = {node.name: node for node in nodes}
    if len(waiting) != len(nodes):
        raise InputError("its graph has two nodes of one name")
    done: set[str] = set()
    for start in list(waiting):
        stack = [start]
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            needed = [_node_of(read) for read in waiting[name].input if not read.startswith("^")]
            missing = [read for read in needed if read in waiting and read not in done]
            if any(read in stack for read in missing):
                raise InputError(f"its graph goes round in a circle at {_shown(name)}")
            if missing:
                stack += missing[:1]
                continue
            done.add(stack.pop())
            yield waiting[name]


def _tensor(name: str, known: Mapping[str, str]) -> str:
    """Give the tensor that a name in a function stands for: an argument, or NODE:OUTPUT:INDEX."""
    if name in known:
        return known[name]
    node, _, index = name.partition(":")
    tensor = f"{node}:{index.rpartition(':')[2]}"
    if tensor not in known:
        raise InputError(
            f"its graph reads {_shown(name)}, which nothing puts out before it, or not as the first result"
        )
    return known[tensor]


def _constants(operations: tuple[Operation, ...], variables: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    from tensorflow import make_ndarray  # noqa: PLC0415

    n_bytes = 0
    for operation in operations:
        if operation.kind == "ReadVariableOp":
            if operation.inputs[0] not in variables:
                raise InputError(f"the operation {operation.name} reads no variable of the checkpoint")
            array = variables[operation.inputs[0]]
        elif operation.kind == "Const":
            tensor = operation.proto.attr["value"].tensor
            extents = [dimension.size for dimension in tensor.tensor_shape.dim]
            n_bytes += 8 * int(np.prod(extents, dtype=np.float64)) if min(extents, default=0) >= 0 else 0
            if n_bytes > MODEL_WEIGHTS_BYTES:
                raise InputError(f"its constants have more than {in_mebibytes(MODEL_WEIGHTS_BYTES)}")
            array = make_ndarray(tensor)
        else:
            continue
        if array.dtype.kind not in "fiub":
            raise InputError(f"the operation {operation.name} holds {array.dtype}, no numbers")
        yield operation.name, array


def _node_of(tensor: str) -> str:
    return tensor.partition(":")[0]


def _shown(text: str) -> str:
    """Give a name out of a file so that it can stand in a sentence."""
    return "".join(character if character.isprintable() else "_" for character in text)[:200]
