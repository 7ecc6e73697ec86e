"""With every part quantized the network is the firmware's, with none it is the one that Keras has in floating point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, random_events, small_model

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, nearest_codes, values_of
from fpgaae.golden.layers.base import Windowed
from fpgaae.golden.layers.moved import Reshape, UpSampling, ZeroPadding
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Relu
from fpgaae.golden.layers.weighted import Convolution
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.partial import PartialNetwork, shadow_weights
from fpgaae.golden.parts import Part, Values
from fpgaae.golden.windows import Window, same_padding

EVERYTHING = frozenset(Part)
NOTHING: frozenset[Part] = frozenset()


def saturating(width: int, integer: int, signed: bool = True) -> FixedPointType:
    return FixedPointType(width, integer, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def assert_firmware(partial: PartialNetwork, features: Values) -> None:
    codes = nearest_codes(features, partial.network.input_type)
    found = partial.run(features, EVERYTHING)
    for name, golden in partial.network.run(codes).items():
        np.testing.assert_array_equal(found[name], values_of(golden.codes, golden.fraction), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_with_everything_quantized_it_is_the_firmware(
    random_network: Callable[..., RandomNetwork], score: Score
) -> None:
    made = random_network(small_model(score), 12)
    partial = PartialNetwork(made.network, shadow_weights(made.model, made.network))
    assert_firmware(partial, random_events(made.network.input_type, 12, 400).values)


def test_each_part_acts_alone(random_network: Callable[..., RandomNetwork]) -> None:
    made = random_network(small_model(Score.SQUARED_ERROR), 12)
    partial = PartialNetwork(made.network, shadow_weights(made.model, made.network))
    x = random_events(made.network.input_type, 12, 400).values
    exact, first = partial.run(x, NOTHING), made.network.layers[0]
    low, high = first.type.min_code * first.type.lsb, first.type.max_code * first.type.lsb
    np.testing.assert_array_equal(exact[first.name], np.clip(x, low, high))
    kernel, bias = made.model.get_layer("encoder_1").get_weights()
    expected = np.clip(x, low, high) @ kernel.astype(float) + bias
    np.testing.assert_allclose(exact["encoder_1"], expected, rtol=1e-12)
    only = {part: partial.run(x, frozenset({part})) for part in Part}
    differs = {
        part: [name for name in exact if not np.array_equal(found[name], exact[name])] for part, found in only.items()
    }
    assert differs[Part.INPUTS][0] == first.name
    assert differs[Part.WEIGHTS][0] == "encoder_1"
    assert differs[Part.ACTIVATIONS][0] == "encoder_1_relu"
    assert differs[Part.SCORE] == ["score"]


@pytest.mark.parametrize(
    ("kind", "window"),
    [
        (MaxPooling, Window((6, 3, 2), (2, 1), (2, 1))),
        (UpSampling, Window((6, 3, 2), (2, 1))),
        (ZeroPadding, Window((6, 3, 2), (1, 1), (1, 1), (0, 1, 1, 0))),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_images_are_the_firmware_too(kind: Any, window: Window) -> None:  # noqa: ANN401
    rng = np.random.default_rng(5)
    image, size = (6, 3, 2), (3, 3)
    of = saturating(8, 3)
    source = Input("inputs", (), 36, of, image)
    same = Window(image, size, (1, 1), same_padding(image, size, (1, 1)))
    weights = {"conv": (rng.normal(size=(*size, 2, 2)), rng.normal(size=2))}
    coded: Any = [(nearest_codes(array, saturating(6, 2)), saturating(6, 2)) for array in weights["conv"]]
    conv = Convolution.of("conv", source, *coded, same)
    relu = Relu.of("relu", conv, saturating(8, 4, False))
    moved: Windowed = kind.of("moved", relu, window)
    assert moved.shape == {"max_pooling": (3, 3, 2), "upsampling": (12, 3, 2), "zero_padding": (7, 4, 2)}[kind.kind]
    pooled = AveragePooling.of("mean", moved, Window(moved.shape, (3, 1)), 4)  # type: ignore[arg-type]
    assert pooled.is_cut_off
    flat = Reshape.of("flat", pooled, ())
    network = IntegerNetwork((source, conv, relu, moved, pooled, flat))
    assert_firmware(PartialNetwork(network, weights), rng.normal(0, 2, (300, 36)))


def test_values_are_rounded_as_codes_are() -> None:
    values = np.array([0.25, 0.75, -0.25, 3.9, -9.0, 1.3])
    codes = {
        (rounding, overflow): nearest_codes(values, FixedPointType(4, 3, True, rounding, overflow)).tolist()
        for rounding, overflow in (
            (Rounding.HALF_EVEN, Overflow.SATURATE),
            (Rounding.HALF_UP, Overflow.SATURATE),
            (Rounding.TRUNCATE, Overflow.WRAP),
        )
    }
    assert codes[Rounding.HALF_EVEN, Overflow.SATURATE] == [0, 2, 0, 7, -8, 3]
    assert codes[Rounding.HALF_UP, Overflow.SATURATE] == [1, 2, 0, 7, -8, 3]
    assert codes[Rounding.TRUNCATE, Overflow.WRAP] == [0, 1, -1, 7, -2, 2]
