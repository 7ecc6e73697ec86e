"""Rules about the settings of the conversion, and about what an interface can't do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, parse_type
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.arithmetic import Products, Values, products, values_of_layers
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.hls.lint.width_checks import is_of_pixels, used_reuse_factor
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.shapes import Shape, numbers

MAX_STREAM_COPIES = 7
_POOLING = frozenset({Role.MAXIMUM, Role.MEAN})


def check_conversion(model: NetworkDescription, conversion: Conversion) -> Iterator[Finding]:
    """Look at what hls4ml is told besides the model."""
    if conversion.bit_exact is not True:
        yield finding("bit-exact-unset", "", f"bit_exact={conversion.bit_exact}")
    if conversion.granularity != "name":
        yield finding("granularity-not-name", "", f"granularity={conversion.granularity!r}")
    if conversion.strategy == "distributed_arithmetic" and conversion.reuse_factor != 1:
        yield finding("distributed-arithmetic-reuse", "", f"reuse_factor {conversion.reuse_factor}")
    if conversion.reloadable_weights:
        yield finding("reloadable-not-traced")
        yield from _check_zeros(model)
    if conversion.bit_exact is True:
        if conversion.max_precision is not None:
            yield finding("override-ignored", "", f"max_precision={conversion.max_precision}")
        for name, given in conversion.accumulators.items():
            yield finding("override-ignored", name, f"accumulator {given}")
    else:
        yield from _check_overrides(model, conversion)


def _check_zeros(model: NetworkDescription) -> Iterator[Finding]:
    """Look for weights that were pruned in vain; before a training nothing is known of them."""
    weights = [values for layer in model.layers if layer.is_quantized_sum for values in layer.weights.values()]
    zeros, n = sum(int((values == 0).sum()) for values in weights), sum(values.size for values in weights)
    if zeros or not n:
        yield finding("reloadable-zeros", "", f"{zeros} of {n} weights and biases are zero" if n else "")


def _check_overrides(model: NetworkDescription, conversion: Conversion) -> Iterator[Finding]:
    """Look at types that are set by hand, where they have an effect."""
    values = values_of_layers(model)
    needed = {layer.name: values[layer.name].type for layer in model.layers if layer.is_quantized_sum or layer.is_score}
    for name, of in needed.items():
        if conversion.max_precision is not None and (why := _lacks(conversion.max_precision, of)):
            yield finding("max-precision-narrow", name, why)
    for name, given in conversion.accumulators.items():
        if why := _lacks(given, needed.get(name)):
            yield finding("accumulator-override", name, why)


def _lacks(given: str, needed: FixedPointType | None) -> str:
    """Say what a type can't hold of the exact sums; nothing if it holds them, or if they are not known."""
    try:
        of = parse_type(given)
    except InputError:
        return f"{given} is not a fixed-point type"
    if needed is None:
        return ""
    if of.fraction < needed.fraction:
        return f"{given} rounds sums that have {needed.fraction} bits behind the point"
    up = of.fraction - needed.fraction
    if needed.max_code << up > of.max_code or needed.min_code << up < of.min_code:
        return f"{given} overflows: the sums need {needed}"
    return ""


def check_interfaces(model: NetworkDescription, conversion: Conversion) -> Iterator[Finding]:
    """Look at shapes, and at what hls4ml 1.3.0 can't do with the chosen interfaces (`nnet_*_stream.h`, its asserts)."""
    values = values_of_layers(model)
    for layer in model.layers:
        shapes = [values[name].shape for name in layer.inputs]
        yield from _check_shapes(model, layer, shapes)
        differ = None not in shapes and len({prod(shape or ()) for shape in shapes}) > 1
        if layer.is_score and differ:
            yield finding("score-shapes", layer.name, " and ".join(map(str, shapes)))
        if conversion.strategy == "resource" and "filters" in layer.settings and layer.role is Role.SUM:
            yield from _check_reuse(layer, products(layer, values[layer.inputs[0]]), conversion)
        if not conversion.is_stream:
            continue
        if layer.kind == "Dot":
            yield finding("dot-in-stream", layer.name)
        if layer.role is Role.MERGE and differ:
            yield finding("stream-broadcast", layer.name, " and ".join(map(str, shapes)))
        if layer.role in _POOLING and (why := _awkward_pooling(layer)):
            yield finding("stream-pooling", layer.name, why)
        if layer.role is Role.SUM and (why := _awkward_strides(layer)):
            yield finding("stream-strides", layer.name, why)
        packs = [_pack_size(model, name, values) for name in layer.inputs]
        if layer.is_score and not differ and None not in packs and len(set(packs)) > 1:
            yield finding("stream-packs", layer.name, f"packs of {' and '.join(map(str, packs))} values")
        if slot := _split_slot(layer, packs[0] if packs else None, shapes):
            yield finding("stream-packs", layer.name, slot)
        copies = len(model.readers(layer.name)) + (layer.name in model.outputs)
        if copies > MAX_STREAM_COPIES:
            yield finding("stream-copies", layer.name, f"read {copies} times")


def _check_shapes(model: NetworkDescription, layer: LayerDescription, shapes: list[Shape | None]) -> Iterator[Finding]:
    """Look at what has no exact form at the shape that it reads."""
    shape = shapes[0] if shapes else None
    if layer.role is Role.SUM and "units" in layer.settings and shape is not None and len(shape) > 1:
        yield finding("dense-of-image", layer.name, f"reads {shape}")
    if layer.role not in _POOLING or shape is None:
        return
    n = len(shape) - 1
    size = numbers(layer.settings.get("pool_size"), n)
    steps = numbers(layer.settings.get("strides"), n) or size
    if size is None or steps is None:
        return
    if layer.settings.get("padding") == "same" and any(map(_reaches_beyond, shape, size, steps)):
        yield finding("pooling-beyond-border", layer.name, f"pool_size {size}, strides {steps} of {shape}")
    readers = model.readers(layer.name)
    is_cut_off = layer.role is Role.MEAN and prod(size) & (prod(size) - 1) != 0
    if is_cut_off and not (readers and all(reader.role is Role.ROUND for reader in readers)):
        yield finding("mean-not-quantized", layer.name, f"of {prod(size)} values")


def _check_reuse(layer: LayerDescription, size: Products | None, conversion: Conversion) -> Iterator[Finding]:
    """Look at the reuse factor of a convolution, of which hls4ml asserts some things and mends others."""
    if size is None:
        return
    used = used_reuse_factor(size, conversion.reuse_factor)
    if is_of_pixels(layer) and used != conversion.reuse_factor:
        yield finding("pointwise-reuse", layer.name, f"reuse_factor {conversion.reuse_factor} of {size.n_in} channels")
    elif not conversion.is_stream and used > size.n_in:
        yield finding("convolution-reuse", layer.name, f"reuse_factor {used} of sums of {size.n_in} products")


def _reaches_beyond(extent: int, size: int, step: int) -> bool:
    return (-(-extent // step) - 1) * step + size > extent


def _awkward_strides(layer: LayerDescription) -> str:
    """Say how a kernel of one row and several columns leaves out rows."""
    kernel, strides = numbers(layer.settings.get("kernel_size"), 2), numbers(layer.settings.get("strides"), 2)
    if not layer.kind.endswith("2D") or kernel is None or strides is None:
        return ""
    return f"kernel {kernel}, strides {strides}" if kernel[0] == 1 < min(kernel[1], strides[0]) else ""


def _pack_size(model: NetworkDescription, name: str, values: Mapping[str, Values]) -> int | None:
    """Give how many values of a layer come at once: those of a pixel, which a Flatten leaves as they are."""
    layer = model[name]
    if layer.kind == "Flatten" or (layer.role.keeps_shape and layer.inputs):
        return _pack_size(model, layer.inputs[0], values)
    shape = values[name].shape
    return shape[-1] if shape else None


def _split_slot(layer: LayerDescription, pack: int | None, shapes: list[Shape | None]) -> str:
    """Say how the packs of a masked score part its slots, each of which is read as a whole."""
    empty = layer.settings.get("empty")
    if not layer.is_score or not isinstance(empty, list | tuple) or not empty or pack is None or shapes[0] is None:
        return ""
    slot = prod(shapes[0]) // len(empty)
    return f"packs of {pack} values, slots of {slot}" if slot and pack % slot else ""


def _awkward_pooling(layer: LayerDescription) -> str:
    """Say how windows overlap or reach over the edge."""
    size, strides = layer.settings.get("pool_size"), layer.settings.get("strides")
    if strides is not None and _as_tuple(strides) != _as_tuple(size):
        return f"pool_size {size}, strides {strides}"
    return "padding same" if layer.settings.get("padding") == "same" else ""


def _as_tuple(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
