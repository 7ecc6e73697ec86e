"""The operations of an exported graph to layers, as Keras has them: both have their channels last.

What a graph calculates of constants alone is calculated in double precision; what has no layer is named with its
operation. `fpgaae.models.exported_execution` evaluates the operations themselves, to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import NetworkDescription
from fpgaae.models.exported_graph import Array, Operation, read_serving_function
from fpgaae.models.exported_reader import Held, Reader, name_of, refuse
from fpgaae.models.onnx_constants import reshaped
from fpgaae.models.shapes import Shape

_FUNCTIONS = {"Selu": "selu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign"}
_JOINED = {"Add": "Add", "AddV2": "Add", "Sub": "Subtract", "Mul": "Multiply"}


def read_export(folder: Path) -> NetworkDescription:
    """Read an exported model.

    Raises
    ------
    InputError
        If it is damaged, or an operation in it has no layer.
    """
    serving = read_serving_function(folder)
    try:
        return Reader(serving, _WORK).read()
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"its graph does not fit together ({reason})") from None


def _multiply(reader: Reader, operation: Operation) -> None:
    held, kernel = reader.tensor(operation), reader.constant(operation, 1)
    if operation.attribute("transpose_a", False):
        raise refuse(operation, "has transpose_a")
    kernel = kernel.T if operation.attribute("transpose_b", False) else kernel
    if held.axis is not None or len(held.shape) != 1 or kernel.ndim != 2 or kernel.shape[0] != held.shape[0]:
        raise refuse(operation, f"multiplies a tensor of shape {held.shape} by weights of shape {kernel.shape}")
    _sum(reader, operation, held, "Dense", {"units": kernel.shape[1]}, {"kernel": kernel})


def _sum(
    reader: Reader, operation: Operation, held: Held, kind: str, settings: Mapping[str, Any],
    weights: Mapping[str, Array],
) -> None:  # fmt: skip
    common = {"use_bias": True, "activation": None}
    n = settings.get("units") or settings.get("filters") or held.shape[-1] * settings["depth_multiplier"]
    reader.add(operation, held, kind, {**settings, **common}, {**weights, "bias": np.zeros(n)})
    reader.may_get(operation, "bias")


def _window(operation: Operation, n: int, key: str) -> Shape:
    """Give the numbers of an attribute along the dimensions of an image."""
    batch, *found, channels = operation.attribute(key, (1, 1, 1, 1))
    if len(found) != 2 or (batch, channels) != (1, 1) or (n == 1 and key == "ksize" and found[0] != 1):
        raise refuse(operation, f"has {key} {(batch, *found, channels)}")
    return tuple(found[2 - n :])


def _settings(operation: Operation, n: int) -> dict[str, Any]:
    padding = operation.attribute("padding", "VALID")
    if padding not in {"SAME", "VALID"} or set(operation.attribute("dilations", (1,))) != {1}:
        raise refuse(operation, "has explicit padding or dilations")
    return {"strides": _window(operation, n, "strides"), "padding": padding.lower()}


def _kernel(reader: Reader, operation: Operation, n: int, n_channels: int, axis: int) -> Array:
    kernel = reader.constant(operation, 1)
    if kernel.ndim != 4 or (n == 1 and kernel.shape[0] != 1) or kernel.shape[axis] != n_channels:
        raise refuse(operation, f"has weights of shape {kernel.shape} for {n_channels} channels")
    return np.asarray(kernel[0]) if n == 1 else kernel


def _convolve(reader: Reader, operation: Operation) -> None:
    held, n = reader.image(operation)
    kernel = _kernel(reader, operation, n, held.shape[-1], 2)
    settings = {"filters": kernel.shape[-1], "kernel_size": kernel.shape[:n], **_settings(operation, n)}
    _sum(reader, operation, held, f"Conv{n}D", settings, {"kernel": kernel})


def _convolve_each(reader: Reader, operation: Operation) -> None:
    held, n = reader.image(operation)
    kernel = _kernel(reader, operation, n, held.shape[-1], 2)
    settings = {"depth_multiplier": kernel.shape[-1], "kernel_size": kernel.shape[:n], **_settings(operation, n)}
    _sum(reader, operation, held, f"DepthwiseConv{n}D", settings, {"depthwise_kernel": kernel})


def _convolve_transposed(reader: Reader, operation: Operation) -> None:
    held, n = reader.image(operation, 2)
    kernel = _kernel(reader, operation, n, held.shape[-1], 3)
    settings = {"filters": kernel.shape[-2], "kernel_size": kernel.shape[:n], **_settings(operation, n)}
    _sum(reader, operation, held, f"Conv{n}DTranspose", settings, {"kernel": kernel})
    wanted = tuple(int(extent) for extent in reader.constant(operation, 0))
    if reader.held[operation.name].extents != wanted:
        raise refuse(operation, f"makes {wanted[1:]} of {held.shape}, which needs an output_padding")


def _of_channels(operation: Operation, held: Held, constant: Array) -> Array:
    wide = np.broadcast_to(constant, held.extents).reshape(-1, held.shape[-1])
    if np.broadcast_shapes(constant.shape, held.extents) != held.extents or not (wide == wide[:1]).all():
        raise refuse(operation, "has constants that are not one for each channel")
    return np.asarray(wide[0])


def _combine(reader: Reader, operation: Operation) -> None:
    """Add, subtract, multiply or divide by constants, one for each channel."""
    is_held = [name in reader.held for name in operation.inputs]
    if all(is_held):
        if operation.kind not in _JOINED:
            raise refuse(operation, "joins two parts of the network")
        reader.joined(operation, _JOINED[operation.kind])
        return
    index = is_held.index(True)
    held = reader.tensor(operation, index)
    constant = _of_channels(operation, held, reader.constant(operation, 1 - index))
    ones, zeros = np.ones_like(constant), np.zeros_like(constant)
    if operation.kind in {"Mul", "RealDiv"} and reader.is_hard_sigmoid(operation, held, constant):
        return
    if operation.kind in {"Mul", "RealDiv"}:
        if operation.kind == "RealDiv" and (index == 1 or (constant == 0).any()):
            raise refuse(operation, "divides by the network or by zero")
        _scale(reader, operation, held, 1 / constant if operation.kind == "RealDiv" else constant, zeros)
        reader.may_get(operation, "beta")
    elif operation.kind == "Sub":
        _scale(reader, operation, held, -ones if index else ones, constant if index else -constant)
    elif not reader.takes_offset(operation, operation.inputs[index], constant):
        _scale(reader, operation, held, ones, constant)


def _scale(reader: Reader, operation: Operation, held: Held, gain: Array, offset: Array) -> None:
    n = len(gain)
    weights = {"gamma": gain, "beta": offset, "moving_mean": np.zeros(n), "moving_variance": np.ones(n)}
    reader.add(operation, held, "BatchNormalization", {"axis": -1, "epsilon": 0.0}, weights)


def _normalize(reader: Reader, operation: Operation) -> None:
    held, _ = reader.image(operation)
    if operation.attribute("is_training", True):
        raise refuse(operation, "normalizes by the events of a batch")
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {name: reader.constant(operation, index) for index, name in enumerate(names, 1)}
    if any(array.shape != held.shape[-1:] for array in weights.values()):
        raise refuse(operation, "has not one number for each channel")
    epsilon = float(operation.attribute("epsilon", np.float32(1e-4)))
    reader.add(operation, held, "BatchNormalization", {"axis": -1, "epsilon": epsilon}, weights)


def _activate(reader: Reader, operation: Operation) -> None:
    kind, held = operation.kind, reader.tensor(operation)
    settings: dict[str, float | str]
    if kind in {"Relu", "Relu6"}:
        layer, settings = "ReLU", {"max_value": 6.0} if kind == "Relu6" else {}
    elif kind == "LeakyRelu":
        layer, settings = "LeakyReLU", {"alpha": float(operation.attribute("alpha", np.float32(0.2)))}
    elif kind == "Elu":
        layer, settings = "ELU", {"alpha": 1.0}
    else:
        layer, settings = "Activation", {"activation": _FUNCTIONS[kind]}
    reader.add(operation, held, layer, settings, name=f"{name_of(operation)}_{kind.lower()}")


def _pool(reader: Reader, operation: Operation) -> None:
    held, n = reader.image(operation)
    kind = "MaxPooling" if operation.kind == "MaxPool" else "AveragePooling"
    settings = {"pool_size": _window(operation, n, "ksize"), **_settings(operation, n)}
    reader.add(operation, held, f"{kind}{n}D", settings)


def _average(reader: Reader, operation: Operation) -> None:
    """Average over a whole image."""
    held = reader.tensor(operation)
    n = len(held.shape) - 1
    axes = {int(axis) % (n + 2) for axis in np.ravel(reader.constant(operation, 1))}
    if held.axis is not None or n not in {1, 2} or axes != set(range(1, n + 1)):
        raise refuse(operation, "averages over other axes than height and width")
    extents = held.shape[:-1]
    pooled = reader.add(operation, held, f"AveragePooling{n}D",
                        {"pool_size": extents, "strides": extents, "padding": "valid"})  # fmt: skip
    if not operation.attribute("keep_dims", False):
        reader.add(operation, pooled, "Flatten", {}, name=f"{pooled.layer}_flat")


def _pad(reader: Reader, operation: Operation) -> None:
    held, pads = reader.tensor(operation), reader.constant(operation, 1)
    n = len(held.shape) - 1
    has_value = operation.kind == "PadV2" and reader.constant(operation, 2).any()
    if held.axis is not None or n not in {1, 2} or has_value or pads[[0, -1]].any() or pads.min() < 0:
        raise refuse(operation, "puts something else than zeros around an image")
    pairs = tuple((int(before), int(after)) for before, after in pads[1:-1])
    reader.add(operation, held, f"ZeroPadding{n}D", {"padding": pairs if n == 2 else pairs[0]})


def _resize(reader: Reader, operation: Operation) -> None:
    held, n = reader.image(operation)
    wanted = np.ravel(reader.constant(operation, 1)).astype(np.int64)[-n:]
    sizes = tuple(int(extent) for extent in wanted // held.shape[:n])
    is_whole = np.array_equal(np.multiply(sizes, held.shape[:n]), wanted) and min(sizes) > 0
    if operation.attribute("align_corners", False) or not is_whole:
        raise refuse(operation, f"makes {tuple(wanted)} of {held.shape[:n]}, which repeats no pixels")
    _enlarge(reader, operation, held, sizes)


def _enlarge(reader: Reader, operation: Operation, held: Held, sizes: Shape) -> None:
    n = len(sizes)
    settings = {"size": sizes, "interpolation": "nearest"} if n == 2 else {"size": sizes[0]}
    reader.add(operation, held, f"UpSampling{n}D", settings)


def _crop(reader: Reader, operation: Operation) -> None:
    """Take a slice that cuts pixels off at the borders of an image."""
    held = reader.tensor(operation)
    n = len(held.shape) - 1
    begin, end, step = (np.ravel(reader.constant(operation, index)) for index in (1, 2, 3))
    masks = [operation.attribute(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    if held.axis is not None or n not in {1, 2} or any(masks[2:]) or len(begin) > n + 2 or (step != 1).any():
        raise refuse(operation, "cuts something else than an image with a margin off")
    cut = [(0, 0)] * (n + 2)
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        start = None if masks[0] >> axis & 1 else int(first)
        stop = None if masks[1] >> axis & 1 else int(last)
        low, high, _ = slice(start, stop).indices(held.extents[axis])
        cut[axis] = (low, held.extents[axis] - high)
    if (axis_of_batch := cut[0]) != (0, 0) or cut[-1] != (0, 0):
        raise refuse(operation, f"takes a part of the batch or of the channels {axis_of_batch, cut[-1]}")
    pairs = tuple(cut[1:-1])
    reader.add(operation, held, f"Cropping{n}D", {"cropping": pairs if n == 2 else pairs[0]})


def _reshape(reader: Reader, operation: Operation) -> None:
    held = reader.held.get(operation.inputs[0])
    if held is None:
        raise refuse(operation, "reads a constant where it should read the network")
    extents = reshaped(held.extents, reader.constant(operation, 1), allow_zero=True)
    if held.axis is not None and held.repeats > 1:
        n, at = len(held.shape) - 1, held.axis - 2
        sizes = tuple(held.repeats if axis == at else 1 for axis in range(n))
        enlarged = tuple(extent * size for extent, size in zip(held.shape, (*sizes, 1), strict=True))
        if n not in {1, 2} or not 0 <= at < n or extents != (1, *enlarged):
            raise refuse(operation, "puts repeated values together, but not as the pixels of an image")
        _enlarge(reader, operation, held._replace(axis=None, repeats=1), sizes)
        return
    if extents[:1] != (1,) or len(extents) < 2:
        raise refuse(operation, f"makes {extents} of one event of shape {held.shape}")
    _shaped(reader, operation, held._replace(axis=None), extents[1:])


def _shaped(reader: Reader, operation: Operation, held: Held, shape: Shape) -> None:
    if held.shape == shape:
        reader.pass_on(operation, held)
    elif len(shape) == 1:
        reader.add(operation, held, "Flatten", {})
    else:
        reader.add(operation, held, "Reshape", {"target_shape": shape})


def _expand(reader: Reader, operation: Operation) -> None:
    held = reader.tensor(operation)
    axis, rank = int(np.ravel(reader.constant(operation, 1))[0]), len(held.extents)
    if held.axis is not None:
        raise refuse(operation, "puts a second axis in")
    reader.pass_on(operation, held._replace(axis=axis + (rank + 1) * (axis < 0)))


def _squeeze(reader: Reader, operation: Operation) -> None:
    held = reader.tensor(operation)
    extents = held.extents
    axes = {axis % len(extents) for axis in operation.attribute("squeeze_dims", ())}
    axes = axes or {axis for axis, extent in enumerate(extents) if extent == 1 and axis > 0}
    if axes == {held.axis}:
        reader.pass_on(operation, held._replace(axis=None))
        return
    if 0 in axes or any(extents[axis] != 1 for axis in axes) or len(axes) == len(extents) - 1:
        raise refuse(operation, f"takes axes of a tensor of shape {held.shape} away that it needs")
    kept = tuple(extent for axis, extent in enumerate(extents) if axis not in axes)
    _shaped(reader, operation, held._replace(axis=None), kept[1:])


def _tile(reader: Reader, operation: Operation) -> None:
    held, counts = reader.tensor(operation), np.ravel(reader.constant(operation, 1)).astype(np.int64)
    others = [count for axis, count in enumerate(counts) if axis != held.axis]
    if held.axis is None or len(counts) != len(held.extents) or set(others) != {1} or counts.min() < 1:
        raise refuse(operation, "repeats something else than pixels")
    reader.held[operation.name] = held._replace(repeats=int(counts[held.axis]))


def _pass_on(reader: Reader, operation: Operation) -> None:
    if operation.kind == "Cast" and operation.attribute("DstT") != operation.attribute("SrcT"):
        raise refuse(operation, "changes the type of its numbers")
    reader.pass_on(operation, reader.tensor(operation))


_WORK: Mapping[str, Callable[[Reader, Operation], None]] = {
    **dict.fromkeys(("Identity", "StopGradient", "Cast"), _pass_on),
    "MatMul": _multiply,
    "Conv2D": _convolve,
    "DepthwiseConv2dNative": _convolve_each,
    "Conv2DBackpropInput": _convolve_transposed,
    **dict.fromkeys(("BiasAdd", "Add", "AddV2", "Sub", "Mul", "RealDiv"), _combine),
    "FusedBatchNormV3": _normalize,
    **dict.fromkeys(("Relu", "Relu6", "LeakyRelu", "Elu", *_FUNCTIONS), _activate),
    **dict.fromkeys(("MaxPool", "AvgPool"), _pool),
    "Mean": _average,
    **dict.fromkeys(("Pad", "PadV2"), _pad),
    "ResizeNearestNeighbor": _resize,
    "StridedSlice": _crop,
    "Reshape": _reshape,
    "ExpandDims": _expand,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "ConcatV2": lambda reader, operation: reader.joined(operation, "Concatenate"),
}
