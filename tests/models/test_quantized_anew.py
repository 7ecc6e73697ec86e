"""What a QKeras model computes before it is rounded: that of every quantizer is kept, or refused by its name."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_import
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.simplify import simplify, without_quantizers

_WEIGHTS = "quantized_bits(6,0,0,alpha=1)"


def _network(activation: str) -> NetworkDescription:
    """Describe two dense layers, with a quantizer between them."""
    settings = {"units": 3, "kernel_quantizer": _WEIGHTS, "bias_quantizer": _WEIGHTS}
    weights = {"kernel": np.eye(3) / 2, "bias": np.zeros(3)}
    layers = (
        LayerDescription("x", "InputLayer", (), {"batch_shape": (None, 3)}),
        LayerDescription("inputs", "QActivation", ("x",), {"activation": "quantized_bits(9,4,0,alpha=1)"}),
        LayerDescription("a", "QDense", ("inputs",), settings, weights),
        LayerDescription("it", "QActivation", ("a",), {"activation": activation}),
        LayerDescription("b", "QDense", ("it",), settings, weights),
    )
    return NetworkDescription(layers, ("b",))


@pytest.mark.parametrize(
    ("activation", "kinds"),
    [
        ("quantized_bits(6,2,0,alpha=1)", ["Dense", "Dense"]),
        ("quantized_bits(6,2,alpha='auto_po2')", ["Dense", "Dense"]),
        ("quantized_bits(6,2,keep_negative=0,alpha=1)", ["Dense", "ReLU", "Dense"]),
        ("quantized_linear(6,2,keep_negative=False)", ["Dense", "ReLU", "Dense"]),
        ("quantized_relu(6,2)", ["Dense", "ReLU", "Dense"]),
        ("relu", ["Dense", "ReLU", "Dense"]),
    ],
)
def test_what_a_quantizer_does_besides_rounding_is_kept(activation: str, kinds: list[str]) -> None:
    network = _network(activation)
    twin, _ = without_quantizers(simplify(network))
    assert [layer.kind for layer in twin.layers[1:]] == kinds
    assert lint_import(network, Conversion(), quantize=True) == ()


@pytest.mark.parametrize(
    "activation",
    [
        "quantized_relu(6,2,negative_slope=0.25)", "quantized_relu(6,2,relu_upper_bound=3.0)",
        "quantized_relu(6,2,use_sigmoid=1)", "quantized_bits(1,0,alpha=1)", "quantized_relu_po2(4,2)", "binary",
        "ternary", "quantized_hswish(6,2)", "relu6", "quantized_sigmoid(6,use_stochastic_rounding=True)",
    ],
)  # fmt: skip
def test_what_no_float_layer_gives_is_refused(activation: str) -> None:
    network = _network(activation)
    with pytest.raises(InputError, match=r"the layer it is .*, of which no float layer gives the values"):
        without_quantizers(simplify(network))
    (found,) = lint_import(network, Conversion(), quantize=True)
    assert found.rule == "not-importable"
