"""Rules about the settings of the conversion, and about what an interface can't do."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, parse_type
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.arithmetic import values_of_layers
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role

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
    """Look at what hls4ml 1.3.0 can't do with the chosen interfaces (its `nnet_*_stream.h` and their asserts)."""
    values = values_of_layers(model)
    for layer in model.layers:
        shapes = [values[name].shape for name in layer.inputs]
        differ = None not in shapes and len({prod(shape or ()) for shape in shapes}) > 1
        if layer.is_score and differ:
            yield finding("score-shapes", layer.name, " and ".join(map(str, shapes)))
        if not conversion.is_stream:
            continue
        if layer.kind == "Dot":
            yield finding("dot-in-stream", layer.name)
        if layer.role is Role.MERGE and differ:
            yield finding("stream-broadcast", layer.name, " and ".join(map(str, shapes)))
        if layer.role in _POOLING and (why := _awkward_pooling(layer)):
            yield finding("stream-pooling", layer.name, why)
        copies = len(model.readers(layer.name)) + (layer.name in model.outputs)
        if copies > MAX_STREAM_COPIES:
            yield finding("stream-copies", layer.name, f"read {copies} times")


def _awkward_pooling(layer: LayerDescription) -> str:
    """Say how windows overlap or reach over the edge."""
    size, strides = layer.settings.get("pool_size"), layer.settings.get("strides")
    if strides is not None and _as_tuple(strides) != _as_tuple(size):
        return f"pool_size {size}, strides {strides}"
    return "padding same" if layer.settings.get("padding") == "same" else ""


def _as_tuple(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
