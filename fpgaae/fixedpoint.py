"""Fixed-point numbers as integers: types, rounding and overflow exactly as `ap_fixed` does them (NumPy only).

A number is an integer *code* and its type; its value is `code * 2**-fraction`. Everything here works on codes, so that
two results are equal or they are not. Semantics: "Vitis High-Level Synthesis User Guide" (UG1399), "Arbitrary Precision
Fixed-Point Data Types".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError

Codes = NDArray[np.int64]

MAX_WIDTH = 62  # codes are held in int64; two bits are kept for rounding and comparing


_MANTISSA, _HALF = 53, 27  # bits of a double's mantissa
_SUM_FRACTION = 1200  # below the smallest double's


class Tensor(NamedTuple):
    """Codes of any shape and their bits behind the point."""

    codes: Codes
    fraction: int


class Rounding(Enum):
    """What happens to the bits below the LSB."""

    TRUNCATE = "TRN"  # towards minus infinity
    HALF_UP = "RND"
    HALF_EVEN = "RND_CONV"  # as TensorFlow's round


class Overflow(Enum):
    """What happens to a value outside the range."""

    WRAP = "WRAP"
    SATURATE = "SAT"
    SATURATE_SYMMETRIC = "SAT_SYM"  # the most negative code is not used


class FixedPointType(NamedTuple):
    """A fixed-point type; `integer` counts the sign bit, as in `ap_fixed<width, integer>`.

    `integer` may be negative or larger than `width`, as in C++.
    """

    width: int
    integer: int
    signed: bool = True
    rounding: Rounding = Rounding.TRUNCATE
    overflow: Overflow = Overflow.WRAP

    @property
    def fraction(self) -> int:
        """Bits behind the binary point (negative where the LSB is worth more than 1)."""
        return self.width - self.integer

    @property
    def lsb(self) -> float:
        """Value of one code step."""
        return float(2.0**-self.fraction)

    @property
    def min_code(self) -> int:
        """Smallest code that the type can take."""
        if not self.signed:
            return 0
        return -(1 << (self.width - 1)) + (self.overflow is Overflow.SATURATE_SYMMETRIC)

    @property
    def max_code(self) -> int:
        """Largest code that the type can take."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def common(self) -> FixedPointType:
        """The type that holds the codes of every channel: itself."""
        return self

    @property
    def plain(self) -> FixedPointType:
        """The type of the same bits that cuts off and wraps: what a port has, which takes any bits."""
        return FixedPointType(self.width, self.integer, self.signed)

    def channel(self, place: int) -> FixedPointType:
        """Give the type of the value at a place: the same for all."""
        del place
        return self

    def ends(self, n: int) -> tuple[Codes, Codes]:
        """Give the smallest and the largest code of each of n values."""
        return np.full(n, self.min_code, dtype=np.int64), np.full(n, self.max_code, dtype=np.int64)

    def __str__(self) -> str:
        """Give the C++ name, such as `ap_fixed<8,4,AP_RND_CONV,AP_SAT>`."""
        modes = ""
        if (self.rounding, self.overflow) != (Rounding.TRUNCATE, Overflow.WRAP):
            modes = f",AP_{self.rounding.value},AP_{self.overflow.value}"
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}{modes}>"


@dataclass(frozen=True)
class ChannelTypes:
    """A type for each channel, the last axis of a tensor: value i of a flat one is of channel i modulo their number.

    The codes of all channels lie on one grid, the finest of their types; each is rounded and saturated at its own.
    """

    each: tuple[FixedPointType, ...]

    def __post_init__(self) -> None:
        """Refuse what 64-bit codes can't hold on one grid."""
        if not self.each:
            raise InputError("a tensor has at least one channel; give a type for each")
        if self.common.width > MAX_WIDTH:
            raise InputError(
                f"the channels of the types {', '.join(map(str, dict.fromkeys(self.each)))} take "
                f"{self.common.width} bits on one grid, more than {MAX_WIDTH}; give them closer types"
            )

    @property
    def fraction(self) -> int:
        """Bits behind the binary point of the grid."""
        return max(of.fraction for of in self.each)

    @property
    def common(self) -> FixedPointType:
        """The narrowest type that holds the codes of every channel on their grid; it cuts off and wraps."""
        ups = [self.fraction - of.fraction for of in self.each]
        low = min(of.min_code << up for of, up in zip(self.each, ups, strict=True))
        high = max(of.max_code << up for of, up in zip(self.each, ups, strict=True))
        return type_for_range(low, high, self.fraction)

    @property
    def plain(self) -> ChannelTypes:
        """The types of the same bits that cut off and wrap."""
        return ChannelTypes(tuple(of.plain for of in self.each))

    def channel(self, place: int) -> FixedPointType:
        """Give the type of the value at a place of the last axis, whose codes lie on a grid of its own."""
        return self.each[place % len(self.each)]

    def ends(self, n: int) -> tuple[Codes, Codes]:
        """Give the smallest and the largest code of each of n values, on the common grid."""
        found = [(of.min_code, of.max_code, self.fraction - of.fraction) for of in map(self.channel, range(n))]
        low, high = [low << up for low, _, up in found], [high << up for _, high, up in found]
        return np.array(low, dtype=np.int64), np.array(high, dtype=np.int64)

    def __str__(self) -> str:
        """Name the type of every channel."""
        return ", ".join(map(str, self.each))


Types: TypeAlias = FixedPointType | ChannelTypes  # of a tensor: one for all of its values, or one a channel


def write_types(types: Types) -> str | list[str]:
    """Give a type as JSON: its name, or a list of names, one a channel."""
    return str(types) if isinstance(types, FixedPointType) else [str(of) for of in types.each]


def read_types(entry: str | Sequence[str]) -> Types:
    """Read what `write_types` gave.

    Raises
    ------
    InputError
        As `parse_type`.
    """
    return parse_type(entry) if isinstance(entry, str) else ChannelTypes(tuple(parse_type(name) for name in entry))


def _by_channel(work: Callable[[Any, FixedPointType], Codes], array: NDArray[Any], to: ChannelTypes) -> Codes:
    """Apply `work` to the values of each channel with its type, and give codes on the common grid."""
    n = array.shape[-1]
    if n % len(to.each):
        raise InputError(f"{len(to.each)} types of channels were given for {n} values; give as many as there are")
    result = np.empty(array.shape, dtype=np.int64)
    for of in dict.fromkeys(to.each):
        places = [place for place in range(n) if to.channel(place) == of]
        result[..., places] = shift_left_exact(work(array[..., places], of), to.fraction - of.fraction)
    return result


_TYPE = re.compile(
    r"(?:ap_)?(?P<u>u?)fixed<\s*(?P<width>\d+)\s*,\s*(?P<integer>-?\d+)\s*"
    r"(?:,\s*(?:AP_)?(?P<rounding>\w+)\s*(?:,\s*(?:AP_)?(?P<overflow>\w+)\s*(?:,\s*0+\s*)?)?)?>"
)
_INTEGER = re.compile(r"(?:ap_)?(?P<u>u?)int<\s*(?P<width>\d+)\s*>")


def parse_type(text: str) -> FixedPointType:
    """Read a type as C++ or hls4ml writes it: `ap_fixed<8,4,AP_RND,AP_SAT,0>`, `ufixed<8,4>`, `ap_uint<3>`.

    Raises
    ------
    InputError
        If the text is none of these, names a mode that is not implemented here, or is too wide for 64-bit codes.
    """
    try:
        if integer := _INTEGER.fullmatch(text.strip()):
            width = int(integer["width"])
            found = FixedPointType(width, width, not integer["u"])
        elif match := _TYPE.fullmatch(text.strip()):
            modes = Rounding(match["rounding"] or "TRN"), Overflow(match["overflow"] or "WRAP")
            found = FixedPointType(int(match["width"]), int(match["integer"]), not match["u"], *modes)
        else:
            raise ValueError
        if not 1 <= found.width <= MAX_WIDTH:
            raise ValueError
    except ValueError:
        raise InputError(f"{text!r} is not a fixed-point type that can be handled exactly") from None
    return found


def type_for_range(low: int, high: int, fraction: int) -> FixedPointType:
    """Give the narrowest type that holds every code from `low` to `high` with `fraction` bits behind the point."""
    signed = low < 0
    width = max(max(int(high), 0).bit_length(), (-int(low) - 1).bit_length() if signed else 0) + signed
    width = max(width, 1)
    return FixedPointType(width, width - fraction, signed)


def saturate_or_wrap(codes: Codes, to: FixedPointType) -> Codes:
    """Bring codes on the LSB of `to` into its range, by its overflow mode."""
    if to.overflow is Overflow.WRAP:
        wrapped = codes & ((1 << to.width) - 1)
        return wrapped - ((wrapped >> (to.width - 1)) << to.width) if to.signed else wrapped
    return np.clip(codes, to.min_code, to.max_code)


def requantize(codes: Codes, fraction: int, to: Types) -> Codes:
    """Convert codes with `fraction` bits behind the point to the type `to`, rounding and overflowing as `ap_fixed`.

    Where each channel has a type of its own, the codes that are given lie on the common grid.

    Raises
    ------
    InputError
        If the shifted codes would not fit 64 bits.
    """
    if isinstance(to, ChannelTypes):
        return _by_channel(lambda part, of: requantize(part, fraction, of), codes, to)
    drop = fraction - to.fraction
    if drop <= 0:
        return saturate_or_wrap(shift_left_exact(codes, -drop), to)
    drop = min(drop, MAX_WIDTH + 1)  # beyond, every code is less than half an LSB
    kept = codes >> drop
    if to.rounding is not Rounding.TRUNCATE:
        rest = codes & ((1 << drop) - 1)
        half = 1 << (drop - 1)
        up = rest > half
        tie = rest == half
        kept = kept + (up | (tie & ((kept & 1) == 1)) if to.rounding is Rounding.HALF_EVEN else up | tie)
    return saturate_or_wrap(kept, to)


def shift_left_exact(codes: Codes, bits: int) -> Codes:
    """Multiply codes by `2**bits`.

    Raises
    ------
    InputError
        If a result would not fit 64 bits.
    """
    if bits == 0 or codes.size == 0:
        return codes
    largest = max(abs(int(codes.max())), abs(int(codes.min())))
    if largest.bit_length() + bits > MAX_WIDTH and largest:
        raise InputError(f"a code of {largest.bit_length()} bits shifted by {bits} does not fit 64-bit arithmetic")
    return codes << bits


def nearest_codes(values: NDArray[np.floating], to: Types) -> Codes:
    """Give the codes of any finite values: rounded by the mode of `to`, and saturated where it does not wrap.

    Raises
    ------
    InputError
        If a value that wraps does not fit 62 bits.
    """
    if isinstance(to, ChannelTypes):
        return _by_channel(nearest_codes, np.asarray(values), to)
    scaled = np.asarray(values, dtype=np.float64) * 2.0**to.fraction
    if to.rounding is Rounding.HALF_EVEN:
        rounded = np.rint(scaled)
    else:
        rounded = np.floor(scaled + 0.5 if to.rounding is Rounding.HALF_UP else scaled)
    limit = 2.0**MAX_WIDTH
    if to.overflow is Overflow.WRAP and np.abs(rounded).max(initial=0) > limit:
        raise InputError(
            f"a value of {np.abs(rounded).max() * to.lsb:g} does not fit the arithmetic that wraps it into {to}"
        )
    return saturate_or_wrap(np.clip(rounded, -limit, limit).astype(np.int64), to)


def codes_of(values: NDArray[np.floating], to: Types) -> Codes:
    """Give the codes of values that lie exactly on the grid of `to`.

    Raises
    ------
    InputError
        If a value is off the grid or outside the range: a code would then not stand for the value.
    """
    if isinstance(to, ChannelTypes):
        return _by_channel(codes_of, np.asarray(values), to)
    scaled = np.asarray(values, dtype=np.float64) * 2.0**to.fraction
    codes = np.rint(scaled)
    bad = (codes != scaled) | (codes < to.min_code) | (codes > to.max_code)
    if bad.any():
        raise InputError(f"the value {np.asarray(values)[bad].flat[0]!r} is not representable as {to}")
    return codes.astype(np.int64)


def values_of(codes: Codes, fraction: int) -> NDArray[np.float64]:
    """Give the values of codes; exact as long as a code has at most 53 significant bits."""
    return codes.astype(np.float64) * 2.0**-fraction


def exact_sum(values: NDArray[np.float64]) -> int:
    """Give the exact sum of finite numbers in units of 2**-1200, so that it does not depend on how they are grouped."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, _MANTISSA).astype(np.int64)
    total = 0
    for exponent in np.unique(exponents):
        high, low = np.divmod(whole[exponents == exponent], 1 << _HALF)  # whose sums fit in 64 bits
        total += ((int(high.sum()) << _HALF) + int(low.sum())) << (int(exponent) - _MANTISSA + _SUM_FRACTION)
    return total
