"""The scores from their definitions, in rational numbers; the exponential with 80 digits. No code of the package."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType


def rational(code: int, fraction: int) -> Fraction:
    """Give the value of a code."""
    return Fraction(code) / Fraction(2) ** fraction


@cache
def _exp(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 80
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).exp())


@cache
def rational_entry(score: Score, code: int, argument: FixedPointType, fraction: int) -> Fraction:
    """Give exp(-v), or exp(v) - 1 - v, rounded half to even to `fraction` bits behind the point."""
    v = rational(code, argument.fraction)
    exact = _exp(-v) if score is Score.MU_SQUARED_OVER_VARIANCE else _exp(v) - 1 - v
    return Fraction(round(exact * 2**fraction), 2**fraction)  # Python rounds a Fraction half to even


def rational_score(
    score: Score,
    codes: Sequence[Sequence[int]],
    types: Sequence[FixedPointType],
    empty: Sequence[int] = (),
    entry_bits: int = 0,
) -> Fraction:
    """Give the score of one event.

    Parameters
    ----------
    codes
        x and its reconstruction, mu and log sigma^2, or the output.
    empty
        Code of the first feature of each slot when it is empty, in the type of x.
    entry_bits
        Bits behind the point of what is tabulated.
    """
    values = [[rational(code, of.fraction) for code in row] for row, of in zip(codes, types, strict=True)]
    first, second = values[0], values[-1]
    if score is Score.REGRESSION:
        (output,) = first
        return output
    if score is Score.MU_SQUARED:
        return sum((mu * mu for mu in first), start=Fraction(0))
    if score.needs_variance:
        entries = [rational_entry(score, code, types[1], entry_bits) for code in codes[1]]
        if score is Score.MU_SQUARED_OVER_VARIANCE:
            return sum((mu * mu * entry for mu, entry in zip(first, entries, strict=True)), start=Fraction(0))
        return sum((mu * mu + entry for mu, entry in zip(first, entries, strict=True)), start=Fraction(0)) / 2
    differences = [abs(a - b) for a, b in zip(first, second, strict=True)]
    if score in {Score.ABSOLUTE_ERROR, Score.MAX_ABSOLUTE_ERROR}:
        return max(differences) if score is Score.MAX_ABSOLUTE_ERROR else sum(differences, start=Fraction(0))
    if score is Score.MASKED_SQUARED_ERROR:
        size = len(first) // len(empty)
        for slot, limit in enumerate(empty):
            if not codes[0][slot * size] > limit:
                differences[slot * size : (slot + 1) * size] = [Fraction(0)] * size
    return sum((difference**2 for difference in differences), start=Fraction(0))
