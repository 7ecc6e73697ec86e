"""A ReLU of Keras with a slope or a largest value is what it computes, or refused by its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_import
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.simplify import simplify


def _network(**settings: Any) -> NetworkDescription:  # noqa: ANN401
    weights = {"kernel": np.eye(3), "bias": np.zeros(3)}
    layers = (
        LayerDescription("x", "InputLayer", (), {"batch_shape": (None, 3)}),
        LayerDescription("a", "Dense", ("x",), {"units": 3}, weights),
        LayerDescription("it", "ReLU", ("a",), settings),
        LayerDescription("b", "Dense", ("it",), {"units": 3}, weights),
    )
    return NetworkDescription(layers, ("b",))


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({"negative_slope": 0.25, "threshold": 0.0, "max_value": None}, "LeakyReLU", {"negative_slope": 0.25}),
        ({"negative_slope": 0.3}, "FunctionActivation", {"function": "leaky_relu", "parameter": 0.3}),
        ({"max_value": 6, "negative_slope": 0}, "FunctionActivation", {"function": "clipped_relu", "parameter": 6.0}),
        ({"max_value": None, "negative_slope": 0.0}, "ReLU", {}),
    ],
)
def test_a_rectifier_is_what_it_computes(settings: dict[str, Any], kind: str, expected: dict[str, Any]) -> None:
    network = _network(**settings)
    found = simplify(network)["it"]
    assert (found.kind, found.settings) == (kind, expected)
    assert lint_import(network, Conversion()) == ()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"max_value": 6, "negative_slope": 0.1},
            "max_value and negative_slope, .* leave max_value or negative_slope out",
        ),
        ({"negative_slope": 0.25, "threshold": 1}, "negative_slope and threshold"),
        ({"max_value": 6, "threshold": 1}, "max_value and threshold"),
    ],
)
def test_what_is_no_table_is_refused_by_its_settings(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"the layer it is a ReLU with {said}"):
        simplify(_network(**settings))
    assert [found.severity.value for found in lint_import(_network(**settings), Conversion())] == ["error"]
