"""Rules about widths: sums beyond what Keras holds, products beyond a DSP, and reuse factors that do not divide."""

from __future__ import annotations

from collections.abc import Iterator

from fpgaae.fixedpoint import FixedPointType, parse_type, type_for_range
from fpgaae.golden.functions import MAX_ARGUMENT_BITS
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.arithmetic import Products, Values, difference, kernel_width, products, values_of_layers
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role

FLOAT32_BITS, FLOAT64_BITS = 24, 53
DSP_WIDE_BITS, DSP_NARROW_BITS = 27, 18


def check_widths(model: NetworkDescription, conversion: Conversion) -> Iterator[Finding]:
    """Look at the sums and products of every layer."""
    values = values_of_layers(model)
    for layer in model.layers:
        yield from _check_sum(layer, values[layer.name])
        sources = [values[name] for name in layer.inputs]
        if layer.kind == "TableActivation" and sources:
            yield from _check_table(layer, sources[0])
        if layer.role is Role.ROUND and sources and (why := _below_a_step(layer, sources[0])):
            yield finding("sum-below-step", layer.name, why)
        if (operands := _operands(layer, sources, conversion)) is not None and not fits_dsp(*operands):
            yield finding("dsp-input-wasted", layer.name, f"{operands[0]} x {operands[1]} signed bits")
        if layer.is_quantized_sum and sources:
            yield from _check_reuse(layer, products(layer, sources[0]), conversion)


def _below_a_step(layer: LayerDescription, source: Values) -> str:
    """Say how all that a quantizer reads is smaller than half of one of its steps."""
    quantizer = layer.quantizers.get("activation")
    if quantizer is None or quantizer.type is None or source.type is None or not source.peak:
        return ""  # nothing is known, or weights are pruned that can be loaded
    of, to = source.type, quantizer.type
    return f"{to} of {of}" if of.fraction - to.fraction > of.width else ""


def _check_sum(layer: LayerDescription, values: Values) -> Iterator[Finding]:
    of = values.type
    if of is None or not (layer.is_quantized_sum or layer.is_score):
        return
    if of.width > FLOAT64_BITS:
        yield finding("accumulator-beyond-float64", layer.name, f"up to {of.width} bits")
    elif values.peak > 2**FLOAT32_BITS:
        rule = "score-beyond-float32" if layer.is_score else "accumulator-beyond-float32"
        yield finding(rule, layer.name, f"up to {values.peak.bit_length() + of.signed} bits")


def _check_table(layer: LayerDescription, source: Values) -> Iterator[Finding]:
    """Look at whether a table has an entry for every code that it can get, and no other."""
    argument = parse_type(layer.settings["argument"])
    if argument.width > MAX_ARGUMENT_BITS:
        yield finding("table-argument", layer.name, f"{argument.width} bits: {1 << argument.width:,} entries")
    elif source.type is None or source.type.plain != argument.plain:
        yield finding("table-argument", layer.name, f"{argument}, but it reads {source.type or 'what is not rounded'}")


def _operands(layer: LayerDescription, sources: list[Values], conversion: Conversion) -> tuple[int, int] | None:
    """Give the signed widths of the two numbers that a layer multiplies, or None where that is not known."""
    types = [source.type for source in sources]
    if not types or types[0] is None:
        return None
    if layer.is_quantized_sum:
        width = kernel_width(layer)
        if width is None or conversion.strategy == "distributed_arithmetic":  # which only adds and shifts
            return None
        return _signed_width(types[0]), width
    if layer.kind.startswith("Mu"):
        return _signed_width(types[0]), _signed_width(types[0])
    if layer.kind.endswith("SquaredErrorScore") and len(types) == 2 and types[1] is not None:
        largest, fraction = difference(types[0], types[1])
        width = type_for_range(-largest, largest, fraction).width
        return width, width
    return None


def _signed_width(of: FixedPointType) -> int:
    return of.width + (not of.signed)


def fits_dsp(a: int, b: int) -> bool:
    """Tell whether one DSP48E2 multiplies two signed numbers of these widths.

    Its multiplier takes 27 x 18 bits in two's complement ("UltraScale Architecture DSP Slice User Guide", UG579,
    "27 x 18 multiplier").
    """
    return max(a, b) <= DSP_WIDE_BITS and min(a, b) <= DSP_NARROW_BITS


def _check_reuse(layer: LayerDescription, size: Products | None, conversion: Conversion) -> Iterator[Finding]:
    """Look at the reuse factor, which hls4ml only checks in the resource strategy."""
    if conversion.strategy != "resource" or size is None or is_of_pixels(layer):
        return
    used = used_reuse_factor(size, conversion.reuse_factor)
    if used != conversion.reuse_factor:
        wanted = f"reuse_factor {conversion.reuse_factor} of {size.n_in} x {size.n_out} products"
        yield finding("reuse-factor-replaced", layer.name, f"{wanted}: {used} is used")


def is_of_pixels(layer: LayerDescription) -> bool:
    """Tell whether a layer is a convolution of single pixels, of which hls4ml takes the reuse factor as it is set."""
    kernel = layer.settings.get("kernel_size")
    return set(kernel if isinstance(kernel, list | tuple) else [kernel]) == {1}


def used_reuse_factor(size: Products, wanted: int) -> int:
    """Give the reuse factor that hls4ml 1.3.0 takes in the resource strategy: the closest that divides.

    Of two equally close ones it takes the smaller (`FPGABackend.get_closest_reuse_factor`).
    """
    wanted = max(1, min(wanted, size.n_in * size.n_out))  # both ends are possible
    for distance in range(wanted):
        for factor in (wanted - distance, wanted + distance):
            if _is_possible(size, factor):
                return factor
    return 1


def _is_possible(size: Products, factor: int) -> bool:
    """Repeat the conditions of hls4ml's `_validate_reuse_factor`."""
    n_products = size.n_in * size.n_out
    if not 1 <= factor <= n_products or n_products % factor:
        return False
    multipliers = -(-n_products // min(size.n_in, factor))
    return (multipliers % size.n_out == 0 or factor >= size.n_in) and (factor % size.n_in == 0 or factor < size.n_in)
