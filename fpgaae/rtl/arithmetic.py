"""Exact arithmetic on da4ml's symbolic variables: rounding, saturation, selection, squares, products (needs da4ml).

A variable stands for integer codes: its step is a power of two from 1 up, and the bits behind the binary point are
known outside. da4ml looks for the bits of a constant within 2**-32 to 2**32 of the point, so that with codes no
constant can lose one. It computes ranges in `Decimal`; `exact_ranges` gives these enough digits.

A layer's `run` in `fpgaae.golden.layers` says what is meant; here it is said in adders, selections and tables.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Context, localcontext
from math import log2
from typing import TypeAlias

import numpy as np
from da4ml.trace import FixedVariable, HWConfig

from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding

Variable: TypeAlias = FixedVariable

MAX_CODE_BITS = 53  # da4ml holds ranges in float64
MAX_TABLE_CODE_BITS = 31  # and the entries of a table in int32
HARDWARE = HWConfig(1, -1, -1)  # one unit of delay and one LUT a bit for each adder, as da4ml's papers assume
_MAX_SQUARE_TABLE_BITS = 7  # an argument of 7 bits takes two LUT6 and a multiplexer for each bit of its square
_DIGITS = 300


def exact_ranges() -> AbstractContextManager[Context]:
    """Open a context in which no range of a variable is rounded; everything that makes variables belongs into it."""
    return localcontext(Context(prec=_DIGITS))


def constant(code: int) -> Variable:
    """Make a variable that is always `code`."""
    return FixedVariable.from_const(code, HARDWARE)


def is_constant(x: Variable) -> bool:
    """Tell whether a variable can take one code only."""
    return bool(x.low == x.high)


def width(x: Variable) -> int:
    """Count the bits that hold every code of a variable, the zeros behind its step left out."""
    signed, integer, fraction = x.kif
    return int(signed + integer + fraction)


def select_negative(key: Variable, if_negative: Variable, otherwise: Variable) -> Variable:
    """Give one variable where `key` is negative and the other where it is not."""
    if key.low >= 0:
        return otherwise
    if key.high < 0:
        return if_negative
    if key._factor < 0:  # held as its negative, whose sign bit does not tell zero from positive
        return select_negative(-key - key.step, otherwise, if_negative)
    return key.msb_mux(if_negative, otherwise)


def total(terms: Iterable[Variable]) -> Variable:
    """Add variables, those that are ready first."""
    waiting = [(term.latency, index, term) for index, term in enumerate(terms)]
    if not waiting:
        return constant(0)
    heapq.heapify(waiting)
    count = len(waiting)
    while len(waiting) > 1:
        (_, _, a), (_, _, b) = heapq.heappop(waiting), heapq.heappop(waiting)
        added = a + b
        heapq.heappush(waiting, (added.latency, count, added))
        count += 1
    return waiting[0][2]


def requantize(x: Variable, fraction: int, to: FixedPointType) -> Variable:
    """Convert codes with `fraction` bits behind the point to a type, as `fpgaae.fixedpoint.requantize`."""
    drop = fraction - to.fraction
    x = x * 2**-drop if drop <= 0 else _without_low_bits(x, drop, to.rounding)
    return _saturate(x, to) if to.overflow is not Overflow.WRAP else low_bits(x, to.width, to.signed)


def _without_low_bits(x: Variable, drop: int, rounding: Rounding) -> Variable:
    """Divide by `2**drop` and round.

    Half to even is one adder more than da4ml's half up: half an LSB less the smallest step, and one step more where the
    bit that becomes the LSB is 1.
    """
    zeros = _trailing_zeros(x)
    if zeros < drop and not is_constant(x):
        if rounding is Rounding.HALF_UP:
            x = x + 2 ** (drop - 1)
        elif rounding is Rounding.HALF_EVEN:
            odd = x.quantize(0, drop + 1, -drop)  # the one bit
            x = x + (2 ** (drop - 1) - 2**zeros) + odd * 2.0 ** (zeros - drop)
    elif is_constant(x):
        return constant(_rounded(int(x.low), drop, rounding))
    return _floor(x, drop)


def _rounded(code: int, drop: int, rounding: Rounding) -> int:
    kept, rest, half = code >> drop, code & ((1 << drop) - 1), 1 << (drop - 1)
    if rounding is Rounding.TRUNCATE:
        return kept
    if rounding is Rounding.HALF_UP:
        return kept + (rest >= half)
    return kept + (rest > half or (rest == half and kept % 2 == 1))


def _floor(x: Variable, drop: int) -> Variable:
    """Divide by `2**drop` and round down: no logic, but bits left out."""
    signed, integer, _ = x.kif
    if is_constant(x):
        return constant(int(x.low) >> drop)
    return x.quantize(signed, max(integer, drop), -drop) * 2.0**-drop


def _trailing_zeros(x: Variable) -> int:
    return int(log2(x.step))


def _saturate(x: Variable, to: FixedPointType) -> Variable:
    """Clip to the range of a type; only the bits above the range are compared with its ends."""
    if not to.signed:
        x = x.relu()
    bits = to.width - to.signed
    low, high = to.min_code, to.max_code
    upper = _floor(x, bits)  # 0, or -1 for a negative x, where x is within the range
    over, under = upper - 1, upper + 1
    result = low_bits(x, to.width, to.signed)
    if x.low < low:
        if low == -(1 << bits):
            result = select_negative(under, constant(low), result)
        else:
            result = select_negative(x - low, constant(low), result)
    if x.high > high:
        result = select_negative(over, result, constant(high))
    return result


def low_bits(x: Variable, bits: int, signed: bool) -> Variable:
    """Keep the lowest bits, as a type that wraps does."""
    if is_constant(x):
        code = int(x.low) & ((1 << bits) - 1)
        return constant(code - ((code >> (bits - 1)) << bits) if signed else code)
    if x.low < 0 and not signed and x.kif[1] + 1 < bits:  # da4ml would not repeat the sign bit that far
        return select_negative(x, x + 2**bits, x)
    return x.quantize(signed, bits - signed, 0)


def look_up(argument: Variable, entries: Codes) -> Variable:
    """Look a code up in a table over all codes of a type.

    Parameters
    ----------
    entries
        (2**width,) by the bits of the argument read as an unsigned number; wider ones than da4ml holds take two tables.
    """
    if is_constant(argument):
        return constant(int(entries[int(argument.low) & (len(entries) - 1)]))
    codes = np.arange(int(argument.low), int(argument.high) + 1, int(argument.step))
    values = entries[codes & (len(entries) - 1)]
    low = values & ((1 << (MAX_TABLE_CODE_BITS - 1)) - 1)
    parts = [(values, 0)]
    if int(np.abs(values).max()).bit_length() >= MAX_TABLE_CODE_BITS:
        parts = [(low, 0), (values >> (MAX_TABLE_CODE_BITS - 1), MAX_TABLE_CODE_BITS - 1)]
    return total(_table(argument, part) * 2**up for part, up in parts)


def _table(argument: Variable, values: Codes) -> Variable:
    if (values == values[0]).all():
        return constant(int(values[0]))
    return argument.lookup(values.astype(np.float64))


def square(x: Variable, factor: int = 1) -> Variable:
    """Give `factor * x**2` without a multiplier.

    With x = a 2**h + b, x**2 = a**2 (4**h - 2**h) - b**2 (2**h - 1) + (a + b)**2 2**h (Karatsuba): three tables over
    few bits, and three adders.
    """
    if is_constant(x):
        return constant(int(x.low) ** 2 * factor)
    zeros = _trailing_zeros(x)
    if zeros:
        return square(x * 2.0**-zeros, factor * 4**zeros)
    bits = width(x)
    if bits <= _MAX_SQUARE_TABLE_BITS:
        signed = bool(x.low < 0)
        numbers = np.arange(1 << bits)
        numbers = numbers - ((numbers >> (bits - 1)) << bits) * signed
        odd, twos = _odd_part(factor)
        return look_up(x, numbers * numbers * odd) * 2**twos
    half = bits // 2
    high, low = _floor(x, half), x.quantize(0, half, 0)
    return total([
        square(high, factor * (4**half - 2**half)), square(high + low, factor * 2**half),
        square(low, -factor * (2**half - 1)),
    ])  # fmt: skip


def _odd_part(factor: int) -> tuple[int, int]:
    twos = (factor & -factor).bit_length() - 1
    return factor >> twos, twos


def product(x: Variable, y: Variable) -> Variable:
    """Multiply two variables that are never negative, a row of sums for each bit of the narrower one."""
    if width(y) > width(x):
        x, y = y, x
    if is_constant(x) or is_constant(y):
        return x * y if is_constant(y) else y * x
    zeros = _trailing_zeros(y)
    rows = []
    for bit in range(zeros, zeros + width(y)):
        one = y.quantize(1, bit, -bit)  # this bit alone, as a sign: da4ml's interpreter selects by signs only
        rows.append(select_negative(one, x, constant(0)) * 2**bit)
    return total(rows)


def absolute(x: Variable) -> Variable:
    """Give the absolute value."""
    return x if x.low >= 0 else abs(x)


def above(x: Variable, threshold: int) -> Variable:
    """Give 1 where the code is above a threshold, 0 where it is not."""
    return select_negative(x - (threshold + 1), constant(0), constant(1))
