"""Names of layers that C++ or hls4ml does not take, or that two layers have, are replaced in a simplified model."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_import
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.onnx_reader import layer_name
from fpgaae.models.simplify import simplify
from fpgaae.names import HLS4ML_TYPES


def _network(*names: str, activation: str | None = None) -> NetworkDescription:
    """Describe dense layers of these names, one behind the other."""
    layers = [LayerDescription("x", "InputLayer", (), {"batch_shape": (None, 4)})]
    for name in names:
        weights = {"kernel": np.eye(4), "bias": np.zeros(4)}
        settings = {"units": 4, "activation": activation}
        layers.append(LayerDescription(name, "Dense", (layers[-1].name,), settings, weights, of_file=name))
    return NetworkDescription(tuple(layers), (names[-1],))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("double", "auto", "1st"), ["layer_double", "layer_auto", "layer_1st"]),
        (("input", "inputs"), ["input_layer", "inputs"]),
        (("result", "bias", "enc_bias"), ["result_layer", "Bias", "enc_Bias"]),
        (("conv", "conv_depthwise", "conv_table"), ["conv", "conv_depthwise", "conv_table_layer"]),
        (
            ("layer2", "layer_2", "tables", "unbiased", "a_scale"),
            ["layer2_layer", "layer_2", "tables", "unBiased", "a_scale_layer"],
        ),
        (("enc-1", "enc_1", "enc 1"), ["enc_1", "enc_1_2", "enc_1_2_2"]),
        (("a" * 130,), ["a" * 80]),
        (("Dense", "dense"), ["Dense", "dense"]),
    ],
)
def test_names_become_such_that_every_target_takes_them(names: tuple[str, ...], expected: list[str]) -> None:
    network = _network(*names)
    simple = simplify(network)
    assert [layer.name for layer in simple.layers[1:]] == expected
    assert [layer.of_file for layer in simple.layers[1:]] == list(names)
    assert [layer.inputs for layer in simple.layers[1:]] == [(layer.name,) for layer in simple.layers[:-1]]
    assert simple.outputs == (expected[-1],)
    assert lint_import(network, Conversion()) == ()


def test_a_layer_may_be_called_as_the_activation_inside_another() -> None:
    network = _network("enc", "enc_relu", activation="relu")
    simple = simplify(network)
    assert [layer.name for layer in simple.layers[1:]] == ["enc", "enc_relu_2", "enc_relu", "enc_relu_relu"]
    assert [layer.inputs for layer in simple.layers[2:]] == [("enc",), ("enc_relu_2",), ("enc_relu",)]
    assert simple.outputs == ("enc_relu_relu",)
    assert lint_import(network, Conversion()) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("serving_default:0", "serving_default_0"), ("input", "input_layer"), ("double", "node_double"), ("7", "node_7"),
     ("//", "node")],
)  # fmt: skip
def test_names_of_graphs_become_such_that_every_target_takes_them(name: str, expected: str) -> None:
    assert layer_name(name) == expected


@pytest.mark.slow
def test_the_types_of_hls4ml_are_known() -> None:
    from hls4ml.model.attributes import TypeAttribute  # noqa: PLC0415 - imports TensorFlow
    from hls4ml.model.layers import layer_map  # noqa: PLC0415

    types = {one.name for kind in set(layer_map.values()) for one in kind.expected_attributes
             if isinstance(one, TypeAttribute)}  # fmt: skip
    assert types, "hls4ml says its types elsewhere now"
    assert {name.removesuffix("_t") for name in types} <= HLS4ML_TYPES
