"""The shape of what a described layer puts out, as far as its settings tell it; None where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Protocol

Shape = tuple[int, ...]
_SAME_SHAPE = frozenset({"QActivation", "Activation", "ReLU"})


class Described(Protocol):
    """A layer by its class and settings."""

    @property
    def kind(self) -> str:
        """Keras' class."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings, as Keras saves them."""


def input_shape(config: Mapping[str, object]) -> Shape | None:
    """Give the shape of one event."""
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if not isinstance(shape, list | tuple) or not all(isinstance(size, int) for size in shape[1:]):
        return None
    return tuple(shape[1:])


def shape_after(layer: Described, shape: Shape | None) -> Shape | None:
    """Give the shape behind a layer that reads one of this shape."""
    if layer.kind == "Reshape":
        return _target(layer)
    if layer.kind in _SAME_SHAPE or not shape:
        return shape
    if layer.kind == "Flatten":
        return (prod(shape),)
    units = layer.config.get("units")
    extents = shape[:-1] if isinstance(units, int) else _extents(layer, shape[:-1])
    channels = units if isinstance(units, int) else layer.config.get("filters", shape[-1])
    return (*extents, channels) if extents is not None and isinstance(channels, int) else None


def _target(layer: Described) -> Shape | None:
    target = layer.config.get("target_shape")
    known = isinstance(target, list | tuple) and all(isinstance(size, int) and size > 0 for size in target)
    return tuple(target) if known and target is not None else None


def _extents(layer: Described, extents: Shape) -> Shape | None:
    """Give height and width, or the width alone of what has one dimension."""
    config, n = layer.config, len(extents)
    if layer.kind.startswith("UpSampling"):
        sizes = _numbers(config.get("size"), n)
        return sizes and tuple(extent * size for extent, size in zip(extents, sizes, strict=True))
    if layer.kind.startswith("ZeroPadding"):
        around = _numbers(config.get("padding"), 2 * n)
        return around and tuple(extent + sum(around[2 * i : 2 * i + 2]) for i, extent in enumerate(extents))
    is_pool = "Pooling" in layer.kind
    sizes = _numbers(config.get("pool_size" if is_pool else "kernel_size"), n)
    steps = _numbers(config.get("strides"), n) or (sizes if is_pool else (1,) * n)
    if sizes is None or steps is None or not (is_pool or layer.kind.startswith("QConv")):
        return None
    if config.get("padding") == "same":
        return tuple(-(-extent // step) for extent, step in zip(extents, steps, strict=True))
    return tuple((e - size) // step + 1 for e, size, step in zip(extents, sizes, steps, strict=True))


def _numbers(value: object, n: int) -> Shape | None:
    """Give n positive or zero numbers of a setting that may be one number, or hold pairs."""
    if isinstance(value, int):
        return (value,) * n
    flat: list[object] = []
    for part in value if isinstance(value, Sequence) and not isinstance(value, str) else ():
        flat += part if isinstance(part, list | tuple) else [part]
    numbers = tuple(part for part in flat if isinstance(part, int) and part >= 0)
    return numbers if len(numbers) == len(flat) == n else None
