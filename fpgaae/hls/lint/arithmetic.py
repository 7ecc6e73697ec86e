"""The widths of a described model: every value's type and shape, and bounds of every sum, in exact integers.

Where weights are not known yet, the largest that their quantizers allow stand for them.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, type_for_range
from fpgaae.golden.scores.base import function_table, score_type
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.functions import output_type
from fpgaae.models.keras_layers import SCORES, Role
from fpgaae.models.shapes import shape_after

_MAX_TABLE_FRACTION_BITS = 24
_MAX_WEIGHT_BITS = 40  # the sums of codes below are 64-bit integers


class Values(NamedTuple):
    """What a layer puts out, as far as it is known; `peak` bounds every partial sum, in LSBs of `type`."""

    type: FixedPointType | None = None
    shape: tuple[int, ...] | None = None
    peak: int = 0


class Products(NamedTuple):
    """What a layer with weights computes: n_in products for each of n_out sums."""

    n_in: int
    n_out: int


def values_of_layers(model: NetworkDescription) -> dict[str, Values]:
    """Give what every layer puts out."""
    known: dict[str, Values] = {}
    for layer in model.layers:
        sources = [known[name] for name in layer.inputs]
        known[layer.name] = _values(layer, sources)
    return known


def products(layer: LayerDescription, source: Values) -> Products | None:
    """Count the products of a layer with weights, where its size is known."""
    n_out = layer.settings.get("units", layer.settings.get("filters"))
    if (kernel := layer.weights.get("kernel")) is not None and kernel.ndim >= 2:
        return Products(prod(kernel.shape[:-1]), kernel.shape[-1])
    if not isinstance(n_out, int) or source.shape is None or not source.shape:
        return None
    window = layer.settings.get("kernel_size", ())
    sizes = window if isinstance(window, list | tuple) else (window,)
    if not all(isinstance(size, int) for size in sizes):
        return None
    return Products(source.shape[-1] * prod(sizes), n_out)


def _values(layer: LayerDescription, sources: list[Values]) -> Values:
    if layer.role is Role.INPUT:
        return Values(None, layer.event_shape)
    if not sources:
        return Values()
    if layer.is_quantized_sum:
        return _weighted_sum(layer, sources[0])
    return _score(layer, sources) if layer.is_score else _moved(layer, sources[0])


def _moved(layer: LayerDescription, source: Values) -> Values:
    """Follow values through a quantizer, a table, or a layer that only moves them."""
    return Values(output_type(layer, source.type), shape_after(layer, source.shape))


class _Sums(NamedTuple):
    """What bounds each output of a layer with weights: codes of its weights by sign, and of its bias."""

    positive: list[int]
    negative: list[int]
    bias_low: list[int]
    bias_high: list[int]


def _weighted_sum(layer: LayerDescription, source: Values) -> Values:
    """Bound a dense layer or a convolution, whose sums have products with the weights and a bias."""
    shape = shape_after(layer, source.shape)
    kernel, bias = layer.quantizers.get("kernel"), layer.quantizers.get("bias")
    size = products(layer, source)
    if source.type is None or size is None or kernel is None or kernel.type is None:
        return Values(None, shape)
    product_fraction = source.type.fraction + kernel.type.fraction
    bias_type = bias.type if bias else None
    fraction = max(product_fraction, bias_type.fraction) if bias_type else product_fraction
    sums = _sums(layer, size, kernel.type, bias_type)
    up = fraction - product_fraction
    up_bias = fraction - bias_type.fraction if bias_type else 0
    low, high = source.type.min_code, source.type.max_code
    reach = max(high, -low)
    largest = smallest = peak = 0
    for positive, negative, bias_low, bias_high in zip(*sums, strict=True):
        largest = max(largest, (positive * high + negative * low << up) + (bias_high << up_bias))
        smallest = min(smallest, (positive * low + negative * high << up) + (bias_low << up_bias))
        peak = max(peak, ((positive - negative) * reach << up) + (max(-bias_low, bias_high) << up_bias))
    return Values(type_for_range(smallest, largest, fraction), shape, peak)


def _sums(
    layer: LayerDescription, size: Products, kernel_type: FixedPointType, bias_type: FixedPointType | None
) -> _Sums:
    """Sum the weights of each output; where they are not known, all of one sign are the worst."""
    kernel = _codes(layer.weights.get("kernel"), kernel_type)
    bias = _codes(layer.weights.get("bias"), bias_type) if bias_type else np.zeros(size.n_out, dtype=np.int64)
    if kernel is None or bias is None or kernel.ndim < 2 or bias.shape != kernel.shape[-1:]:
        worst = size.n_in * max(kernel_type.max_code, -kernel_type.min_code)
        low, high = (bias_type.min_code, bias_type.max_code) if bias_type else (0, 0)
        return _Sums([worst, 0], [0, -worst], [low] * 2, [high] * 2)
    columns = kernel.reshape(-1, kernel.shape[-1])
    positive, negative = np.maximum(columns, 0).sum(axis=0), np.minimum(columns, 0).sum(axis=0)
    return _Sums(positive.tolist(), negative.tolist(), bias.tolist(), bias.tolist())


def kernel_width(layer: LayerDescription) -> int | None:
    """Give the signed width of a layer's weights: that of the bits which they use, as hls4ml types them."""
    kernel = layer.quantizers.get("kernel")
    if kernel is None or kernel.type is None:
        return None
    codes = _codes(layer.weights.get("kernel"), kernel.type)
    if codes is None or not codes.size:
        return kernel.type.width + (not kernel.type.signed)
    used = int(np.bitwise_or.reduce(codes, axis=None))
    unused = (used & -used).bit_length() - 1 if used else 0  # bits at the low end that are zero in all of them
    return type_for_range(min(int(codes.min()) >> unused, -1), int(codes.max()) >> unused, 0).width


def _codes(weights: NDArray[np.floating] | None, of: FixedPointType) -> NDArray[np.int64] | None:
    """Quantize weights as QKeras does: half to even, then saturated."""
    if weights is None or of.width > _MAX_WEIGHT_BITS or not np.isfinite(weights).all():
        return None
    return np.clip(np.rint(weights.astype(np.float64) * 2.0**of.fraction), of.min_code, of.max_code).astype(np.int64)


def _score(layer: LayerDescription, sources: list[Values]) -> Values:
    """Bound a score as the golden network does; a table needs the type of its argument and the bits of its entries."""
    score, types = SCORES.get(layer.kind), [source.type for source in sources]
    known = [of for of in types if of is not None]
    shape = sources[0].shape
    wanted = 1 if score in {Score.MU_SQUARED, Score.REGRESSION} else 2
    if score is None or shape is None or len(known) != len(types) or len(types) != wanted:
        return Values(None, (1,))
    if score is Score.REGRESSION and (known[0].signed or prod(shape) != 1):  # which is a finding of its own
        return Values(None, (1,))
    table = None
    if score.needs_variance:
        fraction_bits = layer.settings.get("fraction_bits")
        if not isinstance(fraction_bits, int) or not 0 <= fraction_bits <= _MAX_TABLE_FRACTION_BITS:
            return Values(None, (1,))
        try:
            table = function_table(score, known[1], fraction_bits).type
        except InputError:  # too many or too wide entries, which is a finding of its own
            return Values(None, (1,))
    of = score_type(score, known, prod(shape), table)
    return Values(of, (1,), of.max_code)


def difference(a: FixedPointType, b: FixedPointType) -> tuple[int, int]:
    """Give the largest magnitude of the difference of two values as a code, and its bits behind the point."""
    fraction = max(a.fraction, b.fraction)
    up_a, up_b = fraction - a.fraction, fraction - b.fraction
    one = (a.max_code << up_a) - (b.min_code << up_b)
    other = (b.max_code << up_b) - (a.min_code << up_a)
    return max(one, other), fraction
