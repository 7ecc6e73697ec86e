"""Every score in integers against rational numbers and 60 digits, over every pair of codes and at the ends of types."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rational_scores import rational_entry, rational_score

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, Tensor
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.scores.base import MAX_TABLE_BITS, Table, function_table, score_class, score_type

OF_VARIANCE = [score for score in Score if score.needs_variance]
OF_ONE = {Score.MU_SQUARED, Score.REGRESSION}
BY_VALUE = {"ids": lambda score: score.value}


def _type(width: int, integer: int, signed: bool = True) -> FixedPointType:
    return FixedPointType(width, integer, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def _codes_of(of: FixedPointType) -> range:
    return range(of.min_code, of.max_code + 1)


def _table(score: Score, types: list[FixedPointType], n: int, fraction: int, slot_size: int = 1) -> Table | None:
    if score.needs_variance:
        return function_table(score, types[1], fraction)
    if score is Score.MASKED_SQUARED_ERROR:
        return Table(np.arange(n // slot_size) % 3 - types[0].signed, types[0])
    return None


def _codes(score: Score, inputs: list[Tensor], types: list[FixedPointType], table: Table | None) -> Tensor:
    """Compute a score of tensors."""
    n = inputs[0].codes.shape[1]
    sources = [Input(f"input_{i}", (), n, of) for i, of in enumerate(types)]
    layer = score_class(score).of("score", sources, *([] if table is None else [table]))
    assert (layer.score, layer.size, layer.inputs) == (score, 1, tuple(source.name for source in sources))
    return layer.run(inputs)


def _derived(score: Score, types: list[FixedPointType], n: int, table: Table | None) -> FixedPointType:
    return score_type(score, types, n, table.type if score.needs_variance and table is not None else None)


def _assert_rational(score: Score, types: list[FixedPointType], inputs: list[np.ndarray], table: Table | None) -> None:
    """Compare every event, and make sure that its code lies in the derived type."""
    found = _codes(score, [Tensor(c, t.fraction) for c, t in zip(inputs, types, strict=True)], types, table)
    of = _derived(score, types, inputs[0].shape[1], table)
    assert found.codes.shape == (len(inputs[0]), 1)
    assert found.fraction == of.fraction
    assert of.min_code <= found.codes.min()
    assert found.codes.max() <= of.max_code
    empty = table.codes.tolist() if score is Score.MASKED_SQUARED_ERROR and table is not None else []
    entry_bits = table.type.fraction if table is not None else 0
    for event, code in enumerate(found.codes[:, 0].tolist()):
        rows = [codes[event].tolist() for codes in inputs]
        expected = rational_score(score, rows, types, empty=empty, entry_bits=entry_bits)
        assert Fraction(code) / Fraction(2) ** found.fraction == expected, rows


# ---- every pair of codes ----


@pytest.mark.parametrize("fraction", [0, 3, 8], ids="fraction_{}".format)
@pytest.mark.parametrize("score", OF_VARIANCE, **BY_VALUE)
@pytest.mark.parametrize(
    ("mu", "log_variance"),
    [
        (_type(4, 2), _type(5, 3)),
        (_type(5, 4), _type(4, 5)),
        (_type(4, 1), _type(6, 5)),
        (_type(4, 6), _type(5, 2, False)),
    ],
    ids=lambda of: f"{of.width}_{of.integer}",
)
def test_every_mu_with_every_log_variance(
    score: Score, mu: FixedPointType, log_variance: FixedPointType, fraction: int
) -> None:
    pairs = np.array(list(product(_codes_of(mu), _codes_of(log_variance))))
    _assert_rational(
        score, [mu, log_variance], [pairs[:, :1], pairs[:, 1:]], function_table(score, log_variance, fraction)
    )


@pytest.mark.parametrize("score", [score for score in Score if score.of_reconstruction], **BY_VALUE)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (_type(4, 2), _type(4, 2)),
        (_type(4, 2), _type(5, 4)),
        (_type(5, 1), _type(3, 3)),
        (_type(4, 3), _type(4, 1, False)),
    ],
    ids=lambda of: f"{of.width}_{of.integer}",
)
def test_every_input_with_every_reconstruction(score: Score, x: FixedPointType, y: FixedPointType) -> None:
    pairs = np.array(list(product(_codes_of(x), _codes_of(y))))
    for empty in (x.min_code, 0, 1, x.max_code):
        table = Table(np.array([empty]), x) if score is Score.MASKED_SQUARED_ERROR else None
        _assert_rational(score, [x, y], [pairs[:, :1], pairs[:, 1:]], table)


@pytest.mark.parametrize("of", [_type(6, 3), _type(5, -1), _type(4, 7)], ids=str)
def test_every_mu_squared(of: FixedPointType) -> None:
    codes = np.array(list(_codes_of(of)))[:, None]
    _assert_rational(Score.MU_SQUARED, [of], [codes], None)


def test_every_output_is_its_own_score() -> None:
    for of in (_type(6, 3, signed=False), _type(5, -1, signed=False), _type(4, 7, signed=False)):
        codes = np.array(list(_codes_of(of)))[:, None]
        _assert_rational(Score.REGRESSION, [of], [codes], None)
        assert score_type(Score.REGRESSION, [of], 1) == FixedPointType(of.width, of.integer, signed=False)


@pytest.mark.parametrize(
    ("of", "n", "said"),
    [(_type(6, 3), 1, "a number of the type .*, which may be negative"), (_type(6, 3, signed=False), 2, "2 numbers")],
    ids=["signed", "two"],
)
def test_an_output_that_is_no_score_is_refused(of: FixedPointType, n: int, said: str) -> None:
    with pytest.raises(InputError, match=f"puts out {said}; the score regression needs one number behind a ReLU"):
        score_type(Score.REGRESSION, [of], n)


def test_a_slot_at_the_pt_of_an_empty_one_does_not_count_and_one_code_above_it_does() -> None:
    of = _type(6, 4)
    table = Table(np.array([-3, 5]), of)
    x = np.array([[-3, 9, -3, 9], [-2, 9, 5, 9], [-4, 9, 6, 9]])
    found = _codes(Score.MASKED_SQUARED_ERROR, [Tensor(x, 2), Tensor(np.zeros_like(x), 2)], [of, of], table)
    assert found.codes[:, 0].tolist() == [0, 4 + 81, 36 + 81]


# ---- events of several values, over types ----


@st.composite
def _events(draw: st.DrawFn) -> tuple[Score, list[FixedPointType], list[np.ndarray], Table | None]:
    score = draw(st.sampled_from(list(Score)))
    slots, slot_size = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    n = 1 if score is Score.REGRESSION else slots * slot_size
    types = []
    for _ in range(1 if score in OF_ONE else 2):
        width = draw(st.integers(2, 9))
        signed = score is not Score.REGRESSION and draw(st.booleans())
        types.append(_type(width, draw(st.integers(-2, min(width + 1, 5))), signed))
    inputs = []
    for of in types:
        codes = st.sampled_from([of.min_code, of.max_code, 0]) | st.integers(of.min_code, of.max_code)
        inputs.append(np.array(draw(st.lists(codes, min_size=2 * n, max_size=2 * n))).reshape(2, n))
    table = _table(score, types, n, draw(st.integers(0, 6)), slot_size)
    assume(_derived(score, types, n, table).width <= 53)  # wider ones are refused where a network is read
    return score, types, inputs, table


@given(_events())
@settings(max_examples=150, deadline=None)
def test_a_score_is_the_rational_sum(drawn: tuple[Score, list[FixedPointType], list[np.ndarray], Table | None]) -> None:
    _assert_rational(*drawn)


# ---- tables ----

ARGUMENTS = [
    _type(8, 4), _type(8, 5), _type(6, 3), _type(5, 5), _type(3, 5), _type(12, 4), _type(8, 0), _type(6, -2),
    _type(7, 4, signed=False), _type(9, 5)._replace(overflow=Overflow.SATURATE_SYMMETRIC),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("score", OF_VARIANCE, **BY_VALUE)
@pytest.mark.parametrize("argument", ARGUMENTS, ids=str)
@pytest.mark.parametrize("fraction", [0, 6, 8], ids="fraction_{}".format)
def test_every_entry_is_the_correctly_rounded_function_and_none_wraps(
    score: Score, argument: FixedPointType, fraction: int
) -> None:
    table = function_table(score, argument, fraction)
    assert len(table.codes) == 2**argument.width
    assert table.type == FixedPointType(table.type.width, table.type.width - fraction, signed=False)
    for code in range(-(2 ** (argument.width - 1)) if argument.signed else 0, argument.max_code + 1):
        entry = int(table.codes[code % 2**argument.width])
        assert Fraction(entry, 2**fraction) == rational_entry(score, code, argument, fraction), code
    assert table.codes.min() >= 0
    assert max(int(table.codes.max()).bit_length(), 1) == table.type.width, "the narrowest type that holds every entry"


@pytest.mark.parametrize("score", OF_VARIANCE, **BY_VALUE)
def test_the_tables_of_the_shipped_widths_go_on_where_a_fixed_table_would_wrap(score: Score) -> None:
    """A table of ap_fixed<18,8> for exp(v) ends at 128, which is log sigma^2 = 4.85; log sigma^2 goes up to 16 here."""
    argument = _type(8, 5)  # -16 .. 15.875
    table = function_table(score, argument, 8)
    sign = 1 if score is Score.KL_DIVERGENCE else -1
    values = [table.codes[sign * code % 256] / 2**8 for code in range(128)]
    assert all(later > earlier for earlier, later in pairwise(values[8:])), "rises to the end"
    largest = math.exp(15.875) - (16.875 if score is Score.KL_DIVERGENCE else 0)
    assert values[-1] == pytest.approx(largest, abs=2**-9)
    assert values[39] > values[38] > 100, "the code before 4.85"


@pytest.mark.parametrize("code", [-16, -9, -1, 0, 1, 5, 15])
def test_the_divergence_is_least_at_the_unit_normal(code: int) -> None:
    table = function_table(Score.KL_DIVERGENCE, _type(5, 3), 10)
    assert table.codes[0] == 0
    assert (table.codes[code % 32] > 0) == (code != 0)


@pytest.mark.parametrize("fraction", [0, 1, 7])
def test_the_entries_of_zero_are_not_rounded(fraction: int) -> None:
    assert function_table(Score.KL_DIVERGENCE, _type(4, 2), fraction).codes[0] == 0
    assert function_table(Score.MU_SQUARED_OVER_VARIANCE, _type(4, 2), fraction).codes[0] == 2**fraction


@pytest.mark.parametrize("score", OF_VARIANCE, **BY_VALUE)
def test_an_argument_that_is_too_wide_is_refused(score: Score) -> None:
    assert len(function_table(score, _type(MAX_TABLE_BITS, 4), 2).codes) == 4096
    with pytest.raises(InputError, match=r"over every code of log sigma\^2, which has 13 bits; .* at most 12 bits"):
        function_table(score, _type(MAX_TABLE_BITS + 1, 4), 2)


@pytest.mark.parametrize("fraction", [8, 16])
@pytest.mark.parametrize("score", OF_VARIANCE, **BY_VALUE)
def test_entries_that_a_float64_could_not_hold_are_refused(score: Score, fraction: int) -> None:
    """exp(32) takes 47 bits before the point and exp(31.5) 46; log sigma^2 lies in -32 .. 31.5."""
    bits = fraction + (46 if score is Score.KL_DIVERGENCE else 47)
    with pytest.raises(InputError, match=rf"has entries of {bits} bits; give log sigma\^2 fewer `integer_bits`"):
        function_table(score, _type(7, 6), fraction)


# ---- the derived type ----


def _worst(score: Score, types: list[FixedPointType], n: int, table: Table | None) -> np.ndarray:
    """Give the largest score of n equal terms over every pair of codes."""
    if len(types) == 1:
        inputs = [np.array(list(_codes_of(types[0])))]
    else:
        inputs = list(np.array(list(product(*(_codes_of(of) for of in types)))).T)
    rows = [np.repeat(codes[:, None], n, axis=1) for codes in inputs]
    return _codes(score, [Tensor(c, t.fraction) for c, t in zip(rows, types, strict=True)], types, table).codes


@pytest.mark.parametrize("n", [1, 3, 8, 57])
@pytest.mark.parametrize(
    "types",
    [[_type(5, 2), _type(5, 2)], [_type(4, 3), _type(6, 3)], [_type(5, 1, signed=False), _type(4, 4)]],
    ids=lambda types: f"{types[0].width}_{types[1].width}",
)
@pytest.mark.parametrize("score", [score for score in Score if score is not Score.REGRESSION], **BY_VALUE)
def test_the_accumulator_holds_the_worst_case_and_is_the_narrowest(
    score: Score, types: list[FixedPointType], n: int
) -> None:
    if score is Score.MU_SQUARED:
        types = types[:1]
    table = _table(score, types, n, 6)
    if score is Score.MASKED_SQUARED_ERROR and table is not None:
        table = Table(np.full(n, types[0].min_code - 1), types[0])  # every slot is filled
    elif table is not None:  # the largest entry that its type could hold, where log sigma^2 is 0
        table = Table(np.where(np.arange(len(table.codes)), table.codes, table.type.max_code), table.type)
    of = _derived(score, types, n, table)
    worst = int(_worst(score, types, n, table).max())
    assert not of.signed
    assert of.max_code // 2 < worst <= of.max_code


@pytest.mark.parametrize(
    ("score", "types", "n", "table", "expected"),
    [
        (Score.ABSOLUTE_ERROR, ["s4,2", "s4,2"], 3, None, (6, 4)),  # 3 * 15 quarters = 45
        (Score.MAX_ABSOLUTE_ERROR, ["s4,2", "s4,2"], 3, None, (4, 2)),  # 15 quarters
        (Score.MASKED_SQUARED_ERROR, ["s4,2", "s4,2"], 3, None, (10, 6)),  # 3 * 15^2 = 675 sixteenths
        (Score.MU_SQUARED_OVER_VARIANCE, ["s3,2", "s2,2"], 2, (4, 2), (9, 5)),  # 2 * 16 quarters * 15 quarters = 480
        (Score.KL_DIVERGENCE, ["s3,2", "s2,2"], 2, (4, 2), (6, 3)),  # 2 (16 + 15) = 62 eighths
        (Score.KL_DIVERGENCE, ["s3,2", "s2,2"], 2, (4, 1), (7, 3)),  # 2 (32 + 15) = 94 sixteenths
    ],
    ids=["absolute", "max_absolute", "masked", "over_variance", "divergence", "divergence_finer_table"],
)
def test_types_by_hand(
    score: Score, types: list[str], n: int, table: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    parsed = [_type(int(text[1]), int(text[3])) for text in types]
    entry = FixedPointType(*table, signed=False) if table else None
    assert score_type(score, parsed, n, entry) == FixedPointType(*expected, signed=False)
