"""Convolution, pooling and their like in exact integers, against loops over rational numbers and by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, requantize, values_of
from fpgaae.golden.layers.base import Windowed
from fpgaae.golden.layers.moved import Reshape, UpSampling
from fpgaae.golden.layers.pooling import AveragePooling
from fpgaae.golden.layers.rounding import Input, Quantize, Relu
from fpgaae.golden.layers.weighted import Convolution
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.windows import Window, convolve, count_products, enlarge, largest, mean, same_padding, surround


def _type(width: int, integer: int, signed: bool = True) -> FixedPointType:
    return FixedPointType(width, integer, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def _input(image: tuple[int, int, int], of: FixedPointType) -> Input:
    return Input("inputs", (), int(np.prod(image)), of, image)


@st.composite
def windows(draw: st.DrawFn, *, padded: bool = True) -> Window:
    image = draw(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(*[st.integers(0, 2)] * 4)) if padded else (0, 0, 0, 0)
    extents = image[0] + padding[0] + padding[1], image[1] + padding[2] + padding[3]
    size = draw(st.integers(1, extents[0])), draw(st.integers(1, extents[1]))
    return Window(image, size, strides, padding)


def _codes(draw: st.DrawFn, of: FixedPointType, shape: tuple[int, ...]) -> np.ndarray:
    n = int(np.prod(shape))
    edges = st.sampled_from([of.min_code, of.max_code, 0])
    drawn = draw(st.lists(edges | st.integers(of.min_code, of.max_code), min_size=n, max_size=n))
    return np.array(drawn, dtype=np.int64).reshape(shape)


def _under(image: np.ndarray, window: Window, row: int, column: int, channel: int) -> list[int]:
    """Give the pixels under one window, row by row; None stands for a pixel outside."""
    pixels = []
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            y = row * window.strides[0] + i - window.padding[0]
            x = column * window.strides[1] + j - window.padding[2]
            inside = 0 <= y < window.image[0] and 0 <= x < window.image[1]
            pixels.append(int(image[y, x, channel]) if inside else 0)
    return pixels


def _positions(window: Window) -> list[tuple[int, int]]:
    rows, columns = window.positions
    return [(row, column) for row in range(rows) for column in range(columns)]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_convolution_is_the_sum_over_its_window(data: st.DataObject) -> None:
    window, n_filters = data.draw(windows()), data.draw(st.integers(1, 3))
    input_type, kernel_type, bias_type = _type(5, 2), _type(4, 1), _type(4, 3)
    source = _input(window.image, input_type)
    kernel = _codes(data.draw, kernel_type, (*window.size, window.image[2], n_filters))
    bias = _codes(data.draw, bias_type, (n_filters,))
    layer = Convolution.of("conv", source, (kernel, kernel_type), (bias, bias_type), window)
    events = _codes(data.draw, input_type, (2, source.size))
    found = IntegerNetwork((source, layer)).run(events)["conv"]
    for event, image in zip(found.codes, events.reshape(2, *window.image), strict=True):
        expected = [
            Fraction(int(bias[f]), 2**bias_type.fraction) + sum(
                Fraction(x * int(w), 2 ** (input_type.fraction + kernel_type.fraction))
                for c in range(window.image[2])
                for x, w in zip(_under(image, window, *at, c), kernel[:, :, c, f].ravel(), strict=True)
            )
            for at in _positions(window) for f in range(n_filters)
        ]  # fmt: skip
        assert [Fraction(int(code), 2**found.fraction) for code in event] == expected
    assert layer.type.min_code <= found.codes.min()
    assert found.codes.max() <= layer.type.max_code
    assert layer.size == found.codes.shape[1] == int(np.prod(layer.shape))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_convolution_is_that_of_scipy(padding: str) -> None:
    rng = np.random.default_rng(1)
    image, kernel = rng.integers(-128, 128, (19, 3, 2)), rng.integers(-8, 8, (3, 3, 2))
    shape = (19, 3, 2)
    around = same_padding(shape, (3, 3), (1, 1)) if padding == "same" else (0, 0, 0, 0)
    window = Window(shape, (3, 3), (1, 1), around)
    found = convolve(image.reshape(1, -1), kernel[..., None], window)
    expected = sum(correlate(image[:, :, c], kernel[:, :, c], mode=padding) for c in range(2))
    np.testing.assert_array_equal(found.reshape(window.positions), expected)


def test_the_type_of_a_convolution_is_the_narrowest_that_holds_its_extremes() -> None:
    """By hand: 2 x 1 kernel (3, -2) on values -4 .. 3: sums in -4*3 - 3*2 = -18 .. 3*3 + 4*2 = 17, and bias 1."""
    source = _input((3, 1, 1), _type(3, 3))
    kernel = np.array([3, -2]).reshape(2, 1, 1, 1), _type(4, 4)
    layer = Convolution.of("conv", source, kernel, (np.array([1]), _type(2, 2)), Window((3, 1, 1), (2, 1)))
    assert layer.type == FixedPointType(6, 6)  # -17 .. 18
    found = IntegerNetwork((source, layer)).run(np.array([[-4, 3, -4], [3, -4, 3]]))["conv"].codes
    assert found.tolist() == [[-17, 18], [18, -17]]


def test_weights_that_only_zeros_are_under_use_no_bits_of_the_sums() -> None:
    source = _input((1, 5, 1), _type(6, 3))
    window = Window((1, 5, 1), (3, 2), (2, 1), (1, 1, 0, 1))
    kernel = np.array([[[[3]], [[1]]], [[[2]], [[-4]]], [[[5]], [[7]]]])
    bias = np.zeros(1, dtype=np.int64)
    assert kernel.shape == (3, 2, 1, 1)
    around = Convolution.of("it", source, (kernel, _type(5, 2)), (bias, _type(5, 2)), window)
    assert around.unused_bits([source], [0]) == 1
    taller = _input((2, 5, 1), _type(6, 3))
    window = window._replace(image=(2, 5, 1), padding=(0, 1, 0, 1))
    met = Convolution.of("it", taller, (kernel, _type(5, 2)), (bias, _type(5, 2)), window)
    assert met.unused_bits([taller], [0]) == 0


def test_a_padded_window_that_never_covers_its_whole_kernel_needs_fewer_bits() -> None:
    source = _input((1, 1, 1), _type(3, 3))
    kernel = np.full((3, 3, 1, 1), 7), _type(4, 4)
    bias = np.array([0]), _type(2, 2)
    window = Window((1, 1, 1), (3, 3), (1, 1), (1, 1, 1, 1))
    assert Convolution.of("conv", source, kernel, bias, window).type == FixedPointType(6, 6)  # one product: -28 .. 21
    assert count_products(kernel[0], window) == 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_pooling_is_the_largest_and_the_mean(data: st.DataObject) -> None:
    window = data.draw(windows(padded=False))
    events = _codes(data.draw, _type(6, 3), (2, int(np.prod(window.image))))
    biggest, cut = largest(events, window), mean(events, window, 4)
    for event in range(2):
        image = events[event].reshape(window.image)
        pools = [_under(image, window, *at, c) for at in _positions(window) for c in range(window.image[2])]
        assert biggest[event].tolist() == [max(pool) for pool in pools]
        assert cut[event].tolist() == [int(Fraction(sum(pool) * 16, len(pool))) for pool in pools]  # int() cuts off


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_quantizer_rounds_a_cut_off_mean_as_the_true_one(data: st.DataObject) -> None:
    """Ties included: the codes are those of exact rational means, rounded half to even and saturated."""
    n = data.draw(st.integers(1, 12))
    of = _type(data.draw(st.integers(3, 9)), data.draw(st.integers(-1, 4)), data.draw(st.booleans()))
    to = _type(data.draw(st.integers(2, 10)), data.draw(st.integers(-1, 5)), of.signed)
    source = _input((n, 1, 1), of)
    pool = AveragePooling.of("pool", source, Window((n, 1, 1), (n, 1), (n, 1)), to.fraction)
    network = IntegerNetwork((source, pool, (Quantize if to.signed else Relu).of("out", pool, to)))
    assert network["out"].shape == (1, 1, 1)
    events = _codes(data.draw, of, (8, n))
    found = network.run(events)
    assert pool.is_cut_off == (n not in {1, 2, 4, 8})
    for event, cut, out in zip(events, found["pool"].codes[:, 0], found["out"].codes[:, 0], strict=True):
        true = Fraction(int(event.sum()), n) / Fraction(2) ** of.fraction
        assert out == max(to.min_code, min(to.max_code, round(true * Fraction(2) ** to.fraction)))
        error = true - Fraction(int(cut)) / Fraction(2) ** pool.type.fraction
        assert abs(error) < Fraction(2) ** -pool.type.fraction if pool.is_cut_off else error == 0
        assert pool.type.min_code <= cut <= pool.type.max_code


def test_enlarging_and_padding() -> None:
    image = np.arange(1, 5).reshape(1, -1)  # 1 2 / 3 4
    bigger = enlarge(image, Window((2, 2, 1), (2, 1))).reshape(4, 2)
    np.testing.assert_array_equal(bigger, [[1, 2], [1, 2], [3, 4], [3, 4]])
    padded = surround(image, Window((2, 2, 1), (1, 1), padding=(1, 0, 0, 2))).reshape(3, 4)
    np.testing.assert_array_equal(padded, [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]])


@pytest.mark.parametrize(
    ("image", "size", "strides", "expected"),
    [
        ((5, 5, 1), (3, 3), (1, 1), (1, 1, 1, 1)),
        ((8, 8, 1), (3, 3), (2, 2), (0, 1, 0, 1)),  # TensorFlow pads the odd one behind
        ((19, 3, 1), (4, 1), (3, 1), (1, 2, 0, 0)),
        ((4, 4, 1), (1, 1), (2, 2), (0, 0, 0, 0)),
    ],
)
def test_same_padding(
    image: tuple[int, int, int], size: tuple[int, int], strides: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert same_padding(image, size, strides) == expected
    assert Window(image, size, strides, same_padding(image, size, strides)).positions == (
        -(-image[0] // strides[0]), -(-image[1] // strides[1])
    )  # fmt: skip


def _network(seed: int = 0) -> IntegerNetwork:
    rng = np.random.default_rng(seed)
    source = _input((6, 2, 1), _type(6, 3))
    weight = _type(5, 1)
    kernel, bias = rng.integers(-16, 16, (3, 2, 1, 2)), rng.integers(-16, 16, 2)
    window = Window((6, 2, 1), (3, 2), (1, 1), same_padding((6, 2, 1), (3, 2), (1, 1)))
    conv = Convolution.of("conv", source, (kernel, weight), (bias, weight), window)
    relu = Relu.of("relu", conv, _type(6, 3, signed=False))
    pool = AveragePooling.of("pool", relu, Window((6, 2, 2), (3, 1), (3, 1)), 2)
    out = Relu.of("out", pool, _type(5, 3, signed=False))
    up = UpSampling.of("up", out, Window((2, 2, 2), (2, 1)))
    flat = Reshape.of("flat", up, (16,))
    assert (up.shape, flat.size) == ((4, 2, 2), 16)
    return IntegerNetwork((source, conv, relu, pool, out, up, flat))


def test_a_saved_network_is_the_same(tmp_path: Path) -> None:
    network = _network()
    network.save(tmp_path / "golden.npz")
    loaded = IntegerNetwork.load(tmp_path / "golden.npz")
    events = np.random.default_rng(1).integers(-32, 32, (50, 12))
    found, again = network.run(events), loaded.run(events)
    for mine, theirs in zip(network.layers, loaded.layers, strict=True):
        assert type(mine) is type(theirs)
        assert mine.entry() == theirs.entry()
        np.testing.assert_array_equal(found[mine.name].codes, again[mine.name].codes)


def test_a_damaged_window_is_one_sentence(tmp_path: Path) -> None:
    network = _network()
    broken = IntegerNetwork(
        tuple(
            replace(layer, window=layer.window._replace(size=(1, 2, 3))) if isinstance(layer, Windowed) else layer  # type: ignore[arg-type]
            for layer in network.layers
        )
    )
    broken.save(tmp_path / "golden.npz")
    with pytest.raises(InputError, match="not a readable golden network"):
        IntegerNetwork.load(tmp_path / "golden.npz")


def test_float32_holds_no_mean_that_does_not_come_out_even() -> None:
    holds = _network().float32_holds()
    assert holds["conv"]
    assert holds["relu"]
    assert not any(holds[name] for name in ("pool", "out", "up", "flat"))


def test_many_events_are_the_same_as_few() -> None:
    """The windows of many events are unfolded in blocks."""
    rng = np.random.default_rng(2)
    window = Window((16, 16, 4), (5, 5))
    codes, kernel = rng.integers(-128, 128, (700, 1024)), rng.integers(-8, 8, (5, 5, 4, 2))
    whole = convolve(codes, kernel, window)
    np.testing.assert_array_equal(whole[650:653], convolve(codes[650:653], kernel, window))
    np.testing.assert_array_equal(largest(codes, window)[-1:], largest(codes[-1:], window))
    assert convolve(codes[:0], kernel, window).shape == (0, whole.shape[1])


def test_a_relu_behind_an_image_rounds_as_always() -> None:
    network = _network()
    found = network.run(np.random.default_rng(3).integers(-32, 32, (20, 12)))
    conv, relu = found["conv"], network["relu"].type
    expected = requantize(np.maximum(conv.codes, 0), conv.fraction, relu)
    np.testing.assert_array_equal(found["relu"].codes, expected)
    assert values_of(*found["relu"]).max() > 0
