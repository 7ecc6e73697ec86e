"""What an ONNX graph calculates of constants alone: weights behind Quant nodes, transposed weights, shapes.

Few operations can stand there in an autoencoder, and each is written out here; none makes more values than a layer has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.limits import LAYER_VALUES
from fpgaae.models.onnx_graph import Array, Graph, Node
from fpgaae.models.onnx_quant import Quant

_QUANT = frozenset({"Quant", "IntQuant"})


class Constants(NamedTuple):
    """Arrays by the name of their tensor, and which Quant node made them what they are."""

    arrays: dict[str, Array]
    quants: dict[str, Quant]

    @classmethod
    def of(cls, graph: Graph) -> Constants:
        """Take those that stand in a file."""
        return cls(dict(graph.constants), {})

    def take(self, node: Node) -> bool:
        """Calculate a node if it reads constants alone; tell whether it does.

        Raises
        ------
        InputError
            If its numbers make no sense.
        """
        given = [name for name in node.inputs if name]
        if any(name not in self.arrays for name in given) or len(node.outputs) != 1:
            return False
        output = node.outputs[0]
        if node.kind in _QUANT:
            quant = Quant.of(node, self.arrays)
            self.arrays[output] = quant(self.arrays[node.inputs[0]])
            self.quants[output] = quant
            return True
        work = _WORK.get(node.kind)
        if work is None:
            return False
        try:
            found = np.asarray(work(node, *(self.arrays[name] for name in given)))
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            raise InputError(f"the node {node.name} ({node.kind}) of constants can't be calculated ({error})") from None
        self.arrays[output] = found
        if node.kind in _MOVING and given and given[0] in self.quants:
            self.quants[output] = self.quants[given[0]]
        return True


def _constant(node: Node) -> Any:  # noqa: ANN401
    kinds = ("value", "value_float", "value_floats", "value_int", "value_ints")
    return next(node.attributes[key] for key in kinds if key in node.attributes)


def _bounded(work: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    """Let an operation of two arrays make no more values than a layer may have weights."""

    def bounded(_: Node, a: Array, b: Array) -> Any:  # noqa: ANN401
        if int(np.prod(np.broadcast_shapes(a.shape, b.shape))) > max(a.size, b.size, LAYER_VALUES):
            raise ValueError("it makes too many values")
        return work(a, b)

    return bounded


def reshaped(shape: tuple[int, ...], wanted: Array, *, allow_zero: bool) -> tuple[int, ...]:
    """Give the extents that a Reshape asks for: 0 keeps one, -1 is left to count by the others."""
    extents = [int(extent) for extent in np.ravel(wanted)]
    kept = [shape[i] if extent == 0 and not allow_zero and i < len(shape) else extent
            for i, extent in enumerate(extents)]  # fmt: skip
    known = int(np.prod([extent for extent in kept if extent != -1]))
    total = int(np.prod(shape))
    if -1 in kept and known > 0:
        kept[kept.index(-1)] = total // known
    if any(extent < 0 for extent in kept) or int(np.prod(kept)) != total:
        raise ValueError(f"{total} values have no shape {tuple(extents)}")
    return tuple(kept)


def reshape(node: Node, array: Array, wanted: Array) -> Array:
    """Reshape an array as a node says."""
    return array.reshape(reshaped(array.shape, wanted, allow_zero=bool(node.attributes.get("allowzero", 0))))


def transpose(node: Node, array: Array) -> Array:
    """Transpose an array as a node says."""
    return np.transpose(array, node.attributes.get("perm"))


def flatten(node: Node, array: Array) -> Array:
    """Flatten an array to two dimensions as a node says."""
    axis = int(node.attributes.get("axis", 1))
    axis += array.ndim * (axis < 0)
    return array.reshape(int(np.prod(array.shape[:axis])), -1)


def _axes(node: Node, axes: Array | None) -> tuple[int, ...] | None:
    given = node.attributes.get("axes") if axes is None else np.ravel(axes).tolist()
    return None if given is None else tuple(int(axis) for axis in given)


def squeeze(node: Node, array: Array, axes: Array | None = None) -> Array:
    """Take axes of extent 1 away."""
    return np.squeeze(array, _axes(node, axes))


def unsqueeze(node: Node, array: Array, axes: Array | None = None) -> Array:
    """Put axes of extent 1 in."""
    return np.expand_dims(array, _axes(node, axes) or ())


def _gather(node: Node, array: Array, indices: Array) -> Array:
    return np.take(array, indices.astype(np.int64), axis=int(node.attributes.get("axis", 0)))


def _cast(node: Node, array: Array) -> Array:
    """Cut to whole numbers where that is asked for; all others are calculated with in double precision."""
    return array.astype(np.int64) if node.attributes.get("to") in _WHOLE else array


_WHOLE = frozenset({2, 3, 4, 5, 6, 7, 12, 13})  # of TensorProto, with and without a sign
_MOVING = frozenset({"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_WORK: Mapping[str, Callable[..., Any]] = {
    "Constant": _constant,
    "Identity": lambda _, array: array,
    "Cast": _cast,
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Gather": _gather,
    "Concat": lambda node, *arrays: np.concatenate(arrays, axis=int(node.attributes["axis"])),
    "Neg": lambda _, array: -array,
    "Sqrt": lambda _, array: np.sqrt(array.astype(np.float64)),
    "Add": _bounded(lambda a, b: a + b),
    "Sub": _bounded(lambda a, b: a - b),
    "Mul": _bounded(lambda a, b: a * b),
    "Div": _bounded(lambda a, b: a // b if a.dtype.kind in "iu" and b.dtype.kind in "iu" else a / b),
}
