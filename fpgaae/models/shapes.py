"""The shape of what a described layer puts out, as far as its settings tell it; None where they do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.setting_forms import entries

Shape = tuple[int, ...]
_WINDOWED = frozenset({Role.SUM, Role.DEPTHWISE, Role.MAXIMUM, Role.MEAN})


def shapes_of_layers(network: NetworkDescription) -> dict[str, Shape | None]:
    """Give the shape of one event behind every layer."""
    known: dict[str, Shape | None] = {}
    for layer in network.layers:
        if layer.role is Role.INPUT:
            known[layer.name] = layer.event_shape
        elif layer.role in {Role.UNKNOWN, Role.MERGE} or len(layer.inputs) != 1:
            known[layer.name] = None
        else:
            known[layer.name] = shape_after(layer, known.get(layer.inputs[0]))
    return known


def shape_after(layer: LayerDescription, shape: Shape | None) -> Shape | None:
    """Give the shape behind a layer that reads one of this shape."""
    if layer.role is Role.RESHAPE and "target_shape" in layer.settings:
        return _target(layer, shape)
    if layer.role.keeps_shape or not shape:
        return shape
    if layer.role is Role.RESHAPE:
        return (prod(shape),)
    units = layer.settings.get("units")
    extents = shape[:-1] if isinstance(units, int) else _extents(layer, shape[:-1])
    n = layer.settings.get("depth_multiplier", 1)
    multiplied = shape[-1] * n if isinstance(n, int) else None
    channels = units if isinstance(units, int) else layer.settings.get("filters", multiplied)
    return (*extents, channels) if extents is not None and isinstance(channels, int) else None


def _target(layer: LayerDescription, shape: Shape | None) -> Shape | None:
    """Give the shape that a Reshape makes; one extent may be left open as -1."""
    target = layer.settings["target_shape"]
    if not isinstance(target, list | tuple) or not all(isinstance(size, int) for size in target):
        return None
    extents = tuple(size for size in target if size > 0)
    is_open = target.count(-1) == 1 and len(extents) == len(target) - 1
    if is_open and shape and prod(shape) % prod(extents) == 0:
        return tuple(prod(shape) // prod(extents) if size == -1 else size for size in target)
    return extents if len(extents) == len(target) else None


def _extents(layer: LayerDescription, extents: Shape) -> Shape | None:
    """Give height and width, or the width alone of what has one dimension."""
    settings, n = layer.settings, len(extents)
    if layer.role in _BY_PIXEL:
        return _BY_PIXEL[layer.role](layer, extents)
    if layer.role not in _WINDOWED:
        return None
    is_pool = layer.role in {Role.MAXIMUM, Role.MEAN}
    sizes = numbers(settings.get("pool_size" if is_pool else "kernel_size"), n)
    steps = numbers(settings.get("strides"), n) or (sizes if is_pool else (1,) * n)
    if sizes is None or steps is None or 0 in steps:
        return None
    if settings.get("padding") == "same":
        return tuple(-(-extent // step) for extent, step in zip(extents, steps, strict=True))
    return tuple((e - size) // step + 1 for e, size, step in zip(extents, sizes, steps, strict=True))


def _enlarged(layer: LayerDescription, extents: Shape) -> Shape | None:
    sizes = numbers(layer.settings.get("size"), len(extents))
    return sizes and tuple(extent * size for extent, size in zip(extents, sizes, strict=True))


def _padded(layer: LayerDescription, extents: Shape) -> Shape | None:
    around = numbers(layer.settings.get("padding"), 2 * len(extents))
    return around and tuple(extent + sum(around[2 * i : 2 * i + 2]) for i, extent in enumerate(extents))


def _cropped(layer: LayerDescription, extents: Shape) -> Shape | None:
    around = numbers(layer.settings.get("cropping"), 2 * len(extents))
    return around and tuple(extent - sum(around[2 * i : 2 * i + 2]) for i, extent in enumerate(extents))


def _spread(layer: LayerDescription, extents: Shape) -> Shape | None:
    n = len(extents)
    strides, padding = layer.settings["strides"][-n:], layer.settings["padding"][-2 * n :]
    return tuple(
        (extent - 1) * step + 1 + sum(padding[2 * i : 2 * i + 2])
        for i, (extent, step) in enumerate(zip(extents, strides, strict=True))
    )


def _transposed(layer: LayerDescription, extents: Shape) -> Shape | None:
    settings, n = layer.settings, len(extents)
    sizes, steps = numbers(settings.get("kernel_size"), n), numbers(settings.get("strides", 1), n)
    if sizes is None or steps is None:
        return None
    is_whole = settings.get("padding") == "same"
    beyond = [0 if is_whole else max(size - step, 0) for size, step in zip(sizes, steps, strict=True)]
    return tuple(extent * step + more for extent, step, more in zip(extents, steps, beyond, strict=True))


_BY_PIXEL: Mapping[Role, Callable[[LayerDescription, Shape], Shape | None]] = {
    Role.ENLARGE: _enlarged,
    Role.PAD: _padded,
    Role.CROP: _cropped,
    Role.SPREAD: _spread,
    Role.TRANSPOSED: _transposed,
}


def numbers(value: object, n: int) -> Shape | None:
    """Give n positive or zero numbers of a setting that may be one number, or hold pairs."""
    if isinstance(value, int):
        return (value,) * n
    flat: list[object] = []
    for part in value if isinstance(value, Sequence) and not isinstance(value, str) else ():
        flat += part if isinstance(part, list | tuple) else [part]
    numbers = tuple(part for part in flat if isinstance(part, int) and part >= 0)
    return numbers if len(numbers) == len(flat) == n else None


def channel_axis(layer: LayerDescription, shape: Shape) -> int | None:
    """Give the axis of one event that a normalization has a gain for each entry of; None where that is not one axis."""
    axes = entries(layer.settings.get("axis", -1))
    if len(axes) != 1 or not isinstance(axes[0], int):
        return None
    index = axes[0] - 1 if axes[0] > 0 else len(shape) + axes[0]  # counted with the batch, or from the end
    return index if axes[0] and 0 <= index < len(shape) else None
