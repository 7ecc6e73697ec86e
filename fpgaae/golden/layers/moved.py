"""The layers of convolutional networks in exact integers, each with the type that holds whatever it can put out.

A mean over a number of pixels that is no power of two has no finite binary form. It is cut off far enough behind the
point that the quantizer behind it can't tell: see `mean_fraction`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, type_for_range
from fpgaae.golden.network import IntegerLayer, LayerKind, bias_range, extreme_weights
from fpgaae.golden.windows import Shape, Window, range_of_sums


def convolution_layer(
    name: str,
    source: IntegerLayer,
    kernel: tuple[Codes, FixedPointType],
    bias: tuple[Codes, FixedPointType],
    window: Window,
) -> IntegerLayer:
    """Make a convolution and derive the type of its exact sums from the range of its input.

    Parameters
    ----------
    kernel
        Codes (height, width, channels, filters) and their type.
    bias
        Codes (filters,) and their type.
    """
    (kernel_codes, kernel_type), (bias_codes, bias_type) = kernel, bias
    fraction = max(source.type.fraction + kernel_type.fraction, bias_type.fraction)
    shape = (*window.positions, kernel_codes.shape[-1])
    layer = IntegerLayer(
        name, LayerKind.CONVOLUTION, (source.name,), _size(shape), FixedPointType(1, 1 - fraction),
        kernel_codes, bias_codes, kernel_type, bias_type, shape=shape, window=window,
    )  # fmt: skip
    low, high = convolution_range(layer, source)
    return replace(layer, type=type_for_range(min(low, 0), max(high, 0), fraction))


def convolution_range(layer: IntegerLayer, source: IntegerLayer) -> tuple[int, int]:
    """Give the smallest and the largest code that a convolution can put out for inputs of their type.

    Raises
    ------
    InputError
        If the layer has no window or no weight types.
    """
    if layer.window is None or layer.kernel_type is None or layer.bias_type is None:
        raise InputError(f"the convolution {layer.name} of the golden network has no window; run `convert` again")
    fraction = layer.type.fraction
    up_product = fraction - source.type.fraction - layer.kernel_type.fraction
    low_bias, high_bias = bias_range(layer, fraction - layer.bias_type.fraction)
    ends = source.type.min_code, source.type.max_code
    sums = [range_of_sums(kernel, layer.window, *ends) for kernel, _ in extreme_weights(layer)]
    smallest, largest = np.min([s for s, _ in sums], axis=0), np.max([s for _, s in sums], axis=0)
    return int(((smallest << up_product) + low_bias).min()), int(((largest << up_product) + high_bias).max())


def mean_fraction(source: FixedPointType, n_values: int, rounded_to: int) -> int:
    """Give the bits behind the point that a mean of n values needs.

    For a power of two they hold the mean exactly. Otherwise a quantizer with `rounded_to` bits behind the point must
    round the cut-off mean as it would the true one. The mean is a multiple of 2**-F / n, F = max(fraction of the
    source, rounded_to + 1), and so are the points at which the quantizer's result changes: a mean beside such a point
    is 2**-F / n away at least, and a cut at or below that never reaches it.
    """
    bits = (n_values - 1).bit_length()
    if n_values == 1 << bits:
        return source.fraction + bits
    return max(source.fraction, rounded_to + 1) + bits


def mean_layer(name: str, source: IntegerLayer, window: Window, rounded_to: int) -> IntegerLayer:
    """Make an average pooling without padding; `rounded_to` as in `mean_fraction`."""
    fraction = mean_fraction(source.type, window.n_values, rounded_to)
    width = source.type.width + fraction - source.type.fraction
    shape = (*window.positions, window.image[2])
    of = FixedPointType(width, source.type.integer, source.type.signed)
    return IntegerLayer(
        name, LayerKind.AVERAGE_POOLING, (source.name,), _size(shape), of, shape=shape, window=window
    )  # fmt: skip


def moved_layer(
    name: str, kind: LayerKind, source: IntegerLayer, shape: tuple[int, ...], window: Window | None
) -> IntegerLayer:
    """Make a layer that computes nothing new: its values are those of its source, or zero."""
    return IntegerLayer(name, kind, (source.name,), _size(shape), source.type, shape=shape, window=window)


def _size(shape: Shape | tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
