"""The symbolic arithmetic against the integer arithmetic, over every code of its arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding
from fpgaae.fixedpoint import requantize as golden_requantize
from fpgaae.rtl import arithmetic
from fpgaae.rtl.arithmetic import Variable


def _run(make: Callable[..., Variable], *kinds: FixedPointType) -> tuple[list[Codes], Codes]:
    """Give every combination of codes of some types, and what the traced function makes of them."""
    with arithmetic.exact_ranges():
        ports = FixedVariableArrayInput((len(kinds),), arithmetic.HARDWARE)
        inputs = [p.quantize(k.signed, k.width - k.signed, 0) for p, k in zip(ports._vars, kinds, strict=True)]
        logic = comb_trace(ports, FixedVariableArray(np.array([make(*inputs)], dtype=object)))
    grids = np.meshgrid(*(np.arange(k.min_code, k.max_code + 1) for k in kinds), indexing="ij")
    columns = [grid.ravel() for grid in grids]
    found = logic.predict(np.stack(columns, axis=1).astype(np.float64), n_threads=1)[:, 0]
    return columns, found.astype(np.int64)


@pytest.mark.slow
@pytest.mark.parametrize("drop", [-2, 0, 1, 2, 4, 9], ids=lambda drop: f"drop{drop}")
@pytest.mark.parametrize("signed", [True, False], ids=["to-signed", "to-unsigned"])
@pytest.mark.parametrize("overflow", Overflow, ids=lambda mode: mode.value)
@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.value)
def test_requantize_equals_the_integers_on_every_code(
    rounding: Rounding, overflow: Overflow, signed: bool, drop: int
) -> None:
    to = FixedPointType(4, 4, signed, rounding, overflow)
    for source in (FixedPointType(8, 8), FixedPointType(8, 8, False)):
        (codes,), found = _run(lambda x: arithmetic.requantize(x, drop, to), source)
        np.testing.assert_array_equal(found, golden_requantize(codes, drop, to))


def test_ties_go_to_the_even_code() -> None:
    to = FixedPointType(4, 4, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    (codes,), found = _run(lambda x: arithmetic.requantize(x, 1, to), FixedPointType(4, 3))
    assert dict(zip(codes.tolist(), found.tolist(), strict=True)) == {
        -8: -4, -7: -4, -6: -3, -5: -2, -4: -2, -3: -2, -2: -1, -1: 0,
        0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 4,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("source", [FixedPointType(w, w, s) for w in (1, 3, 7, 8, 12) for s in (True, False)], ids=str)
@pytest.mark.parametrize("factor", [1, -3, 8])
def test_square(source: FixedPointType, factor: int) -> None:
    (codes,), found = _run(lambda x: arithmetic.square(x, factor), source)
    np.testing.assert_array_equal(found, factor * codes * codes)


@pytest.mark.slow
def test_square_of_a_variable_with_zeros_below() -> None:
    (codes,), found = _run(lambda x: arithmetic.square(x * 4), FixedPointType(6, 6))
    np.testing.assert_array_equal(found, 16 * codes * codes)


@pytest.mark.parametrize("widths", [(5, 5), (2, 7), (7, 1)], ids=str)
def test_product(widths: tuple[int, int]) -> None:
    (x, y), found = _run(arithmetic.product, *(FixedPointType(w, w, False) for w in widths))
    np.testing.assert_array_equal(found, x * y)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [8, 31, 52])
def test_look_up_holds_wide_entries(signed: bool, bits: int) -> None:
    source = FixedPointType(6, 6, signed)
    entries = np.random.default_rng(bits).integers(0, 1 << bits, 64)
    entries[0] = (1 << bits) - 1
    (codes,), found = _run(lambda x: arithmetic.look_up(x, entries), source)
    np.testing.assert_array_equal(found, entries[codes & 63])


def test_look_up_of_part_of_the_codes() -> None:
    entries = np.random.default_rng(1).integers(0, 99, 64)
    (codes,), found = _run(lambda x: arithmetic.look_up(x - 3, entries), FixedPointType(5, 5))
    np.testing.assert_array_equal(found, entries[(codes - 3) & 63])


@pytest.mark.parametrize("sign", [1, -1])
def test_selection_sees_zero_as_not_negative(sign: int) -> None:
    chosen = (arithmetic.constant(5), arithmetic.constant(9))
    (codes,), found = _run(lambda x: arithmetic.select_negative(x * sign, *chosen), FixedPointType(4, 4))
    np.testing.assert_array_equal(found, np.where(sign * codes < 0, 5, 9))


@pytest.mark.parametrize("threshold", [-9, -8, -1, 0, 3, 7, 8])
def test_above(threshold: int) -> None:
    (codes,), found = _run(lambda x: arithmetic.above(x, threshold), FixedPointType(4, 4))
    np.testing.assert_array_equal(found, codes > threshold)


def test_absolute_and_total() -> None:
    kinds = [FixedPointType(4, 4), FixedPointType(4, 4), FixedPointType(3, 3, False)]
    (a, b, c), found = _run(lambda *x: arithmetic.total(arithmetic.absolute(v - 2) for v in x), *kinds)
    np.testing.assert_array_equal(found, abs(a - 2) + abs(b - 2) + abs(c - 2))
