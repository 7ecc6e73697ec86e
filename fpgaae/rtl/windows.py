"""Windows on images of symbolic variables: what lies under them, the largest, the mean (needs da4ml).

`fpgaae.golden.windows` says what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.windows import Window, places_under
from fpgaae.rtl.arithmetic import MAX_CODE_BITS, Variable, constant, requantize, select_negative, total, width

_WHOLE = FixedPointType(MAX_CODE_BITS, MAX_CODE_BITS)  # what rounds down to whole codes


def variables_under(variables: Sequence[Variable], window: Window) -> list[list[Variable]]:
    """Give the variables under a window at each of its positions, pixel by pixel with all channels of each."""
    padded = [*variables, constant(0)]  # the place -1 is the last
    positions = places_under(window)
    return [[padded[place] for place in places.ravel()] for places in positions]


def pools_under(variables: Sequence[Variable], window: Window) -> list[list[Variable]]:
    """Give the pixels of one channel under a window, for each position and channel."""
    n_channels = window.image[2]
    return [
        pixels[channel::n_channels] for pixels in variables_under(variables, window) for channel in range(n_channels)
    ]


def moved(variables: Sequence[Variable], places: np.ndarray) -> list[Variable]:
    """Give the variables at some places, or zero where a place is negative."""
    padded = [*variables, constant(0)]
    return [padded[max(int(place), -1)] for place in places]


def largest(variables: Sequence[Variable]) -> Variable:
    """Give the largest of some variables, by pairs."""
    row = list(variables)
    while len(row) > 1:
        pairs = [select_negative(a - b, b, a) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = pairs + row[2 * len(pairs) :]
    return row[0]


def mean(variables: Sequence[Variable], more_bits: int) -> Variable:
    """Give the mean with `more_bits` more bits behind the point, cut off towards zero, without a divider.

    For a number n that is no power of two, floor(s / n) = floor(s M / 2**k) with M = ceil(2**k / n), as long as
    s (M n - 2**k) < 2**k (Granlund & Montgomery, PLDI 1994). Below zero the same product is one too small.

    Raises
    ------
    InputError
        If the product is too wide.
    """
    n = len(variables)
    bits = (n - 1).bit_length()
    if n == 1 << bits:
        return total(variables) * 2.0 ** (more_bits - bits)
    scaled = total(variables) * 2.0**more_bits
    reach = max(abs(int(scaled.low)), abs(int(scaled.high)))
    drop = next(k for k in range(bits, 2 * MAX_CODE_BITS) if reach * (-(-(1 << k) // n) * n - (1 << k)) < 1 << k)
    product = scaled * float(-(-(1 << drop) // n))
    if width(product) > MAX_CODE_BITS:
        raise InputError(
            f"a mean of {n} values takes a product of {width(product)} bits, and the RTL holds {MAX_CODE_BITS}; give "
            "the layer before it fewer bits, or take a mean of a power of two"
        )
    quotient = requantize(product, drop, _WHOLE)
    return quotient + select_negative(scaled, constant(1), constant(0))
