"""Forms over arrays of codes, in exact integers: every rounding and overflow as UG1399 states it (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.prove.symbols import Cast, Form, Kind, Symbol

Integers = NDArray[Any]  # int64, or Python's own where that is not enough
_SAFE = 2**62
# as the enumerations of ap_types count
RND, RND_ZERO, RND_MIN_INF, RND_INF, RND_CONV, TRN, TRN_ZERO = range(7)
SAT, SAT_ZERO, SAT_SYM, WRAP = range(4)


class Evaluation:
    """Computes forms for given codes of the symbols that nothing else defines.

    Parameters
    ----------
    symbols
        All symbols.
    given
        By symbol, its codes (n,).
    """

    def __init__(self, symbols: Mapping[int, Symbol], given: Mapping[int, Integers]) -> None:
        self._symbols = symbols
        self._codes: dict[int, Integers] = dict(given)
        self._n = len(next(iter(given.values()))) if given else 1

    def form(self, form: Form) -> Integers:
        """Give the codes (n,) of a form."""
        parts = [(coefficient, [self.symbol(s) for s in term]) for term, coefficient in form.terms.items()]
        bound = abs(form.constant) + sum(abs(c) * _product(_largest(a) for a in arrays) for c, arrays in parts)
        kind: Any = np.int64 if bound < _SAFE else object
        total = np.full(self._n, form.constant, dtype=kind)
        for coefficient, arrays in parts:
            product = np.full(self._n, coefficient, dtype=kind)
            for array in arrays:
                product = product * array.astype(kind)
            total = total + product
        return total

    def symbol(self, number: int) -> Integers:
        """Give the codes (n,) of a symbol."""
        if number not in self._codes:
            symbol = self._symbols[number]
            codes = self.form(symbol.form)
            if symbol.kind is Kind.ROUNDED and symbol.cast is not None:
                found = cast_codes(codes, symbol.fraction, symbol.cast)
            elif symbol.kind is Kind.QUOTIENT:
                found = np.sign(codes) * (np.abs(codes) // symbol.divisor)
            elif symbol.kind is Kind.ABOVE:
                found = (codes > 0).astype(np.int64)
            else:
                raise KeyError(number)
            self._codes[number] = found
        return self._codes[number]


def _product(values: Any) -> int:  # noqa: ANN401
    result = 1
    for value in values:
        result *= value
    return result


def _largest(codes: Integers) -> int:
    return max(abs(int(codes.max(initial=0))), abs(int(codes.min(initial=0)))) or 1


def cast_codes(codes: Integers, fraction: int, to: Cast) -> Integers:
    """Convert codes with `fraction` bits behind the point to a type."""
    drop = fraction - to.fraction
    if drop <= 0:
        if _largest(codes) << -drop >= _SAFE:
            codes = codes.astype(object)
        return _in_range(codes << -drop, to)
    if drop >= 62:
        codes = codes.astype(object)
    kept = codes >> drop
    rest = codes - (kept << drop)
    half = 1 << (drop - 1)
    tie, above = rest == half, rest > half
    up = {
        RND: above | tie,
        RND_ZERO: above | (tie & (codes < 0)),
        RND_MIN_INF: above,
        RND_INF: above | (tie & (codes >= 0)),
        RND_CONV: above | (tie & (kept % 2 == 1)),
        TRN: np.zeros(len(codes), dtype=bool),
        TRN_ZERO: (codes < 0) & (rest != 0),
    }[to.rounding]
    return _in_range(kept + up.astype(np.int64), to)


def _in_range(codes: Integers, to: Cast) -> Integers:
    low = -(1 << (to.width - 1)) if to.signed else 0
    high = (1 << (to.width - to.signed)) - 1
    if to.overflow == SAT_SYM and to.signed:
        low += 1
    if to.overflow == WRAP:
        bits = codes & ((1 << to.width) - 1)
        wrapped = bits - ((bits >> (to.width - 1)) << to.width) if to.signed else bits
        return np.asarray(wrapped)
    if to.overflow == SAT_ZERO:
        return np.where((codes < low) | (codes > high), 0, codes)
    return np.clip(codes, low, high)
