"""A type a channel: every code, range and bound against rational numbers, and against trying every corner."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from rational_network import rational_values, round_to, value_of

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import (
    ChannelTypes,
    Codes,
    FixedPointType,
    Overflow,
    Rounding,
    Tensor,
    Types,
    codes_of,
    nearest_codes,
    requantize,
    values_of,
)
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.moved import Port, Reshape, UpSampling, ZeroPadding
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantize, Relu
from fpgaae.golden.layers.weighted import Convolution, Dense, TypedCodes
from fpgaae.golden.network import IntegerNetwork, refuse_channel_types
from fpgaae.golden.partial import PartialNetwork
from fpgaae.golden.parts import Part
from fpgaae.golden.reloadable import Weights, make_reloadable, random_weights, with_weights
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.golden.windows import Window
from fpgaae.hls.layer_stimulus import layer_codes

SEEDS = range(12)
EVEN_SAT = (Rounding.HALF_EVEN, Overflow.SATURATE)


def _types(rng: np.random.Generator, n: int, signed: bool | None = True, most: int = 7) -> ChannelTypes:
    """Give quantizers of different widths, of which at least two lie on different grids."""
    found = []
    for _ in range(n):
        width = int(rng.integers(2, most + 1))
        own = bool(rng.integers(2)) if signed is None else signed
        found.append(FixedPointType(width, int(rng.integers(-1, width + 1)), own, *EVEN_SAT))
    first = found[0]
    return ChannelTypes((first, first._replace(width=first.width + 2), *found[2:]) if n > 1 else (first,))


def _weights(rng: np.random.Generator, *shape: int) -> tuple[TypedCodes, TypedCodes]:
    """Give a kernel and a bias whose last axis has types of its own; codes of each channel lie on its own grid."""
    pairs = []
    for extents in (shape, shape[-1:]):
        types = _types(rng, shape[-1], most=5)
        codes = nearest_codes(rng.normal(0, 2, extents), types)
        codes *= rng.random(extents) < 0.8
        pairs.append((codes, types))
    return pairs[0], pairs[1]


def _inputs(rng: np.random.Generator, n: int, shape: tuple[int, ...] = ()) -> Input:
    return Input("features", (), n, _types(rng, shape[-1] if shape else n, None), shape)


def _dense_network(seed: int) -> IntegerNetwork:
    """Make an autoencoder all of whose channels have types of their own."""
    rng = np.random.default_rng(seed)
    x = _inputs(rng, 4)
    hidden = Dense.of("hidden", x, *_weights(rng, 4, 3))
    relu = Relu.of("relu", hidden, _types(rng, 3, signed=False))
    back = Dense.of("back", relu, *_weights(rng, 3, 4))
    out = Quantize.of("out", back, _types(rng, 4))
    return IntegerNetwork((x, hidden, relu, back, out, SquaredError.of("score", [x, out])))


def _image_network(seed: int) -> IntegerNetwork:
    """Make a network of every layer of images; its types are those of two or three channels."""
    rng = np.random.default_rng(seed)
    x = _inputs(rng, 24, (4, 3, 2))
    layers: list[Layer] = [x]
    layers.append(ZeroPadding.of("zeros", x, Window((4, 3, 2), (1, 1), padding=(1, 0, 0, 1))))
    window = Window((5, 4, 2), (3, 2), (1, 2), (1, 1, 0, 0))
    layers.append(Convolution.of("conv", layers[-1], *_weights(rng, 3, 2, 2, 3), window))
    layers.append(Relu.of("relu", layers[-1], _types(rng, 3, signed=False)))
    layers.append(MaxPooling.of("pool", layers[-1], Window(layers[-1].shape, (2, 1), (2, 1))))  # type: ignore[arg-type]
    layers.append(UpSampling.of("up", layers[-1], Window(layers[-1].shape, (3, 1))))  # type: ignore[arg-type]
    layers.append(AveragePooling.of("mean", layers[-1], Window(layers[-1].shape, (3, 2), (3, 2)), 4))  # type: ignore[arg-type]
    layers.append(Quantize.of("rounded", layers[-1], ChannelTypes((networks.LATENT, networks.INPUT, networks.LATENT))))
    layers.append(Reshape.of("flat", layers[-1], (layers[-1].size,)))
    layers.append(Dense.of("mu", layers[-1], *_weights(rng, layers[-1].size, 2)))
    layers.append(Quantize.of("latents", layers[-1], _types(rng, 2)))
    layers.append(Port.of("port", layers[-1]))
    return IntegerNetwork((*layers, MuSquared.of("score", [layers[-2]]))).with_thresholds(np.array([0, 3, 400]))


def _codes(layer: Layer, n: int, seed: int) -> Codes:
    """Give codes of a layer's types: random values, and both ends of each."""
    rng = np.random.default_rng([seed, 1])
    low, high = layer.ends
    ends = np.where(rng.random((n, layer.size)) < 0.5, low, high)
    spread = 2.0 ** rng.uniform(-3, 4, (n, layer.size))
    return np.concatenate([nearest_codes(rng.normal(0, spread), layer.types), ends, low[None], high[None]])


# ---- rounding and saturation ----

MODES = [(rounding, overflow) for rounding in Rounding for overflow in Overflow]


@pytest.mark.slow
@pytest.mark.parametrize(("rounding", "overflow"), MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("fraction", [1, 3, 6])
def test_each_channel_rounds_and_overflows_as_its_own_type(
    rounding: Rounding, overflow: Overflow, fraction: int
) -> None:
    """Every code of 8 bits, ties included, as the rational rule for the type of its channel says."""
    each = [FixedPointType(w, i, s, rounding, overflow) for w, i, s in ((4, 2, True), (3, 3, True), (5, 1, False))]
    types = ChannelTypes((*each, each[0]))
    assert types.fraction == 4
    codes = np.repeat(np.arange(-128, 128)[:, None], 8, axis=1)  # two pixels of four channels
    found = requantize(codes, fraction, types)
    for place, of in enumerate((*types.each, *types.each)):
        expected = [round_to(value_of(code, fraction), of) for code in codes[:, place].tolist()]
        assert [value_of(code, types.fraction) for code in found[:, place].tolist()] == expected
        assert len(set(expected)) > 3
    values = values_of(codes, fraction)
    np.testing.assert_array_equal(nearest_codes(values, types), found)
    np.testing.assert_array_equal(codes_of(values_of(found, types.fraction), types), found)


def test_codes_of_a_channel_must_lie_on_its_own_grid() -> None:
    types = ChannelTypes((FixedPointType(4, 2), FixedPointType(4, 4)))
    assert codes_of(np.array([[0.25, 3.0]]), types).tolist() == [[1, 12]]
    with pytest.raises(InputError, match=r"the value .*0\.25.* is not representable as ap_fixed<4,4>"):
        codes_of(np.array([[0.25, 0.25]]), types)


def test_the_common_type_is_the_narrowest_on_the_finest_grid() -> None:
    types = ChannelTypes((FixedPointType(4, 4), FixedPointType(3, 1, signed=False), FixedPointType(2, 2)))
    assert (types.fraction, str(types.common)) == (2, "ap_fixed<6,4>")  # -8 .. 7 in quarters
    low, high = types.ends(6)
    assert (low.tolist(), high.tolist()) == ([-32, 0, -8] * 2, [28, 7, 4] * 2)
    assert ChannelTypes((FixedPointType(3, 3, False), FixedPointType(1, 0, False))).common == FixedPointType(
        4, 3, False
    )
    one = FixedPointType(5, 3, True, *EVEN_SAT)
    assert (one.common, one.channel(7), [end.tolist() for end in one.ends(2)]) == (one, one, [[-16, -16], [15, 15]])


def test_types_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InputError, match="2 types of channels were given for 3 values"):
        requantize(np.zeros((1, 3), dtype=np.int64), 0, ChannelTypes((FixedPointType(4, 2), FixedPointType(4, 3))))
    with pytest.raises(InputError, match="take 70 bits on one grid, more than 62; give them closer types"):
        ChannelTypes((FixedPointType(40, 40), FixedPointType(30, 0)))
    with pytest.raises(InputError, match="at least one channel"):
        ChannelTypes(())


# ---- whole networks ----


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [_dense_network, _image_network], ids=["dense", "images"])
def test_every_layer_is_the_rational_result(make: Any, seed: int) -> None:  # noqa: ANN401
    network = make(seed)
    assert sum(isinstance(layer.types, ChannelTypes) for layer in network.layers) >= 3
    events = _codes(network.layers[0], 6, seed)
    found = network.run(events)
    for row, codes in enumerate(events.tolist()):
        for name, expected in rational_values(network, codes).items():
            tensor, layer = found[name], network[name]
            assert [value_of(code, tensor.fraction) for code in tensor.codes[row].tolist()] == expected, name
            assert (layer.ends[0] <= tensor.codes[row]).all(), name
            assert (tensor.codes[row] <= layer.ends[1]).all(), name
            assert tensor.fraction == layer.types.fraction == layer.type.fraction


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [_dense_network, _image_network], ids=["dense", "images"])
def test_a_saved_network_is_the_same_and_lists_the_types(make: Any, seed: int, tmp_path: Path) -> None:  # noqa: ANN401
    network = make(seed)
    network.save(tmp_path / "golden.npz")
    loaded = IntegerNetwork.load(tmp_path / "golden.npz")
    events = _codes(network.layers[0], 10, seed)
    found, again = network.run(events), loaded.run(events)
    for mine, theirs in zip(network.layers, loaded.layers, strict=True):
        assert (type(mine), mine.types, mine.channel_types) == (type(theirs), theirs.types, theirs.channel_types)
        np.testing.assert_array_equal(found[mine.name].codes, again[mine.name].codes)
    with np.load(tmp_path / "golden.npz") as content:
        entries = json.loads(str(content["layers"]))
    for layer, entry in zip(network.layers, entries, strict=True):
        names = [str(of) for of in layer.types.each] if isinstance(layer.types, ChannelTypes) else str(layer.types)
        assert entry["type"] == names
    assert isinstance(next(entry for entry in entries if entry["kind"] == "dense")["kernel_type"], list)


def _corner_sums(layer: Dense, source: Layer) -> np.ndarray:
    """Give the sums of products of every corner of the inputs' types, in codes of the layer, without the bias."""
    corners = np.array(list(product(*zip(*source.ends, strict=True))))
    up = layer.types.fraction - source.types.fraction - layer.kernel_types.fraction
    return (corners @ layer.kernel) << up


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_are_those_of_the_corners_and_types_no_bit_wider(seed: int) -> None:
    network = _dense_network(seed)
    for name in ("hidden", "back"):
        layer, (source,) = network[name], network.sources(network[name])
        assert isinstance(layer, Dense)
        bias = layer.bias << (layer.types.fraction - layer.bias_types.fraction)
        sums = _corner_sums(layer, source) + bias
        assert layer.range([source]) == (sums.min(), sums.max())
        low, high = min(int(sums.min()), 0), max(int(sums.max()), 0)
        narrower = layer.type._replace(width=layer.type.width - 1)
        assert layer.type.min_code <= low <= high <= layer.type.max_code
        assert low < narrower.min_code or high > narrower.max_code or layer.type.width == 1
        wider = Dense.of(
            name, replace(source, types=source.type), (layer.kernel, layer.kernel_types), (layer.bias, layer.bias_types)
        )
        assert wider.type.width >= layer.type.width


def test_types_a_channel_give_narrower_sums_than_the_common_one() -> None:
    """By hand: a value of 4 bits and three of 2 bits, each times 1."""
    x = Input("x", (), 4, ChannelTypes((FixedPointType(4, 4), *[FixedPointType(2, 2)] * 3)))
    weights = (
        (np.ones((4, 1), dtype=np.int64), FixedPointType(2, 2)),
        (np.zeros(1, dtype=np.int64), FixedPointType(2, 2)),
    )
    assert Dense.of("sum", x, *weights).type == FixedPointType(5, 5)  # -8 - 3 * 2 = -14
    assert Dense.of("sum", replace(x, types=x.type), *weights).type == FixedPointType(6, 6)  # -32


@pytest.mark.parametrize("seed", SEEDS)
def test_partial_sums_reach_their_bounds_and_no_sum_of_magnitudes_passes_the_largest(seed: int) -> None:
    network = _dense_network(seed)
    layer, (source,) = network["hidden"], network.sources(network["hidden"])
    assert isinstance(layer, Dense)
    up = layer.types.fraction - source.types.fraction - layer.kernel_types.fraction
    bias = layer.bias << (layer.types.fraction - layer.bias_types.fraction)
    corners = np.array(list(product(*zip(*source.ends, np.zeros(4, dtype=np.int64), strict=True))))
    parts = (corners @ layer.kernel) << up
    every = np.concatenate([parts, parts + bias])
    assert layer.partial_sums([source]) == (every.min(), every.max())
    magnitudes = ((np.abs(corners) @ np.abs(layer.kernel)) << up) + np.abs(bias)
    assert layer.largest_sum([source]) == magnitudes.max()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_of_a_convolution_is_that_of_its_channels(seed: int) -> None:
    network = _image_network(seed)
    conv, (source,) = network["conv"], network.sources(network["conv"])
    assert isinstance(conv, Convolution)
    up = conv.types.fraction - source.types.fraction - conv.kernel_types.fraction
    peaks = np.abs(np.stack([end.reshape(-1, 2) for end in source.ends])).max(axis=(0, 1))  # (channels,)
    bias = np.abs(conv.bias) << (conv.types.fraction - conv.bias_types.fraction)
    sums = (np.einsum("hwcf,c->f", np.abs(conv.kernel), peaks) << up) + bias
    assert conv.largest_sum([source]) == sums.max()
    low, high = conv.range([source])
    found = network.run(_codes(network.layers[0], 300, seed))["conv"].codes
    assert low <= found.min() <= found.max() <= high


# ---- layers that take their types from others ----


def test_a_reshape_keeps_the_type_of_each_value() -> None:
    a, b, c = (FixedPointType(width, 2) for width in (3, 4, 5))
    image = Input("image", (), 12, ChannelTypes((a, b, c)), (2, 2, 3))
    assert Reshape.of("flat", image, (12,)).types == ChannelTypes((a, b, c) * 4)
    assert Reshape.of("flat", image, ()).types == ChannelTypes((a, b, c) * 4)
    assert Reshape.of("same", image, (4, 1, 3)).types == ChannelTypes((a, b, c))
    assert Reshape.of("wide", image, (1, 2, 6)).types == ChannelTypes((a, b, c) * 2)
    assert Reshape.of("mixed", image, (3, 2, 2)).types == image.types.common, "each channel has all three"
    assert Port.of("port", image).types == FixedPointType(5, 2)


# ---- floating point, weights that are loaded, stimulus, features ----


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [_dense_network, _image_network], ids=["dense", "images"])
def test_values_with_everything_quantized_are_those_of_the_codes(make: Any, seed: int) -> None:  # noqa: ANN401
    network = make(seed)
    weights = {
        layer.name: (
            values_of(layer.kernel, layer.kernel_types.fraction),
            values_of(layer.bias, layer.bias_types.fraction),
        )
        for layer in network.weighted
    }
    x = np.random.default_rng(seed).normal(0, 3, (50, network.layers[0].size))
    found = PartialNetwork(network, weights).run(x, frozenset(Part))
    for name, golden in network.run(nearest_codes(x, network.layers[0].types)).items():
        np.testing.assert_array_equal(found[name], values_of(golden.codes, golden.fraction), err_msg=name)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_weights_of_their_types_stay_within_the_sums(seed: int) -> None:
    network = make_reloadable(IntegerNetwork(_dense_network(seed).layers[:3]))
    layer = network["hidden"]
    assert isinstance(layer, Dense)
    assert isinstance(layer.kernel_types, ChannelTypes)
    assert all((of.rounding, of.overflow) == (Rounding.TRUNCATE, Overflow.WRAP) for of in layer.kernel_types.each)
    low, high = layer.kernel_types.ends(3)
    events = _codes(network.layers[0], 20, seed)
    for own in range(10):
        drawn = random_weights(network, own)
        kernel = drawn["hidden"].kernel
        np.testing.assert_array_equal(kernel.min(axis=0), low)
        np.testing.assert_array_equal(kernel.max(axis=0), high)
        found = with_weights(network, drawn).run(events)["hidden"].codes
        assert layer.type.min_code <= found.min() <= found.max() <= layer.type.max_code
    off = kernel.copy()
    off[0, 0] += 1  # its channel is two bits coarser than the grid
    with pytest.raises(InputError, match="the layer hidden takes"):
        with_weights(network, {"hidden": Weights(off, layer.bias)})


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stands_in_for_a_layer_are_codes_of_its_channels(seed: int) -> None:
    network = _image_network(seed)
    for name, codes in layer_codes(network, 3).items():
        types: Types = network[name].types
        low, high = network[name].ends
        if name == "zeros":  # the border stays 0
            source = network["features"]
            low, high = network[name].run([Tensor(np.stack(source.ends), source.types.fraction)]).codes
        if name == "conv":  # its sums of zeros are narrower than those of its type
            assert (codes.min(axis=0) >= low).all()
            assert (codes.max(axis=0) <= high).all()
        else:
            np.testing.assert_array_equal(codes.min(axis=0), low)
            np.testing.assert_array_equal(codes.max(axis=0), high)
        for place in range(network[name].size):
            assert not (codes[:, place] & ((1 << (types.fraction - types.channel(place).fraction)) - 1)).any(), name


@pytest.mark.parametrize("seed", SEEDS)
def test_hardware_integers_become_codes_of_their_own_types(seed: int) -> None:
    features = networks.feature_map()
    types = _types(np.random.default_rng(seed), len(features))
    hardware = networks.events(features, 50, seed)
    found = features.input_codes(hardware, types)
    for place, feature in enumerate(features.features):
        exact = [Fraction(int(code) - feature.offset) / Fraction(2) ** feature.shift for code in hardware[:, place]]
        expected = [round_to(value, types.channel(place)) for value in exact]
        assert [value_of(code, types.fraction) for code in found[:, place].tolist()] == expected


# ---- the forms of the firmware ----


def channel_trigger(seed: int) -> GoldenTrigger:
    """Give a trigger block whose inputs, weights, activations and outputs have a type a channel."""
    features: FeatureMap = networks.feature_map()
    rng, n = np.random.default_rng(seed), len(features)
    x = _inputs(rng, n)
    hidden = Dense.of("hidden", x, *_weights(rng, n, 4))
    relu = Relu.of("relu", hidden, _types(rng, 4, signed=False))
    back = Dense.of("back", relu, *_weights(rng, 4, n))
    out = Quantize.of("out", back, _types(rng, n))
    trigger = GoldenTrigger(features, IntegerNetwork((x, hidden, relu, back, out, SquaredError.of("score", [x, out]))))
    scores = np.sort(trigger.scores(networks.events(features, 300)))
    return trigger.with_thresholds(scores[[100, 250]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_rtl_takes_a_type_a_channel(seed: int) -> None:
    from fpgaae.rtl.trace import trace_layers, trace_trigger  # noqa: PLC0415

    trigger = channel_trigger(seed)
    hardware = networks.events(trigger.features, 400, seed)
    golden = trigger.run(hardware)
    names = [layer.name for layer in trigger.network.layers]
    found = trace_layers(trigger, names).predict(hardware.astype(np.float64), n_threads=1).astype(np.int64)
    np.testing.assert_array_equal(found, np.concatenate([golden[name].codes for name in names], axis=1))
    block = trace_trigger(trigger).logic.predict(hardware.astype(np.float64), n_threads=1).astype(np.int64)
    np.testing.assert_array_equal(block, trigger.score_and_decisions(hardware))
    assert len(np.unique(block[:, 0])) > 20


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("seed", range(2))
def test_the_emulator_takes_a_type_a_channel(seed: int, tmp_path: Path) -> None:
    from fpgaae.emulator.package import compile_package, open_binding, write_package  # noqa: PLC0415

    trigger = channel_trigger(seed)
    write_package(tmp_path, "it", trigger, networks.events(trigger.features, 20))
    compile_package(tmp_path, "it")
    hardware = networks.events(trigger.features, 700, seed)
    scores, accept = open_binding(tmp_path, "it").score(hardware)
    np.testing.assert_array_equal(
        np.concatenate([scores[:, None], accept], axis=1), trigger.score_and_decisions(hardware)
    )


def test_a_form_with_one_type_a_layer_says_so() -> None:
    network = channel_trigger(0).network
    with pytest.raises(InputError, match="the layer features has a type a channel, and an HLS project has one a layer"):
        refuse_channel_types(network, "an HLS project")
    weights = IntegerNetwork(tuple(replace(x, types=x.type) if x.name == "features" else x for x in network.layers))
    with pytest.raises(InputError, match="the layer hidden has a type a channel"):
        refuse_channel_types(weights, "an HLS project")
    refuse_channel_types(networks.random_network(networks.Score.MU_SQUARED, networks.feature_map()), "an HLS project")
