"""A slope of a power of two below zero: exact against rational numbers, in a file, and behind reloadable weights."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import networks
import numpy as np
import pytest

from fpgaae.fixedpoint import FixedPointType, Tensor
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.parts import Partly
from fpgaae.golden.reloadable import make_reloadable, with_random_weights

SOURCE = FixedPointType(7, 3, True)
EVERY_CODE = np.arange(SOURCE.min_code, SOURCE.max_code + 1)[:, None]


def _layer(shift: int, of: FixedPointType = SOURCE) -> tuple[Input, LeakyRelu]:
    source = Input("x", (), 1, of)
    return source, LeakyRelu.of("leaky", source, shift)


@pytest.mark.parametrize("shift", [1, 2, 5, 16])
def test_every_code_is_the_rational_value(shift: int) -> None:
    source, layer = _layer(shift)
    found = layer.run([Tensor(EVERY_CODE, SOURCE.fraction)])
    assert found.fraction == SOURCE.fraction + shift == layer.type.fraction
    for code, result in zip(EVERY_CODE[:, 0], found.codes[:, 0], strict=True):
        x = Fraction(int(code), 2**SOURCE.fraction)
        assert Fraction(int(result), 2**found.fraction) == (x * Fraction(1, 2**shift) if x < 0 else x)
    assert layer.range([source]) == (found.codes.min(), found.codes.max())
    assert layer.type.min_code <= found.codes.min()
    assert found.codes.max() <= layer.type.max_code < 2 * found.codes.max() + 2**shift
    values = layer.values([EVERY_CODE * SOURCE.lsb], [source], Partly(frozenset(), {}))
    np.testing.assert_array_equal(values, found.codes * layer.type.lsb)


def test_its_corners_lie_around_zero() -> None:
    source, layer = _layer(2)
    (rows,) = layer.corners(source)
    assert {-1, 0, 1} <= set(rows[:, 0])


def test_a_file_holds_its_slope(tmp_path: Path) -> None:
    network = networks.leaky_network(networks.feature_map())
    network.save(tmp_path / "golden.npz")
    again = IntegerNetwork.load(tmp_path / "golden.npz")
    assert again["hidden_leaky"] == network["hidden_leaky"]
    assert network["hidden_leaky"] != networks.leaky_network(networks.feature_map(), shift=2)["hidden_leaky"]


def test_it_holds_the_sums_of_any_weights() -> None:
    opened = make_reloadable(networks.leaky_network(networks.feature_map()))
    codes = networks.events(networks.feature_map(), 400)
    features = networks.feature_map()
    loaded = with_random_weights(opened, 1)
    found = loaded.run(features.input_codes(codes, opened.input_type))["hidden_leaky"].codes
    of = opened["hidden_leaky"].type
    assert of.min_code <= found.min() < 0 < found.max() <= of.max_code
    assert of.integer == opened["hidden"].type.integer
