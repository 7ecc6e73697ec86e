"""The golden network is the trained Keras model, and a golden network that is not is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, random_events, small_model, variational

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Rounding
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.record import as_json

Build = Callable[..., RandomNetwork]
_EVENTS = 300


@pytest.fixture(scope="module")
def small(random_network: Build) -> RandomNetwork:
    return random_network(autoencoder((6, 4), 3), 9)


@pytest.fixture(autouse=True)
def _third_party_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check(model: Any, network: IntegerNetwork, n_events: int = _EVENTS) -> dict[str, Any]:  # noqa: ANN401
    from fpgaae.hls.keras_check import KerasComparison  # noqa: PLC0415

    comparison = KerasComparison(model, network)
    events = random_events(network.input_type, network.layers[0].size, n_events)
    comparison.add(events.values, events.input_codes)
    return as_json(comparison.result())


def _with(network: IntegerNetwork, name: str, **changes: Any) -> IntegerNetwork:  # noqa: ANN401
    return IntegerNetwork(tuple(replace(x, **changes) if x.name == name else x for x in network.layers))


@pytest.mark.slow
def test_the_golden_network_equals_keras_in_float64_and_float32(small: RandomNetwork) -> None:
    result = _check(*small)
    assert result["float64_differing_values"] == 0
    assert result["events"] == _EVENTS + 2
    assert [layer["name"] for layer in result["float32"]] == [layer.name for layer in small.network.layers]
    for layer in result["float32"]:
        assert layer["holds_every_value"], "8-bit weights and activations fit 24 bits"
        assert (layer["differing_values"], layer["largest_difference"]) == (0, 0.0)


@pytest.mark.parametrize(
    "score",
    [
        Score.KL_DIVERGENCE,
        *(pytest.param(score, marks=pytest.mark.slow) for score in Score if score is not Score.KL_DIVERGENCE),
    ],
    ids=lambda score: score.value,
)
def test_every_score_in_keras_equals_its_integers(random_network: Build, score: Score) -> None:
    made = random_network(small_model(score, (5,)), 9)
    assert _check(*made)["float64_differing_values"] == 0
    events = random_events(made.network.input_type, 9, _EVENTS)
    different = len(np.unique(made.network.run(events.input_codes)["score"].codes))
    assert different > (8 if score is Score.REGRESSION else _EVENTS / 4)  # of a rectified output of 8 bits


@pytest.mark.slow
@pytest.mark.parametrize("model", [autoencoder((32, 16), 8), variational((32, 16), 3)], ids=["ae", "vae"])
def test_the_default_shapes_equal_keras(random_network: Build, model: Any) -> None:  # noqa: ANN401
    result = _check(*random_network(model, 57), n_events=2000)
    assert result["float64_differing_values"] == 0
    for layer in result["float32"]:
        assert layer["differing_values"] == 0 or not layer["holds_every_value"]


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["encoder_1", "latent", "reconstruction"])
def test_one_weight_code_too_much_is_caught(small: RandomNetwork, layer: str) -> None:
    kernel = small.network[layer].kernel.copy()
    codes = random_events(small.network.input_type, 9, _EVENTS).input_codes
    inputs = small.network.run(codes)[small.network[layer].inputs[0]].codes
    kernel[np.abs(inputs).sum(axis=0).argmax(), 0] += 1
    with pytest.raises(CheckFailed, match=f"layer {layer}, channel 0"):
        _check(small.model, _with(small.network, layer, kernel=kernel))


@pytest.mark.slow
def test_one_bias_code_too_much_is_caught(small: RandomNetwork) -> None:
    bias = small.network["latent"].bias.copy()
    bias[2] -= 1
    with pytest.raises(CheckFailed, match="layer latent, channel 2"):
        _check(small.model, _with(small.network, "latent", bias=bias))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "rounding"),
    [
        ("encoder_1_relu", Rounding.TRUNCATE),
        ("latent_quantized", Rounding.HALF_UP),
        ("reconstruction_quantized", Rounding.TRUNCATE),
    ],
    ids=["relu-TRN", "latent-RND", "reconstruction-TRN"],
)
def test_another_rounding_is_caught(small: RandomNetwork, layer: str, rounding: Rounding) -> None:
    wrong = small.network[layer].type._replace(rounding=rounding)
    with pytest.raises(CheckFailed, match=f"layer {layer},"):
        _check(small.model, _with(small.network, layer, types=wrong), n_events=3000)


@pytest.mark.slow
def test_another_width_is_caught(small: RandomNetwork) -> None:
    kind = small.network["encoder_1_relu"].type
    narrower = kind._replace(width=kind.width - 1, integer=kind.integer - 1)
    with pytest.raises(CheckFailed, match="layer encoder_1_relu,"):
        _check(small.model, _with(small.network, "encoder_1_relu", types=narrower))


@pytest.mark.slow
def test_what_float32_cannot_hold_is_counted_and_float64_stays_exact(random_network: Build) -> None:
    """16-bit weights times 16-bit activations pass 24 bits: how often Keras' own prediction is off is reported."""
    result = _check(*random_network(autoencoder((16,), 4), 57, bits=16, input_bits=16))
    assert result["float64_differing_values"] == 0
    layers = {layer["name"]: layer for layer in result["float32"]}
    assert layers["features"]["holds_every_value"]
    assert layers["features"]["differing_values"] == 0
    for name in ("encoder_1", "score"):
        assert not layers[name]["holds_every_value"]
        assert layers[name]["differing_values"] > 0
        assert layers[name]["largest_difference"] > 0


@pytest.mark.slow
def test_float32_that_differs_where_it_must_not_is_an_error(small: RandomNetwork) -> None:
    from fpgaae.hls.keras_check import KerasComparison  # noqa: PLC0415

    comparison = KerasComparison(*small)
    events = random_events(small.network.input_type, 9, 50)
    comparison.add(events.values, events.input_codes)
    comparison._differing["latent"] += 1
    with pytest.raises(CheckFailed, match="1 values of latent, which float32 holds"):
        comparison.result()


@pytest.mark.slow
def test_the_widest_inputs_are_no_error(random_network: Build) -> None:
    """Off-grid values of 24-bit inputs do not fit float32 before they are rounded; that is not the model's fault."""
    result = _check(*random_network(variational((4,), 2), 6, input_bits=24))
    assert result["float64_differing_values"] == 0
