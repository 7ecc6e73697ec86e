"""What an exported graph calculates of constants alone: shapes, and the numbers of a normalization (NumPy only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.limits import LAYER_VALUES
from fpgaae.models.exported_graph import Array, Operation
from fpgaae.models.onnx_constants import reshaped

_FLOATS, _INTEGERS = frozenset({1, 2}), frozenset({3, 9})  # types as TensorFlow numbers them


def calculate(operation: Operation, given: Sequence[Array]) -> Array:
    """Calculate an operation of constants.

    Raises
    ------
    InputError
        If it is none that can stand there, or its numbers make no sense.
    """
    work = _WORK.get(operation.kind)
    if work is None:
        raise InputError(f"the operation {operation.name} ({operation.kind}) reads constants alone, which is not read")
    try:
        with np.errstate(all="ignore"):  # what is not a number is found in the weights
            return np.asarray(work(operation, *given))
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise InputError(
            f"the operation {operation.name} ({operation.kind}) of constants can't be calculated ({error})"
        ) from None


def _joined(work: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operation that joins arrays make no more values than a layer may put out."""

    def bounded(operation: Operation, *given: Array) -> Any:  # noqa: ANN401
        if sum(array.size for array in given) > LAYER_VALUES:
            raise ValueError("it makes too many values")
        return work(operation, *given)

    return bounded


def _cast(operation: Operation, array: Array) -> Array:
    wanted = operation.attribute("DstT")
    if wanted not in _FLOATS | _INTEGERS:
        raise ValueError(f"its type is number {wanted}")
    return array.astype(np.float64 if wanted in _FLOATS else np.int64)


def _part(operation: Operation, array: Array, begin: Array, end: Array, step: Array) -> Array:
    """Give a part of a list of extents."""
    masks = {name: operation.attribute(f"{name}_mask", 0) for name in ("begin", "end", "shrink_axis")}
    if array.ndim != 1 or len(begin) != 1 or any(operation.attribute(f"{n}_mask", 0) for n in ("ellipsis", "new_axis")):
        raise ValueError(f"it takes a part of an array of shape {array.shape}")
    if masks["shrink_axis"]:
        return np.asarray(array[int(begin[0])])
    start, stop = (None if masks[n] else int(a[0]) for n, a in (("begin", begin), ("end", end)))
    return array[slice(start, stop, int(step[0]))]


def _squeezed(operation: Operation, array: Array) -> Array:
    return np.squeeze(array, tuple(operation.attribute("squeeze_dims", ())) or None)


def _product(operation: Operation, array: Array, axes: Array) -> Any:  # noqa: ANN401
    where = tuple(int(axis) for axis in np.ravel(axes))
    return np.prod(array, axis=where, keepdims=bool(operation.attribute("keep_dims", False)))


def _of_two(work: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    """Let an operation of two arrays make no more values than a layer may put out."""

    def bounded(_: Operation, a: Array, b: Array) -> Any:  # noqa: ANN401
        if int(np.prod(np.broadcast_shapes(a.shape, b.shape))) > max(a.size, b.size, LAYER_VALUES):
            raise ValueError("it makes too many values")
        return work(a, b)

    return bounded


_WORK: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("Identity", "StopGradient"), lambda _, array: array),
    "Cast": _cast,
    "Reshape": lambda _, array, shape: array.reshape(reshaped(array.shape, shape, allow_zero=True)),
    "Squeeze": _squeezed,
    "ExpandDims": lambda _, array, axis: np.expand_dims(array, int(np.ravel(axis)[0])),
    "Transpose": lambda _, array, order: np.transpose(array, [int(axis) for axis in order]),
    "StridedSlice": _part,
    "Shape": lambda _, array: np.array(array.shape, dtype=np.int64),
    "Pack": _joined(lambda operation, *arrays: np.stack(arrays, axis=operation.attribute("axis", 0))),
    "ConcatV2": _joined(lambda _, *given: np.concatenate(given[:-1], axis=int(given[-1]))),
    "Prod": _product,
    **dict.fromkeys(("Add", "AddV2"), _of_two(np.add)),
    "Sub": _of_two(np.subtract),
    "Mul": _of_two(np.multiply),
    "RealDiv": _of_two(np.divide),
    "Rsqrt": lambda _, array: 1 / np.sqrt(array),
    "Sqrt": lambda _, array: np.sqrt(array),
    "Neg": lambda _, array: -array,
}
