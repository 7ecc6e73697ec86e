"""Fixed-point arithmetic against rational numbers, the published examples of `ap_fixed`, and `ap_fixed` itself."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpgaae.errors import InputError
from fpgaae.fixedpoint import (
    MAX_WIDTH,
    FixedPointType,
    Overflow,
    Rounding,
    codes_of,
    exact_sum,
    parse_type,
    requantize,
    saturate_or_wrap,
    shift_left_exact,
    type_for_range,
    values_of,
)

CASES = [
    pytest.param(
        width, signed, rounding, overflow, id=f"{'' if signed else 'u'}{width}-{rounding.value}-{overflow.value}"
    )
    for width, signed, rounding, overflow in product((1, 2, 3, 5, 8), (True, False), Rounding, Overflow)
]
MODES = [pytest.param(r, o, id=f"{r.value}-{o.value}") for r, o in product(Rounding, Overflow)]


def oracle(value: Fraction, to: FixedPointType) -> int:
    """Give the code of a value by the words of UG1399: round the rational number, then bring it into the range."""
    scaled = value * Fraction(2) ** to.fraction
    if to.rounding is Rounding.TRUNCATE:
        code = math.floor(scaled)
    elif to.rounding is Rounding.HALF_UP:
        code = math.floor(scaled + Fraction(1, 2))
    else:
        code = round(scaled)  # Python rounds a Fraction half to even
    lowest, highest = (-(2 ** (to.width - 1)), 2 ** (to.width - 1) - 1) if to.signed else (0, 2**to.width - 1)
    if to.overflow is Overflow.WRAP:
        return (code - lowest) % 2**to.width + lowest
    if to.overflow is Overflow.SATURATE_SYMMETRIC and to.signed:
        lowest = -highest
    return max(lowest, min(highest, code))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "signed", "rounding", "overflow"), CASES)
def test_requantize_is_the_rational_result_for_every_code(
    width: int, signed: bool, rounding: Rounding, overflow: Overflow
) -> None:
    codes = np.arange(-300, 301)
    for integer, fraction in ((0, 6), (width, 2), (width, 6), (width + 3, 1), (-2, -1)):
        to = FixedPointType(width, integer, signed, rounding, overflow)
        expected = [oracle(Fraction(int(code)) / Fraction(2) ** fraction, to) for code in codes]
        assert requantize(codes, fraction, to).tolist() == expected, (to, fraction)


@st.composite
def _conversions(draw: st.DrawFn) -> tuple[int, int, FixedPointType]:
    width = draw(st.integers(1, MAX_WIDTH))
    to = FixedPointType(
        width,
        width - draw(st.integers(-40, 80)),
        draw(st.booleans()),
        draw(st.sampled_from(Rounding)),
        draw(st.sampled_from(Overflow)),
    )
    from_width = draw(st.integers(1, MAX_WIDTH))
    limit = 2**from_width - 1
    code = draw(st.integers(-(limit // 2) - 1, limit) | st.sampled_from([-(limit // 2) - 1, limit, limit // 2 + 1]))
    # Only shifts to the left that int64 holds, and any shift to the right.
    lowest = to.fraction - (MAX_WIDTH - code.bit_length())
    return code, draw(st.integers(lowest, max(lowest, to.fraction + 90))), to


@given(_conversions())
def test_requantize_is_the_rational_result_for_wide_types(conversion: tuple[int, int, FixedPointType]) -> None:
    code, fraction, to = conversion
    expected = oracle(Fraction(code) / Fraction(2) ** fraction, to)
    assert requantize(np.array([code], dtype=np.int64), fraction, to).tolist() == [expected]


# The examples of "Quantization Modes" and "Overflow Modes" in the "Vitis High-Level Synthesis User Guide" (UG1399).
# The examples of AP_RND_CONV start from ap_fixed<8,3>; those of the overflow modes are exact.
PUBLISHED = [
    ("ap_fixed<3,2,AP_RND,AP_SAT>", 1.25, 1.5),
    ("ap_fixed<3,2,AP_RND,AP_SAT>", -1.25, -1.0),
    ("ap_fixed<3,2,AP_TRN,AP_SAT>", 1.25, 1.0),
    ("ap_fixed<3,2,AP_TRN,AP_SAT>", -1.25, -1.5),
    ("ap_fixed<5,3,AP_RND_CONV>", 1.59375, 1.5),
    ("ap_fixed<5,3,AP_RND_CONV>", 1.625, 1.5),
    ("ap_fixed<5,3,AP_RND_CONV>", 1.375, 1.5),
    ("ap_fixed<5,3,AP_RND_CONV>", 1.65625, 1.75),
    ("ap_fixed<4,4,AP_RND,AP_SAT>", 19.0, 7.0),
    ("ap_fixed<4,4,AP_RND,AP_SAT>", -19.0, -8.0),
    ("ap_ufixed<4,4,AP_RND,AP_SAT>", 19.0, 15.0),
    ("ap_ufixed<4,4,AP_RND,AP_SAT>", -19.0, 0.0),
    ("ap_fixed<4,4,AP_RND,AP_SAT_SYM>", 19.0, 7.0),
    ("ap_fixed<4,4,AP_RND,AP_SAT_SYM>", -19.0, -7.0),
    ("ap_ufixed<4,4,AP_RND,AP_SAT_SYM>", 19.0, 15.0),
    ("ap_ufixed<4,4,AP_RND,AP_SAT_SYM>", -19.0, 0.0),
    ("ap_fixed<4,4,AP_RND,AP_WRAP>", 31.0, -1.0),
    ("ap_fixed<4,4,AP_RND,AP_WRAP>", -19.0, -3.0),
    ("ap_ufixed<4,4,AP_RND,AP_WRAP>", 19.0, 3.0),
    ("ap_ufixed<4,4,AP_RND,AP_WRAP>", -19.0, 13.0),
]


@pytest.mark.parametrize(("name", "value", "expected"), PUBLISHED, ids=[f"{n}={v}" for n, v, _ in PUBLISHED])
def test_published_examples(name: str, value: float, expected: float) -> None:
    to = parse_type(name)
    codes = requantize(np.array([int(value * 32)]), 5, to)
    assert values_of(codes, to.fraction).tolist() == [expected]


AP_FIXED_PROGRAM = """
#include "ap_fixed.h"
#include <cstdio>
#include <cstdlib>

template <class TO> void run(const char *name) {
    for (int code = -700; code <= 700; code++) {
        ap_fixed<24, 16> from;  // 8 bits behind the point
        from.range(23, 0) = code;
        TO to = from;
        std::printf("%s %d %lld\\n", name, code, (long long)to.range(TO::width - 1, 0).to_int64());
    }
}
int main() {
%s
}
"""


def _ap_fixed_types() -> list[FixedPointType]:
    shapes = ((2, 2), (4, 6), (5, -1), (8, 4))
    return [
        FixedPointType(width, integer, signed, rounding, overflow)
        for (width, integer), signed, rounding, overflow in product(shapes, (True, False), Rounding, Overflow)
    ]


@pytest.fixture(scope="module")
def ap_fixed_results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], int]:
    """What `ap_fixed` itself gives, compiled from the headers that hls4ml brings."""
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    if compiler is None:
        reason = "g++ is needed to run ap_fixed; install it, for example with apt-get install g++"
        if os.environ.get("FPGAAE_REQUIRE_TOOLS"):
            pytest.fail(reason)
        pytest.skip(reason)
    hls4ml = importlib.util.find_spec("hls4ml")  # not imported: that would load TensorFlow
    assert hls4ml is not None
    assert hls4ml.origin is not None
    headers = Path(hls4ml.origin).parent / "templates" / "vivado" / "ap_types"
    folder = tmp_path_factory.mktemp("ap_fixed")
    lines = "\n".join(f'    run<{_cpp(t)}>("{t}");' for t in _ap_fixed_types())
    (folder / "main.cpp").write_text(AP_FIXED_PROGRAM.replace("%s\n}", f"{lines}\n}}"))
    command = [compiler, "-std=c++17", "-O0", "-w", f"-I{headers}", "main.cpp", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    output = subprocess.run([folder / "main"], check=True, capture_output=True, text=True, timeout=60).stdout
    rows = (line.split() for line in output.splitlines())
    return {(name, int(code)): int(result) for name, code, result in rows}


def _cpp(to: FixedPointType) -> str:
    kind = "ap_fixed" if to.signed else "ap_ufixed"
    return f"{kind}<{to.width}, {to.integer}, AP_{to.rounding.value}, AP_{to.overflow.value}>"


@pytest.mark.slow
@pytest.mark.parametrize(("rounding", "overflow"), MODES)
def test_requantize_is_what_ap_fixed_does(
    ap_fixed_results: dict[tuple[str, int], int], rounding: Rounding, overflow: Overflow
) -> None:
    codes = np.arange(-700, 701)
    types = [t for t in _ap_fixed_types() if (t.rounding, t.overflow) == (rounding, overflow)]
    for to in types:
        found = requantize(codes, 8, to) & ((1 << to.width) - 1)  # the bits; range() gives them without a sign
        assert found.tolist() == [ap_fixed_results[str(to), int(code)] for code in codes], to
    assert len(types) == 8


@pytest.mark.parametrize("drop", [MAX_WIDTH - 1, MAX_WIDTH, MAX_WIDTH + 1, MAX_WIDTH + 2, 200])
@pytest.mark.parametrize("rounding", Rounding)
def test_dropping_every_bit_leaves_what_rounding_gives(drop: int, rounding: Rounding) -> None:
    to = FixedPointType(8, 8, True, rounding, Overflow.SATURATE)
    codes = [-(2**61), -(2**61) + 1, -1, 0, 1, 2**61 - 1, 2**61, 2**62 - 1]
    expected = [oracle(Fraction(code, 2**drop), to) for code in codes]
    assert requantize(np.array(codes), drop, to).tolist() == expected


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("overflow", Overflow)
def test_the_widest_type_keeps_its_extremes(signed: bool, overflow: Overflow) -> None:
    to = FixedPointType(MAX_WIDTH, 4, signed, Rounding.TRUNCATE, overflow)
    ends = np.array([to.min_code, 0, to.max_code])
    assert saturate_or_wrap(ends, to).tolist() == ends.tolist()


@pytest.mark.parametrize("width", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("rounding", "overflow"), MODES)
def test_a_type_survives_its_name(width: int, signed: bool, rounding: Rounding, overflow: Overflow) -> None:
    for integer in (-3, 0, width, 20):
        to = FixedPointType(width, integer, signed, rounding, overflow)
        assert parse_type(str(to)) == to


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("fixed<8,4>", FixedPointType(8, 4), id="hls4ml"),
        pytest.param(
            "ufixed<8,0,RND_CONV,SAT>",
            FixedPointType(8, 0, False, Rounding.HALF_EVEN, Overflow.SATURATE),
            id="hls4ml-modes",
        ),
        pytest.param(" ap_fixed< 16 , 6 > ", FixedPointType(16, 6), id="spaces"),
        pytest.param("ap_fixed<16,6,AP_RND>", FixedPointType(16, 6, True, Rounding.HALF_UP), id="rounding-only"),
        pytest.param("ap_fixed<16,6,AP_TRN,AP_WRAP,0>", FixedPointType(16, 6), id="saturation-bits"),
        pytest.param("ap_fixed<4,-2>", FixedPointType(4, -2), id="negative-integer"),
        pytest.param("ap_uint<3>", FixedPointType(3, 3, False), id="uint"),
        pytest.param("int<5>", FixedPointType(5, 5), id="int"),
    ],
)
def test_types_are_read_as_they_are_written_elsewhere(text: str, expected: FixedPointType) -> None:
    assert parse_type(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "float", "", "ap_fixed<8>", "ap_fixed<8,4,AP_RND_ZERO>", "ap_fixed<8,4,AP_RND,AP_SAT_ZERO>", "ap_fixed<8,4",
        "ap_fixed<-8,4>", "ap_fixed<8,4.5>", "std::complex<8>",
        "ap_fixed<8,4,AP_RND,AP_WRAP,3>",  # saturated bits when wrapping
        "ap_fixed<0,0>", "ap_uint<0>", "ap_fixed<63,4>", "ap_fixed<100,4>", "ap_int<64>",  # not codes in int64
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_handled_exactly_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a fixed-point type that can be handled exactly"):
        parse_type(text)


@pytest.mark.parametrize(
    ("name", "low", "high", "lsb"),
    [
        ("ap_fixed<8,4>", -8, 7.9375, 2**-4),
        ("ap_ufixed<8,4>", 0, 15.9375, 2**-4),
        ("ap_fixed<8,4,AP_TRN,AP_SAT_SYM>", -7.9375, 7.9375, 2**-4),
        ("ap_fixed<3,5>", -16, 12, 4),
        ("ap_ufixed<2,-1>", 0, 0.375, 0.125),
        ("ap_fixed<1,1>", -1, 0, 1),
    ],
)  # worked by hand
def test_range_and_lsb(name: str, low: float, high: float, lsb: float) -> None:
    to = parse_type(name)
    assert (to.min_code * to.lsb, to.max_code * to.lsb, to.lsb) == (low, high, lsb)


@given(st.integers(-(2**60), 2**60), st.integers(0, 2**60), st.integers(-20, 40))
def test_type_for_range_holds_the_range_and_is_the_narrowest(low: int, span: int, fraction: int) -> None:
    high = low + span
    found = type_for_range(low, high, fraction)
    assert found.min_code <= low
    assert high <= found.max_code
    assert found.fraction == fraction
    assert found.signed == (low < 0)
    if found.width > 1:
        narrower = found._replace(width=found.width - 1)
        assert low < narrower.min_code or high > narrower.max_code


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "ap_ufixed<1,1>"), (0, 1, "ap_ufixed<1,1>"), (0, 255, "ap_ufixed<8,8>"), (0, 256, "ap_ufixed<9,9>"),
        (-1, 0, "ap_fixed<1,1>"), (-128, 127, "ap_fixed<8,8>"), (-129, 0, "ap_fixed<9,9>"), (-1, 128, "ap_fixed<9,9>"),
    ],
)  # fmt: skip
def test_type_for_range_by_hand(low: int, high: int, expected: str) -> None:
    assert str(type_for_range(low, high, 0)) == expected


def test_codes_of_inverts_values_of() -> None:
    to = parse_type("ap_fixed<9,4>")
    codes = np.arange(to.min_code, to.max_code + 1)
    assert codes_of(values_of(codes, to.fraction), to).tolist() == codes.tolist()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(0.3, id="off-the-grid"),
        pytest.param(8.0, id="too-large"),
        pytest.param(-8.0625, id="too-small"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="infinite"),
    ],
)
def test_codes_of_refuses_a_value_without_a_code(value: float) -> None:
    with pytest.raises(InputError, match=r"not representable as ap_fixed<8,4>"):
        codes_of(np.array([0.5, value]), parse_type("ap_fixed<8,4>"))


def test_codes_of_refuses_the_code_that_symmetric_saturation_leaves_out() -> None:
    to = parse_type("ap_fixed<8,4,AP_RND,AP_SAT_SYM>")
    assert codes_of(np.array([-7.9375]), to).tolist() == [-127]
    with pytest.raises(InputError):
        codes_of(np.array([-8.0]), to)


def test_shift_left_exact() -> None:
    assert shift_left_exact(np.array([-3, 0, 5]), 4).tolist() == [-48, 0, 80]
    assert shift_left_exact(np.array([], dtype=np.int64), 100).tolist() == []
    assert shift_left_exact(np.array([1]), MAX_WIDTH - 1).tolist() == [2 ** (MAX_WIDTH - 1)]
    assert shift_left_exact(np.array([0, 0]), 100).tolist() == [0, 0]


@pytest.mark.parametrize(("code", "bits"), [(1, MAX_WIDTH), (-1, MAX_WIDTH), (2**40, 40), (-(2**40), 30), (3, 100)])
def test_a_shift_that_does_not_fit_is_refused(code: int, bits: int) -> None:
    with pytest.raises(InputError, match="does not fit 64-bit arithmetic"):
        shift_left_exact(np.array([0, code]), bits)
    with pytest.raises(InputError, match="does not fit 64-bit arithmetic"):
        requantize(np.array([code]), 0, FixedPointType(8, 8 - bits))


def test_a_sum_is_exact_however_its_numbers_are_grouped() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=3000) * 10.0 ** rng.integers(-30, 30, 3000)
    values[:4] = [0, 5e-324, -5e-324, 1.7e308]
    wanted = sum(map(Fraction, values.tolist())) * 2**1200
    assert exact_sum(values) == wanted
    assert sum(exact_sum(piece) for piece in np.split(rng.permutation(values), 30)) == wanted
    assert exact_sum(np.full(5000, 2.0**53 - 1)) == 5000 * (2**53 - 1) << 1200
    assert exact_sum(values[:0]) == 0
