"""The traced trigger block in da4ml's interpreter against the golden network."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import networks
import numpy as np
import pytest
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.reloadable import make_reloadable
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.arithmetic import HARDWARE, exact_ranges
from fpgaae.rtl.trace import trace_layers, trace_trigger
from fpgaae.rtl.windows import mean


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_and_layer_equals_the_golden_codes(score: Score, seed: int) -> None:
    features = networks.feature_map()
    network = networks.random_network(score, features, seed)
    hardware = networks.events(features, 1000, seed)
    golden = networks.golden(network, features, hardware)
    assert len(np.unique(golden[:, 0])) >= 20
    assert set(golden[:, 1:].ravel()) == {0, 1}
    found = trace_trigger(GoldenTrigger(features, network)).logic.predict(hardware.astype(np.float64), n_threads=1)
    np.testing.assert_array_equal(found, golden)


@pytest.mark.parametrize("seed", [1, 2])
def test_convolutions_and_poolings_equal_the_golden_codes_in_every_layer(seed: int) -> None:
    features = networks.feature_map(6)
    network = networks.convolutional_network(features, seed)
    hardware = networks.events(features, 1000, seed)
    tensors = network.run(features.input_codes(hardware, network.input_type))
    names = [layer.name for layer in network.layers]
    found = (
        trace_layers(GoldenTrigger(features, network), names)
        .predict(hardware.astype(np.float64), n_threads=1)
        .astype(np.int64)
    )
    for layer in network.layers:
        own, found = found[:, : layer.size], found[:, layer.size :]
        np.testing.assert_array_equal(own, tensors[layer.name].codes, err_msg=layer.name)
        assert len(np.unique(own)) > 1
    assert found.shape[1] == 0


@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.MAX_ABSOLUTE_ERROR], ids=lambda score: score.value)
def test_a_score_that_compares_an_inner_layer_equals_the_golden_codes(score: Score) -> None:
    features = networks.feature_map()
    network = networks.embedded_network(features, score)
    assert network.score.inputs == ("embedding_quantized", "reconstruction_quantized")
    hardware = networks.events(features, 1000)
    found = trace_trigger(GoldenTrigger(features, network)).logic.predict(hardware.astype(np.float64), n_threads=1)
    golden = networks.golden(network, features, hardware)
    assert len(np.unique(golden[:, 0])) >= 20
    np.testing.assert_array_equal(found, golden)


@pytest.mark.parametrize("shift", [1, 4])
def test_slopes_below_zero_equal_the_golden_codes_in_every_layer(shift: int) -> None:
    features = networks.feature_map()
    network = networks.leaky_network(features, shift)
    hardware = networks.events(features, 1000)
    tensors = network.run(features.input_codes(hardware, network.input_type))
    names = [layer.name for layer in network.layers]
    found = trace_layers(GoldenTrigger(features, network), names).predict(hardware.astype(np.float64), n_threads=1)
    golden = np.concatenate([tensors[name].codes for name in names], axis=1)
    np.testing.assert_array_equal(found, golden)
    assert tensors["hidden_leaky"].codes.min() < 0 < tensors["hidden_leaky"].codes.max()


def test_tables_equal_the_golden_codes_in_every_layer() -> None:
    features = networks.feature_map()
    network = networks.tables_network(features)
    hardware = networks.events(features, 1000)
    tensors = network.run(features.input_codes(hardware, network.input_type))
    names = [layer.name for layer in network.layers]
    found = trace_layers(GoldenTrigger(features, network), names).predict(hardware.astype(np.float64), n_threads=1)
    golden = np.concatenate([tensors[name].codes for name in names], axis=1)
    np.testing.assert_array_equal(found, golden)
    assert all(len(np.unique(tensors[name].codes)) > 5 for name in names[:-1])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("more_bits", [3, 5])
def test_a_mean_is_cut_off_towards_zero(n: int, more_bits: int) -> None:
    codes = np.stack(np.meshgrid(*[np.array([-16, -5, -1, 0, 1, 6, 15])] * min(n, 4)), axis=-1).reshape(-1, min(n, 4))
    codes = np.concatenate([codes] * 2, axis=1)[:, :n]
    with exact_ranges():
        ports = FixedVariableArrayInput((n,), HARDWARE)
        variables = [port.quantize(True, 4, 0) for port in ports._vars]
        logic = comb_trace(ports, FixedVariableArray(np.array([mean(variables, more_bits)], dtype=object)))
    found = logic.predict(codes.astype(np.float64), n_threads=1)[:, 0]
    expected = [int(Fraction(int(sum(row)) << more_bits, n)) for row in codes.tolist()]  # int() cuts off
    np.testing.assert_array_equal(found, expected)


def test_a_changed_weight_is_seen() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.SQUARED_ERROR, features)
    hardware = networks.events(features, 1000)
    hidden = network["hidden"]
    kernel = hidden.kernel.copy()
    kernel[0, 0] += 1
    changed = IntegerNetwork(tuple(replace(x, kernel=kernel) if x is hidden else x for x in network.layers))
    found = trace_trigger(GoldenTrigger(features, changed)).logic.predict(hardware.astype(np.float64), n_threads=1)
    assert (found != networks.golden(network, features, hardware)).any()


def test_a_network_without_thresholds_is_refused() -> None:
    features = networks.feature_map()
    network = IntegerNetwork(networks.random_network(Score.MU_SQUARED, features).layers[:-1])
    with pytest.raises(InputError, match="no thresholds; run the stage `convert`"):
        trace_trigger(GoldenTrigger(features, network))


def test_weights_that_are_loaded_are_refused() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features, 1)
    with pytest.raises(
        InputError, match=r"are loaded at run time: each .* set firmware\.reloadable_weights to false, or"
    ):
        trace_trigger(GoldenTrigger(features, make_reloadable(network)))


def test_codes_that_are_too_wide_are_refused() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    wide = tuple(
        replace(layer, types=layer.type._replace(width=54)) if layer.name == "score" else layer
        for layer in network.layers
    )
    with pytest.raises(InputError, match="the layer score has 54 bits"):
        trace_trigger(GoldenTrigger(features, IntegerNetwork(wide)))


def test_an_unknown_kind_of_layer_is_refused_by_name() -> None:
    class Other(Layer):
        run = values = None  # type: ignore[assignment]

    Other.kind = "pooling"  # set afterwards, so that it is no kind of the golden network
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    layers = tuple(
        Other(layer.name, layer.inputs, layer.size, layer.types) if layer.name == "hidden_relu" else layer
        for layer in network.layers
    )
    with pytest.raises(InputError, match="the layer hidden_relu of kind pooling can't be traced to RTL yet"):
        trace_trigger(GoldenTrigger(features, IntegerNetwork(layers)))
