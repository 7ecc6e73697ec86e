"""The anomaly scores in exact integers (NumPy only): their tables, the type that holds every sum, and their codes.

    squared_error               sum over the features of (x - x')^2
    masked_squared_error        the same over filled slots: those whose first feature (pT) is above that of an empty one
    absolute_error              sum over the features of |x - x'|
    mu_squared                  sum over the latents of mu^2
    mu_squared_over_variance    sum over the latents of mu^2 / sigma^2 = mu^2 exp(-log sigma^2)
    kl_divergence               1/2 sum over the latents of (mu^2 + sigma^2 - 1 - log sigma^2)
    regression                  the network's one output, which is never negative

The divergence is that of N(mu, sigma^2) from N(0, 1) (Kingma & Welling, arXiv 1312.6114, appendix B). A network puts
out log sigma^2, so that the one transcendental function is the exponential; it is a table with an entry for each code
of its argument, and nothing can run off its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache

import numpy as np

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, shift_left_exact, type_for_range

MAX_TABLE_BITS = 12  # width of a table's argument: 4,096 entries
_DECIMALS = Context(prec=60, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))


class Table:
    """Constants of a score kernel: codes (n_entries,) of one type.

    For a function, entry i is its value for the argument whose bits, read as an unsigned number, are i.
    """

    def __init__(self, codes: Codes, of: FixedPointType) -> None:
        self.codes = codes
        self.type = of


@cache
def function_table(score: Score, argument: FixedPointType, fraction: int) -> Table:
    """Tabulate what a score needs of log sigma^2, correctly rounded (half to even).

    mu_squared_over_variance: exp(-v); kl_divergence: exp(v) - 1 - v, which is never negative.

    Parameters
    ----------
    argument
        Type of v = log sigma^2.
    fraction
        Bits behind the point of the entries.

    Raises
    ------
    InputError
        If the table would have more than 4,096 entries.
    """
    if argument.width > MAX_TABLE_BITS:
        raise InputError(
            f"the score {score.value} needs a table over every code of log_variance, which has {argument.width} bits; "
            f"give `quantization.layers.log_variance.activations` at most {MAX_TABLE_BITS} bits"
        )
    lsb = _DECIMALS.power(Decimal(2), Decimal(-argument.fraction))
    scale = _DECIMALS.power(Decimal(2), Decimal(fraction))
    entries = []
    for bits in range(1 << argument.width):
        code = bits - (1 << argument.width) if argument.signed and bits >> (argument.width - 1) else bits
        value = _DECIMALS.multiply(Decimal(code), lsb)
        result = _function(score, value)
        entries.append(int(_DECIMALS.to_integral_value(_DECIMALS.multiply(result, scale))))
    if max(entries).bit_length() > 53:
        raise InputError(
            f"the table of the score {score.value} has entries of {max(entries).bit_length()} bits; give log_variance "
            "fewer `integer_bits`, or the table fewer `quantization.score_table_fraction_bits`"
        )
    return Table(np.array(entries, dtype=np.int64), type_for_range(0, max(entries), fraction))


def _function(score: Score, value: Decimal) -> Decimal:
    if score is Score.MU_SQUARED_OVER_VARIANCE:
        return _DECIMALS.exp(_DECIMALS.minus(value))
    return _DECIMALS.subtract(_DECIMALS.subtract(_DECIMALS.exp(value), Decimal(1)), value)


def score_type(
    score: Score, inputs: Sequence[FixedPointType], n: int, table: FixedPointType | None = None
) -> FixedPointType:
    """Give the narrowest type that holds every sum of n terms of inputs of these types.

    Parameters
    ----------
    inputs
        x and its reconstruction, or mu and, where the score needs it, log sigma^2, or the output.
    table
        Type of the entries of `function_table`.

    Raises
    ------
    InputError
        If the output of a regression is not one number that is never negative.
    """
    if score is Score.REGRESSION:
        return _output_type(inputs[0], n)
    if score.of_reconstruction:
        a, b = inputs
        fraction = max(a.fraction, b.fraction)
        up_a, up_b = fraction - a.fraction, fraction - b.fraction
        largest = max((a.max_code << up_a) - (b.min_code << up_b), (b.max_code << up_b) - (a.min_code << up_a))
        if score is Score.ABSOLUTE_ERROR:
            return type_for_range(0, n * largest, fraction)
        return type_for_range(0, n * largest**2, 2 * fraction)
    mu = inputs[0]
    largest, fraction = max(abs(mu.min_code), mu.max_code) ** 2, 2 * mu.fraction
    if score is Score.MU_SQUARED or table is None:
        return type_for_range(0, n * largest, fraction)
    if score is Score.MU_SQUARED_OVER_VARIANCE:
        return type_for_range(0, n * largest * table.max_code, fraction + table.fraction)
    common = max(fraction, table.fraction)
    term = (largest << (common - fraction)) + (table.max_code << (common - table.fraction))
    return type_for_range(0, n * term, common + 1)  # the half is one bit more behind the point


def _output_type(output: FixedPointType, n: int) -> FixedPointType:
    if n != 1 or output.signed:
        what = f"puts out {n} numbers" if n != 1 else f"puts out a number of the type {output}, which may be negative"
        raise InputError(f"the network {what}; the score regression needs one number behind a ReLU")
    return type_for_range(0, output.max_code, output.fraction)


def score_products(score: Score, n_elements: int) -> int:
    """Count the products that a score of so many features or latents takes."""
    if score in {Score.ABSOLUTE_ERROR, Score.REGRESSION}:
        return 0
    return n_elements * (2 if score is Score.MU_SQUARED_OVER_VARIANCE else 1)


def score_codes(score: Score, inputs: Sequence[Tensor], table: Table | None = None) -> Tensor:
    """Compute a score of each event, exactly.

    Parameters
    ----------
    inputs
        As in `score_type`, codes (n_events, n) each.
    table
        `function_table`, or the codes of the first feature of an empty slot, one a slot, in the type of x.

    Returns
    -------
    Codes (n_events, 1) on the grid of `score_type`.
    """
    if score.of_reconstruction:
        return _error(score, inputs[0], inputs[1], table)
    if score is Score.REGRESSION:
        return inputs[0]
    mu = inputs[0]
    squares, fraction = mu.codes * mu.codes, 2 * mu.fraction
    if score is not Score.MU_SQUARED and table is not None:
        entries = table.codes[inputs[1].codes & (len(table.codes) - 1)]
        if score is Score.MU_SQUARED_OVER_VARIANCE:
            squares, fraction = squares * entries, fraction + table.type.fraction
        else:
            common = max(fraction, table.type.fraction)
            squares = shift_left_exact(squares, common - fraction)
            squares = squares + shift_left_exact(entries, common - table.type.fraction)
            fraction = common + 1
    return Tensor(squares.sum(axis=1, keepdims=True), fraction)


def _error(score: Score, x: Tensor, reconstruction: Tensor, table: Table | None) -> Tensor:
    fraction = max(x.fraction, reconstruction.fraction)
    a, b = (shift_left_exact(tensor.codes, fraction - tensor.fraction) for tensor in (x, reconstruction))
    difference = a - b
    if score is Score.ABSOLUTE_ERROR:
        return Tensor(np.abs(difference).sum(axis=1, keepdims=True), fraction)
    squares = difference * difference
    if score is Score.MASKED_SQUARED_ERROR and table is not None:
        slots = len(table.codes)
        filled = x.codes.reshape(len(x.codes), slots, -1)[:, :, 0] > table.codes
        squares = squares * np.repeat(filled, x.codes.shape[1] // slots, axis=1)
    return Tensor(squares.sum(axis=1, keepdims=True), 2 * fraction)
