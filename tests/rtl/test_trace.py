"""The traced trigger block in da4ml's interpreter against the golden network."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import networks
import numpy as np
import pytest

from fpgaae.config import Score
from fpgaae.errors import InputError
from fpgaae.models.integer import IntegerNetwork
from fpgaae.rtl.trace import trace_trigger


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_and_layer_equals_the_golden_codes(score: Score, seed: int) -> None:
    features = networks.feature_map()
    network = networks.random_network(score, features, seed)
    hardware = networks.events(features, 1000, seed)
    golden = networks.golden(network, features, hardware)
    assert len(np.unique(golden[:, 0])) >= 20
    assert set(golden[:, 1:].ravel()) == {0, 1}
    found = trace_trigger(network, features).logic.predict(hardware.astype(np.float64), n_threads=1)
    np.testing.assert_array_equal(found, golden)


def test_a_changed_weight_is_seen() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.SQUARED_ERROR, features)
    hardware = networks.events(features, 1000)
    hidden = network["hidden"]
    kernel = hidden.kernel.copy()
    kernel[0, 0] += 1
    changed = IntegerNetwork(tuple(replace(x, kernel=kernel) if x is hidden else x for x in network.layers))
    found = trace_trigger(changed, features).logic.predict(hardware.astype(np.float64), n_threads=1)
    assert (found != networks.golden(network, features, hardware)).any()


def test_a_network_without_thresholds_is_refused() -> None:
    features = networks.feature_map()
    network = IntegerNetwork(networks.random_network(Score.MU_SQUARED, features).layers[:-1])
    with pytest.raises(InputError, match="no thresholds; run the stage `convert`"):
        trace_trigger(network, features)


def test_codes_that_are_too_wide_are_refused() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    wide = tuple(
        replace(layer, type=layer.type._replace(width=54)) if layer.name == "score" else layer
        for layer in network.layers
    )
    with pytest.raises(InputError, match="the layer score has 54 bits"):
        trace_trigger(IntegerNetwork(wide), features)


def test_an_unknown_kind_of_layer_is_refused_by_name() -> None:
    class Other(str, Enum):
        POOLING = "pooling"

        @property
        def is_score(self) -> bool:
            return False

    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    layers = tuple(
        replace(layer, kind=Other.POOLING) if layer.name == "hidden_relu" else layer  # type: ignore[arg-type]
        for layer in network.layers
    )
    with pytest.raises(InputError, match="the layer hidden_relu of kind pooling can't be traced to RTL yet"):
        trace_trigger(IntegerNetwork(layers), features)
