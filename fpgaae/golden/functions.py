"""Functions of one value that firmware holds as tables: exact to a hundred digits, and in floating point (NumPy only).

All of them never fall where their argument rises, so that the ends of a range go to the ends of a range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding
from fpgaae.golden.parts import Values

MAX_ARGUMENT_BITS = 12  # of a table: 4,096 entries
_C = Context(prec=100, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))
_ZERO, _ONE, _THREE, _SIX = Decimal(0), Decimal(1), Decimal(3), Decimal(6)
_HALF, _FIFTH = Decimal("0.5"), Decimal("0.2")
# "Self-Normalizing Neural Networks" (Klambauer et al., 2017), in the digits that Keras has
SELU_ALPHA, SELU_SCALE = "1.6732632423543772848170429916717", "1.0507009873554804934193349852946"


class _Form(NamedTuple):
    """What is known of a function; `p` is its parameter."""

    exact: Callable[[Decimal, Decimal], Decimal]
    floating: Callable[[Values, float], Values]
    is_signed: bool  # whether it lets negative values through
    parameter: str | None = None
    flat_beyond: float | None = None  # the magnitude beyond which it is flat to 16 bits, if it is on both sides


class Function(NamedTuple):
    """A function by its name, and its parameter where it has one: alpha of ELU, a slope, or a largest value."""

    name: str
    parameter: float = 1.0

    @property
    def is_signed(self) -> bool:
        """Whether it lets negative values through."""
        return _form(self).is_signed

    @property
    def flat_beyond(self) -> float | None:
        """The magnitude of an argument beyond which nothing changes, None where it does."""
        return _form(self).flat_beyond

    def floating(self, x: Values) -> Values:
        """Compute it in double precision."""
        return _form(self).floating(x, self.parameter)

    def __str__(self) -> str:
        """Name it, with its parameter where it has one."""
        return self.name if _form(self).parameter is None else f"{self.name}({self.parameter:g})"


def _exp(x: Decimal) -> Decimal:
    return _C.exp(x)


def _logistic(x: Decimal) -> Decimal:
    return _C.divide(_ONE, _C.add(_ONE, _exp(_C.minus(x))))


def _tanh(x: Decimal) -> Decimal:
    return _C.subtract(_C.multiply(Decimal(2), _logistic(_C.multiply(Decimal(2), x))), _ONE)


def _softplus(x: Decimal) -> Decimal:
    rest = _C.ln(_C.add(_ONE, _exp(_C.minus(abs(x)))))
    return _C.add(max(x, _ZERO), rest)


def _elu(x: Decimal, alpha: Decimal) -> Decimal:
    return x if x >= 0 else _C.multiply(alpha, _C.subtract(_exp(x), _ONE))


def _clipped(x: Decimal, low: Decimal = _ZERO, high: Decimal = _ONE) -> Decimal:
    return min(max(x, low), high)


def _float_logistic(x: Values) -> Values:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def _float_elu(x: Values, alpha: float) -> Values:
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


_FORMS: Mapping[str, _Form] = {
    "sigmoid": _Form(lambda x, _: _logistic(x), lambda x, _: _float_logistic(x), is_signed=False, flat_beyond=12),
    "tanh": _Form(lambda x, _: _tanh(x), lambda x, _: np.tanh(x), is_signed=True, flat_beyond=6),
    "softplus": _Form(lambda x, _: _softplus(x), lambda x, _: np.logaddexp(0, x), is_signed=False),
    "softsign": _Form(
        lambda x, _: _C.divide(x, _C.add(_ONE, abs(x))), lambda x, _: np.asarray(x / (1 + np.abs(x))), is_signed=True
    ),
    "exponential": _Form(lambda x, _: _exp(x), lambda x, _: np.exp(x), is_signed=False),
    "elu": _Form(_elu, _float_elu, is_signed=True, parameter="alpha"),
    "selu": _Form(
        lambda x, _: _C.multiply(Decimal(SELU_SCALE), _elu(x, Decimal(SELU_ALPHA))),
        lambda x, _: float(SELU_SCALE) * _float_elu(x, float(SELU_ALPHA)),
        is_signed=True,
    ),
    "leaky_relu": _Form(
        lambda x, slope: x if x >= 0 else _C.multiply(x, slope),
        lambda x, slope: np.where(x < 0, x * slope, x),
        is_signed=True,
        parameter="slope",
    ),
    "clipped_relu": _Form(
        lambda x, most: _clipped(x, high=most),
        lambda x, most: np.clip(x, 0, most),
        is_signed=False,
        parameter="largest value",
    ),
    "hard_tanh": _Form(
        lambda x, _: _clipped(x, low=-_ONE), lambda x, _: np.clip(x, -1, 1), is_signed=True, flat_beyond=1
    ),
    # Three straight lines are called so: Keras 2 rises by 0.2, Keras 3 by 1/6, QKeras by 1/2
    "hard_sigmoid": _Form(
        lambda x, _: _clipped(_C.add(_C.multiply(_FIFTH, x), _HALF)),
        lambda x, _: np.clip(0.2 * x + 0.5, 0, 1),
        is_signed=False,
        flat_beyond=2.5,
    ),
    "hard_sigmoid_by_6": _Form(
        lambda x, _: _C.divide(_clipped(_C.add(x, _THREE), high=_SIX), _SIX),
        lambda x, _: np.clip(x + 3, 0, 6) / 6,
        is_signed=False,
        flat_beyond=3,
    ),
    "hard_sigmoid_by_2": _Form(
        lambda x, _: _clipped(_C.add(_C.multiply(_HALF, x), _HALF)),
        lambda x, _: np.clip(0.5 * x + 0.5, 0, 1),
        is_signed=False,
        flat_beyond=1,
    ),
}
FUNCTION_NAMES = frozenset(_FORMS)


def _form(function: Function) -> _Form:
    if function.name not in _FORMS:
        raise InputError(f"there is no table of {function.name!r}; use one of {', '.join(sorted(_FORMS))}")
    return _FORMS[function.name]


@lru_cache(maxsize=64)
def _entries(function: Function, argument: FixedPointType, result: FixedPointType) -> Codes:
    exact, parameter = _form(function).exact, Decimal(repr(float(function.parameter)))  # as it is written
    lsb, scale = (_C.power(Decimal(2), Decimal(bits)) for bits in (-argument.fraction, result.fraction))
    found = np.empty(1 << argument.width, dtype=np.int64)
    for code in range(argument.min_code, argument.max_code + 1):
        value = _C.multiply(exact(_C.multiply(Decimal(code), lsb), parameter), scale)
        rounded = int(_C.to_integral_value(value))
        found[code & (len(found) - 1)] = min(max(rounded, result.min_code), result.max_code)
    if argument.overflow is Overflow.SATURATE_SYMMETRIC:  # the one code that it never takes
        found[1 << (argument.width - 1)] = found[argument.min_code & (len(found) - 1)]
    found.flags.writeable = False
    return found


def tabulate(function: Function, argument: FixedPointType, result: FixedPointType) -> Codes:
    """Give the code of a function for every code of its argument: the true value, rounded half to even and saturated.

    Returns
    -------
    Codes of `result` (2**width,); entry i is for the argument whose bits, read as an unsigned number, are i.

    Raises
    ------
    InputError
        If the table would have more than 4,096 entries, or there is no such function.
    """
    if argument.width > MAX_ARGUMENT_BITS:
        raise InputError(
            f"a table of {function} over {argument.width} bits has {1 << argument.width:,} entries; give its argument "
            f"at most {MAX_ARGUMENT_BITS} bits"
        )
    to = FixedPointType(*result[:3], Rounding.HALF_EVEN, result.overflow)
    return _entries(function, argument, to)
