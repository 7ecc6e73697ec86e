"""Types that hold the sums of any weights, other weights for a network, and which layer holds the latents."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow
from fpgaae.golden.latents import LATENTS_LAYER, find_latents, with_latents
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantize
from fpgaae.golden.layers.weighted import Convolution, Dense
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.reloadable import Weights, make_reloadable, random_weights, with_random_weights, with_weights
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.golden.windows import Window

_INPUT = FixedPointType(4, 2)  # codes -8 .. 7
_WEIGHT = FixedPointType(3, 1)  # codes -4 .. 3
_HIDDEN = FixedPointType(5, 3, signed=False)


def _codes(*shape: int) -> np.ndarray:
    return np.ones(shape, dtype=np.int64)


def _dense() -> IntegerNetwork:
    """Three inputs to two mu, whose trained weights are all one LSB."""
    x = Input("features", (), 3, _INPUT)
    dense = Dense.of("mu", x, (_codes(3, 2), _WEIGHT), (_codes(2), _WEIGHT))
    mu = Quantize("mu_quantized", ("mu",), 2, FixedPointType(4, 2))
    score = MuSquared("score", ("mu_quantized",), 1, FixedPointType(8, 4, signed=False))
    return IntegerNetwork((x, dense, mu, score))


def _image() -> IntegerNetwork:
    """A convolution of 2 x 1 with zeros around, its maximum, and its mean."""
    x = Input("features", (), 4, _INPUT, (4, 1, 1))
    window = Window((4, 1, 1), (2, 1), padding=(0, 1, 0, 0))
    conv = Convolution.of("conv", x, (_codes(2, 1, 1, 2), _WEIGHT), (_codes(2), _WEIGHT), window)
    pools = Window((4, 1, 2), (2, 1), (2, 1))
    highest = MaxPooling.of("pool", conv, pools)
    mean = AveragePooling.of("mean", highest, Window((2, 1, 2), (2, 1), (2, 1)), rounded_to=0)
    return IntegerNetwork((x, conv, highest, mean))


def test_a_dense_layer_holds_the_sums_of_any_weights() -> None:
    """By hand: 3 products between -8 * 3 = -24 and -8 * -4 = 32 on a grid of 2**-4, and biases of -16 to 12 there."""
    network = _dense()
    assert network["mu"].type == FixedPointType(6, 2), "the trained sums: -20 to 25"
    made = make_reloadable(network)
    assert made["mu"].type == FixedPointType(8, 4), "-88 to 108"
    assert made["mu_quantized"].type == network["mu_quantized"].type
    lowest = with_weights(made, {"mu": Weights(np.full((3, 2), 3), np.full(2, -4))})
    highest = with_weights(made, {"mu": Weights(np.full((3, 2), -4), np.full(2, 3))})
    inputs = np.full((1, 3), -8)
    assert lowest.run(inputs)["mu"].codes.tolist() == [[-88, -88]]
    assert highest.run(inputs)["mu"].codes.tolist() == [[108, 108]]
    assert made["mu"].largest_sum([made["features"]]) == 3 * 8 * 4 + 16


def test_a_convolution_and_what_stands_behind_it_hold_the_sums_of_any_weights() -> None:
    made = make_reloadable(_image())
    assert made["conv"].type == FixedPointType(8, 4), "two products and a bias: -64 to 76"
    assert made["pool"].type == made["conv"].type
    assert made["mean"].type == FixedPointType(9, 4)
    inputs = np.array([[-8, -8, 7, 7], [7, -8, 7, -8]])
    for seed in range(20):
        loaded = with_random_weights(made, seed)
        for name, found in loaded.run(inputs).items():
            of = made[name].type
            assert of.min_code <= found.codes.min() <= found.codes.max() <= of.max_code


def test_random_weights_reach_both_ends_and_follow_from_the_seed() -> None:
    network = make_reloadable(_dense())
    drawn = random_weights(network, 5)
    assert set(drawn) == {"mu"}
    assert (drawn["mu"].kernel.min(), drawn["mu"].kernel.max()) == (-4, 3)
    assert (drawn["mu"].bias.min(), drawn["mu"].bias.max()) == (-4, 3)
    assert np.array_equal(drawn["mu"].kernel, random_weights(network, 5)["mu"].kernel)
    assert not np.array_equal(drawn["mu"].kernel, random_weights(network, 6)["mu"].kernel)


def test_a_port_takes_the_code_that_a_symmetric_quantizer_leaves_out() -> None:
    x = Input("features", (), 3, _INPUT)
    symmetric = _WEIGHT._replace(overflow=Overflow.SATURATE_SYMMETRIC)
    dense = Dense.of("mu", x, (_codes(3, 2), symmetric), (_codes(2), symmetric))
    assert make_reloadable(IntegerNetwork((x, dense)))["mu"].kernel_type == _WEIGHT


def test_weights_that_do_not_fit_are_refused() -> None:
    made = make_reloadable(_dense())
    for kernel in (np.full((3, 2), 4), np.full((3, 2), -5), np.zeros((2, 3), dtype=np.int64)):
        with pytest.raises(InputError, match=r"the layer mu takes \(3, 2\) codes of ap_fixed<3,1>"):
            with_weights(made, {"mu": Weights(kernel, _codes(2))})
    with pytest.raises(InputError, match="the weights of the layer mu can't be reloaded"):
        with_weights(_dense(), {"mu": Weights(_codes(3, 2), _codes(2))})


def test_sums_that_no_quantizer_bounds_are_refused_in_front_of_a_score() -> None:
    x, dense, _, score = _dense().layers
    direct = IntegerNetwork((x, dense, MuSquared("score", ("mu",), 1, score.type)))
    with pytest.raises(InputError, match="the score score reads sums of reloadable weights; put a QActivation"):
        make_reloadable(direct)


def test_a_saved_network_is_still_reloadable(tmp_path: pytest.TempPathFactory) -> None:
    file = tmp_path / GOLDEN_FILE  # type: ignore[operator]
    network = with_latents(make_reloadable(_dense()))
    network.save(file)
    read = IntegerNetwork.load(file)
    assert read.reloadable
    assert [layer.name for layer in read.layers] == ["features", "mu", "mu_quantized", "latents", "score"]
    assert read["mu"].type == network["mu"].type
    assert not IntegerNetwork((read["features"],)).reloadable


def test_the_latents_are_what_the_score_reads_as_mu() -> None:
    network = with_latents(_dense())
    assert find_latents(network).name == "mu_quantized"
    inputs = np.array([[7, 7, 7], [-8, 0, 3]])
    found = network.run(inputs)
    assert np.array_equal(found[LATENTS_LAYER].codes, found["mu_quantized"].codes)
    injected = {"mu_quantized": np.array([[5, -3], [1, 2]])}
    assert np.array_equal(network.run(inputs, injected)[LATENTS_LAYER].codes, injected["mu_quantized"])


@pytest.mark.parametrize(("middle", "found"), [("latent", "wide_quantized"), ("bottleneck", "narrow_quantized")])
def test_the_latents_of_an_autoencoder_go_by_name_then_by_size(middle: str, found: str) -> None:
    layers = [Input("features", (), 6, _INPUT)]
    for name, quantized, size in ((middle, "wide", 4), ("decoder_1", "narrow", 3), ("reconstruction", "output", 6)):
        source = layers[-1]
        layers.append(Dense.of(name, source, (_codes(source.size, size), _WEIGHT), (_codes(size), _WEIGHT)))
        layers.append(Quantize.of(f"{quantized}_quantized", layers[-1], _INPUT))
    score = SquaredError("score", ("features", "output_quantized"), 1, FixedPointType(12, 8))
    assert find_latents(IntegerNetwork((*layers, score))).name == found
