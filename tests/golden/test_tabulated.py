"""Tables of functions: every entry is the true value, correctly rounded, however it is computed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import networks
import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import ChannelTypes, FixedPointType, Overflow, Rounding, Tensor
from fpgaae.golden.functions import FUNCTION_NAMES, Function, tabulate
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.parts import Part, Partly
from fpgaae.golden.reloadable import make_reloadable

PARAMETERS = {"elu": 0.75, "leaky_relu": 0.3, "clipped_relu": 6.0}
ARGUMENTS = [FixedPointType(9, 5, True), FixedPointType(8, 2, False), FixedPointType(5, 8, True)]
_SIXTH, _SIX = Fraction(1, 6), Fraction(6)


def _function(name: str) -> Function:
    return Function(name, PARAMETERS.get(name, 1.0))


def _result(name: str) -> FixedPointType:
    signed = _function(name).is_signed
    return FixedPointType(9, 3, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def _clip(x: Fraction, low: int, high: Fraction) -> Fraction:
    return min(max(x, Fraction(low)), high)


def _rational(name: str, x: Fraction) -> Fraction | None:
    """Give a function of straight lines, exactly; None for another."""
    one = Fraction(1)
    return {
        "leaky_relu": lambda: x if x >= 0 else x * Fraction(3, 10),
        "clipped_relu": lambda: _clip(x, 0, _SIX),
        "hard_tanh": lambda: _clip(x, -1, one),
        "hard_sigmoid": lambda: _clip(x / 5 + Fraction(1, 2), 0, one),
        "hard_sigmoid_by_6": lambda: _clip(x + 3, 0, _SIX) * _SIXTH,
        "hard_sigmoid_by_2": lambda: _clip(x / 2 + Fraction(1, 2), 0, one),
        "softsign": lambda: x / (1 + abs(x)),
    }.get(name, lambda: None)()


def _precise(name: str, x: np.longdouble) -> np.longdouble:
    """Compute any other in extended precision, as textbooks write it."""
    one = np.longdouble(1)
    alpha = np.longdouble("1.6732632423543772848170429916717") if name == "selu" else np.longdouble(0.75)
    scale = np.longdouble("1.0507009873554804934193349852946") if name == "selu" else one
    with np.errstate(over="ignore"):
        return {
            "sigmoid": lambda: one / (one + np.exp(-x)),
            "tanh": lambda: np.tanh(x),
            "softplus": lambda: np.log1p(np.exp(-abs(x))) + max(x, 0 * one),
            "exponential": lambda: np.exp(min(x, one * 700)),
            "elu": lambda: x if x >= 0 else alpha * np.expm1(x),
            "selu": lambda: scale * (x if x >= 0 else alpha * np.expm1(x)),
        }[name]()


@pytest.mark.parametrize("argument", ARGUMENTS, ids=str)
@pytest.mark.parametrize("name", sorted(FUNCTION_NAMES))
def test_every_entry_is_the_true_value_correctly_rounded(name: str, argument: FixedPointType) -> None:
    result = _result(name)
    table = tabulate(_function(name), argument, result)
    assert len(table) == 2**argument.width
    for code in range(argument.min_code, argument.max_code + 1):
        found = int(table[code % len(table)])
        x = Fraction(code) / Fraction(2) ** argument.fraction
        exact = _rational(name, x)
        if exact is not None:
            rounded = round(exact * 2**result.fraction)  # of Python: half to even
            assert found == min(max(rounded, result.min_code), result.max_code), x
            continue
        value = _precise(name, np.longdouble(float(x))) * 2**result.fraction
        nearest = float(np.clip(value, result.min_code, result.max_code))
        assert abs(found - nearest) <= 0.5 + 1e-12, x
    in_order = table[np.arange(argument.min_code, argument.max_code + 1) % len(table)]
    assert (np.diff(in_order) >= 0).all(), "the ends of a range go to the ends of a range"


def test_a_tie_goes_to_the_even_code() -> None:
    whole = FixedPointType(6, 6, True)
    table = tabulate(Function("hard_sigmoid_by_2"), FixedPointType(3, 3, True), whole)
    assert table.tolist() == [0, 1, 1, 1, 0, 0, 0, 0]  # 0.5 -> 0; 1, 2, 3; -4, ..., -1
    table = tabulate(Function("leaky_relu", 0.5), FixedPointType(4, 4, True), whole)
    assert table[-7:].tolist() == [-4, -3, -2, -2, -2, -1, 0]  # -3.5, -3, -2.5, -2, -1.5, -1, -0.5


def _layer(name: str = "tanh", of: FixedPointType = ARGUMENTS[0]) -> tuple[Input, Tabulated]:
    source = Input("x", (), 1, of)
    return source, Tabulated.of("table", source, _function(name), _result(name))


def test_codes_are_looked_up_and_values_are_those_of_the_codes_or_of_the_function() -> None:
    source, layer = _layer()
    codes = np.arange(source.type.min_code, source.type.max_code + 1)[:, None]
    found = layer.run([Tensor(codes, source.type.fraction)])
    assert found.fraction == layer.type.fraction
    np.testing.assert_array_equal(found.codes[:, 0], np.roll(layer.table, len(layer.table) // 2))
    assert layer.range([source]) == (found.codes.min(), found.codes.max())
    values = codes * source.type.lsb
    quantized = layer.values([values], [source], Partly(frozenset({Part.ACTIVATIONS}), {}))
    np.testing.assert_array_equal(quantized, found.codes * layer.type.lsb)
    free = layer.values([values], [source], Partly(frozenset(), {}))
    np.testing.assert_array_equal(free, np.tanh(values))
    (rows,) = layer.corners(source)
    np.testing.assert_array_equal(rows, codes)


@pytest.mark.parametrize("name", sorted(FUNCTION_NAMES))
def test_the_function_in_floating_point_is_the_one_that_is_tabulated(name: str) -> None:
    argument, fine = FixedPointType(8, 4, True), FixedPointType(40, 16, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    codes = np.arange(argument.min_code, argument.max_code + 1)
    table = tabulate(_function(name), argument, fine)[codes % 256] * fine.lsb
    np.testing.assert_allclose(_function(name).floating(codes * argument.lsb), table, rtol=1e-12, atol=fine.lsb)


def test_a_symmetric_argument_never_takes_its_lowest_code() -> None:
    of = FixedPointType(4, 2, True, Rounding.HALF_EVEN, Overflow.SATURATE_SYMMETRIC)
    table = tabulate(Function("tanh"), of, _result("tanh"))
    assert table[8] == table[9]  # -8 stands for -7


def test_a_file_holds_the_function_and_its_entries(tmp_path: Path) -> None:
    network = networks.tables_network(networks.feature_map())
    network.save(tmp_path / "golden.npz")
    again = IntegerNetwork.load(tmp_path / "golden.npz")
    tables = [layer for layer in network.layers if isinstance(layer, Tabulated)]
    assert [layer.function.name for layer in tables] == ["elu", "leaky_relu", "tanh", "sigmoid"]
    for layer in tables:
        read = again[layer.name]
        assert isinstance(read, Tabulated)
        assert read == layer
        np.testing.assert_array_equal(read.table, layer.table)
    assert make_reloadable(network)["hidden_tanh"] == network["hidden_tanh"]


def test_what_no_table_can_be_made_of_is_refused() -> None:
    with pytest.raises(InputError, match=r"a table of tanh over 13 bits has 8,192 entries; give .* at most 12 bits"):
        _layer(of=FixedPointType(13, 5, True))
    with pytest.raises(InputError, match="there is no table of 'gelu'; use one of clipped_relu, elu"):
        tabulate(Function("gelu"), ARGUMENTS[0], ARGUMENTS[0])
    channels = Input("x", (), 2, ChannelTypes((FixedPointType(4, 2, True), FixedPointType(4, 1, True))))
    with pytest.raises(InputError, match="one table for all channels of x, which have a type each"):
        Tabulated.of("table", channels, Function("tanh"), _result("tanh"))
    _, layer = _layer()
    with pytest.raises(InputError, match="the table table reads sums of reloadable weights; put a QActivation"):
        layer.with_any_weights([Input("x", (), 1, FixedPointType(11, 5, True))])
