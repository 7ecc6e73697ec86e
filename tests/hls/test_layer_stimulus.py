"""The codes that drive each layer: they reach every end, tie, table entry and threshold, and stay in the types."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from rational_network import whole_network

from fpgaae.config.model import Score
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, type_for_range
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.moved import Reshape, ZeroPadding
from fpgaae.golden.layers.rounding import Input, Quantize, Relu
from fpgaae.golden.layers.weighted import Convolution, Dense
from fpgaae.golden.network import ACCEPT_LAYER, IntegerNetwork
from fpgaae.golden.windows import Window
from fpgaae.hls.layer_stimulus import layer_codes, n_layer_rows


class Driven(NamedTuple):
    """A network and the codes that stand in for its layers' outputs."""

    network: IntegerNetwork
    codes: dict[str, Codes]

    def readers(self, kind: type[Layer]) -> list[tuple[Layer, Codes]]:
        """Give the layers of a kind and what they read first."""
        return [(layer, self.codes[layer.inputs[0]]) for layer in self.network.layers if isinstance(layer, kind)]


@pytest.fixture(scope="module", params=Score, ids=lambda score: score.value)
def driven(request: pytest.FixtureRequest) -> Driven:
    network = whole_network(request.param)
    return Driven(network, layer_codes(network, seed=3))


def test_every_layer_but_the_decisions_is_driven_within_its_type(driven: Driven) -> None:
    assert list(driven.codes) == [layer.name for layer in driven.network.layers if layer.name != ACCEPT_LAYER]
    for name, codes in driven.codes.items():
        layer = driven.network[name]
        assert codes.shape == (n_layer_rows(driven.network), layer.size)
        assert codes.dtype == np.int64
        assert codes.min() == layer.type.min_code
        assert codes.max() == layer.type.max_code
        for end in (layer.type.min_code, layer.type.max_code):
            assert (codes == end).all(axis=1).any(), "every value at once"


def test_the_largest_and_the_smallest_sum_of_each_unit_are_reached_exactly(driven: Driven) -> None:
    dense = driven.readers(Dense)
    found = driven.network.run(driven.codes["features"], driven.codes)
    for layer, _ in dense:
        assert layer.kernel_type is not None
        assert layer.bias_type is not None
        source = driven.network[layer.inputs[0]].type
        up = layer.type.fraction - source.fraction - layer.kernel_type.fraction
        bias = layer.bias << (layer.type.fraction - layer.bias_type.fraction)
        ends = np.stack([layer.kernel * source.min_code, layer.kernel * source.max_code])
        sums = found[layer.name].codes
        np.testing.assert_array_equal(sums.max(axis=0), (ends.max(axis=0).sum(axis=0) << up) + bias)
        np.testing.assert_array_equal(sums.min(axis=0), (ends.min(axis=0).sum(axis=0) << up) + bias)
        narrower = layer.type._replace(width=layer.type.width - 1)
        assert sums.max() > narrower.max_code or sums.min() < narrower.min_code, "the derived type is used up"
        assert layer.type.min_code <= sums.min() <= sums.max() <= layer.type.max_code
    assert len(dense) == len([x for x in driven.network.layers if isinstance(x, Dense)]) > 1


def test_the_largest_score_that_the_types_allow_is_reached(driven: Driven) -> None:
    """A sum that is one bit too narrow for it would else show nothing: other events stay far below."""
    network = driven.network
    score = network.score
    types = [network[name].type for name in score.inputs]
    inputs = np.array(list(product(*((of.min_code, of.max_code) for of in types))))
    ends = [Tensor(np.repeat(column[:, None], network[score.inputs[0]].size, axis=1), of.fraction)
            for column, of in zip(inputs.T, types, strict=True)]  # fmt: skip
    largest = score.run(ends).codes.max()
    found = network.run(driven.codes["features"], driven.codes)["score"].codes
    assert found.max() == largest
    assert found.max() > score.type.max_code // 4


def _ties(codes: Codes, source: FixedPointType, to: FixedPointType) -> Codes:
    """Give the codes of `to` just below the codes that lie half way between two, within the range."""
    drop = source.fraction - to.fraction
    half = 1 << (drop - 1)
    kept = codes >> drop
    inside = (kept > to.min_code) & (kept < to.max_code - 1)
    return kept[((codes & ((1 << drop) - 1)) == half) & inside]


@pytest.mark.parametrize("kind", [Relu, Quantize], ids=lambda kind: kind.kind)
def test_every_rounding_ties_above_an_even_and_an_odd_code_and_saturates(driven: Driven, kind: type[Layer]) -> None:
    for layer, codes in driven.readers(kind):
        source = driven.network[layer.inputs[0]].type
        drop = source.fraction - layer.type.fraction
        assert drop > 0, "the test would prove nothing"
        ties = _ties(codes, source, layer.type)
        assert {0, 1} <= set((ties % 2).tolist()), layer.name
        around_zero = range(max(layer.type.min_code + 1, -32), min(layer.type.max_code - 1, 32))
        assert set(around_zero) <= set(ties.tolist()), f"{layer.name}: a tie above each code"
        scaled = codes / 2.0**drop
        for end in (layer.type.min_code, layer.type.max_code):
            beside = scaled - end
            assert ((beside > 0) & (beside < 0.5)).any(), f"{layer.name}: just above {end}"
            assert ((beside > -0.5) & (beside < 0)).any(), f"{layer.name}: just below {end}"
        assert (scaled > layer.type.max_code + 1).any()
        assert (scaled < layer.type.min_code - 1).any()


def test_both_sides_of_each_threshold_and_the_threshold_itself_occur(driven: Driven) -> None:
    accept = driven.network[ACCEPT_LAYER]
    scores = set(driven.codes[driven.network.score.name][:, 0].tolist())
    of = driven.network.score.type
    for code in accept.thresholds.tolist():
        assert {c for c in (code - 1, code, code + 1) if of.min_code <= c <= of.max_code} <= scores
    decided = driven.network.run(driven.codes["features"], driven.codes)[ACCEPT_LAYER].codes
    assert decided.max(axis=0).tolist() == [1] * (accept.size - 1) + [0], "the last threshold is the largest code"
    assert decided.min(axis=0).tolist() == [0] * accept.size


def test_a_dense_layer_gets_only_codes_that_its_weights_can_make() -> None:
    """hls4ml drops the bits that no sum uses: with weights that are multiples of 4 and a bias of 8, two of them."""
    network = whole_network(Score.MU_SQUARED)
    mu = network["mu"]
    coarse = replace(mu, kernel=mu.kernel // 4 * 4, bias=mu.bias // 8 * 8)
    nothing = replace(mu, kernel=mu.kernel * 0, bias=mu.bias * 0)
    for layer, unit in ((coarse, 4), (nothing, 2**mu.type.width), (mu, 1)):
        layers = tuple(layer if other.name == "mu" else other for other in network.layers)
        codes = layer_codes(IntegerNetwork(layers), seed=3)["mu"]
        assert np.bitwise_or.reduce(codes.ravel()) & (unit - 1) == 0
        assert unit > mu.type.max_code or (codes & unit).any()


@pytest.mark.parametrize("score", [score for score in Score if score.needs_variance], ids=lambda score: score.value)
def test_every_entry_of_a_table_is_looked_up(score: Score) -> None:
    network = whole_network(score)
    argument = network.score.inputs[1]
    of = network[argument].type
    for column in layer_codes(network, seed=3)[argument].T:
        assert set(column.tolist()) == set(range(of.min_code, of.max_code + 1))


def test_every_slot_is_at_above_and_below_the_pt_of_an_empty_one() -> None:
    network = whole_network(Score.MASKED_SQUARED_ERROR)
    codes = layer_codes(network, seed=3)["features"]
    empty = network.score.empty.codes
    size = codes.shape[1] // len(empty)
    for above in (-1, 0, 1):
        assert (codes[:, ::size] == empty + above).all(axis=1).any()


def test_random_codes_are_seeded_and_of_every_magnitude(driven: Driven) -> None:
    same, other = layer_codes(driven.network, seed=3), layer_codes(driven.network, seed=4)
    for name, codes in driven.codes.items():
        np.testing.assert_array_equal(codes, same[name])
        assert (codes != other[name]).any()
        magnitudes = {int(code).bit_length() for code in np.abs(codes).ravel()}
        width = driven.network[name].type.width - driven.network[name].type.signed
        assert set(range(width + 1)) <= magnitudes


def test_what_goes_into_a_sum_at_full_width_stays_within_what_can_arrive_there() -> None:
    """Zeros around an image are zeros, and a sum that another one reads is one that its inputs give."""
    of, weights = FixedPointType(4, 2), FixedPointType(5, 3)
    kernel = np.array([[[[3, -2]]], [[[1, 0]]]])
    source = Input("x", (), 4, of, shape=(2, 2, 1))
    zeros = ZeroPadding.of("zeros", source, Window((2, 2, 1), (1, 1), padding=(1, 0, 0, 1)))
    first = Convolution.of("first", zeros, (kernel, weights), (np.array([5, -7]), weights), Window((3, 3, 1), (2, 1)))
    flat = Reshape.of("flat", first, ())
    second = Dense.of("second", flat, (np.ones((12, 1), dtype=np.int64), weights), (np.array([1]), weights))
    network = IntegerNetwork((source, zeros, first, flat, second, Quantize.of("rounded", second, of)))
    codes = layer_codes(network, seed=1)
    padded = zeros.places(4) < 0
    assert padded.sum() == 5
    assert not codes["zeros"][:, padded].any()
    assert codes["zeros"][:, ~padded].min() == of.min_code
    every = np.array(list(product((of.min_code, of.max_code), repeat=4)))  # sums are largest at such corners
    sums = network.run(every)["first"].codes
    np.testing.assert_array_equal(codes["first"].min(axis=0), sums.min(axis=0))
    np.testing.assert_array_equal(codes["first"].max(axis=0), sums.max(axis=0))
    low, high = second.ends_of_sums(first, sums.min(axis=0), sums.max(axis=0))
    of = type_for_range(int(low.min()), int(high.max()), 0)
    assert (codes["second"].min(), codes["second"].max()) == (of.min_code, of.max_code), "as hls4ml types the sum"
