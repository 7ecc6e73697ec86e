"""Activations that become tables: read from files of either Keras, and from QKeras with the type of their argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.architecture import describe_model
from fpgaae.models.calibrate import Quantizers, quantized, quantizer_sites
from fpgaae.models.model_file import read_model_file
from fpgaae.models.simplify import simplify, without_quantizers

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]

_SIGNED = FixedPointType(8, 4, True, Rounding.HALF_EVEN, Overflow.SATURATE)
_NAMES = ("sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "exponential", "hard_sigmoid")
_OF_KERAS_3 = ("relu6", "leaky_relu", "hard_tanh")


def _api(version: str) -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    return keras if version == "keras_3" else tf_keras


def _every_activation(api: Any, names: tuple[str, ...]) -> Any:  # noqa: ANN401
    """One model with all of them, inside layers and as layers, the last layer puts out what all do."""
    layers = api.layers
    slope = {"negative_slope": 0.3} if api.__name__ == "keras" else {"alpha": 0.3}
    x = features = api.Input((6,), name="features")
    for name in names:
        x = layers.Activation(name)(layers.Dense(6, activation=name, name=f"inside_{name}")(x))
    x = layers.ReLU(max_value=0.75)(layers.Dense(6)(x))
    x = layers.ELU(alpha=0.5)(layers.Dense(6)(layers.LeakyReLU(**slope)(layers.Dense(6)(x))))
    return api.Model(features, x)


@pytest.mark.parametrize("version", ["keras_2", "keras_3"])
def test_every_activation_of_a_file_is_that_of_its_keras(version: str, tmp_path: Path) -> None:
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    api = _api(version)
    names = _NAMES + (_OF_KERAS_3 if version == "keras_3" else ())
    model, rng = _every_activation(api, names), np.random.default_rng(2)
    model.set_weights([rng.uniform(-1.5, 1.5, weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    described = simplify(read_model_file(tmp_path / "model.keras"))
    found = [layer.settings["function"] for layer in described.layers if layer.kind == "FunctionActivation"]
    assert len(set(found)) == len(names) + (2 if version == "keras_2" else 0)
    assert ("hard_sigmoid_by_6" in found) == (version == "keras_3")
    events = rng.normal(0, 2, (50, 6)).astype(np.float32)
    expected = np.asarray(model(events))
    assert expected.std() > 0.01
    np.testing.assert_allclose(np.asarray(rebuild(described)(events)), expected, rtol=1e-4, atol=1e-5)


def _rounded(*activations: str) -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation  # noqa: PLC0415

    x = features = tf_keras.Input((1,), name="features")
    for index, activation in enumerate(activations):
        x = QActivation(activation, name=f"a{index}")(x)
    return tf_keras.Model(features, x)


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        ("quantized_sigmoid(6)", "TableActivation"),
        ("quantized_sigmoid(7,use_real_sigmoid=True)", "TableActivation"),
        ("quantized_tanh(5,use_real_tanh=True)", "TableActivation"),
        ("quantized_tanh(5,0,1,1)", "TableActivation"),
        ("quantized_tanh(6)", "QActivation"),
        ("quantized_tanh(6,symmetric=1)", "QActivation"),
    ],
)
def test_a_rounded_function_of_qkeras_gives_the_values_of_qkeras_for_every_code(activation: str, kind: str) -> None:
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    model = _rounded("quantized_bits(8,3,0,alpha=1)", activation)
    described = simplify(describe_model(model))
    assert described["a1"].kind == kind
    codes = np.arange(-128, 128)[:, None] / 16
    np.testing.assert_array_equal(rebuild(described)(codes), model(codes))
    twin, _ = without_quantizers(described)
    assert ("a1" in {layer.name for layer in twin.layers}) == (kind == "TableActivation")


@pytest.mark.parametrize(
    "activations",
    [
        ("quantized_sigmoid(6)",),  # nothing is rounded in front of it
        ("quantized_bits(13,3,0,alpha=1)", "quantized_sigmoid(6)"),  # by too many bits
        ("quantized_bits(8,3,0,alpha=1)", "quantized_sigmoid(6,symmetric=1)"),  # it never puts out 0
        ("quantized_bits(8,3,0,alpha=1)", "quantized_tanh(6,use_stochastic_rounding=True)"),
    ],
)
def test_one_that_no_table_gives_stays_what_it_was(activations: tuple[str, ...]) -> None:
    described = simplify(describe_model(_rounded(*activations)))
    assert {layer.kind for layer in described.layers} == {"InputLayer", "QActivation"}


def test_a_table_is_over_the_codes_of_what_stands_in_front_of_it() -> None:
    import tf_keras  # noqa: PLC0415
    from tf_keras import layers  # noqa: PLC0415

    x = features = tf_keras.Input((6,), name="features")
    x = layers.Reshape((3, 2), name="image")(layers.Dense(6, name="a")(x))
    x = layers.Flatten(name="flat")(layers.Activation("tanh", name="t")(x))
    x = layers.Activation("sigmoid", name="s")(layers.ReLU(name="r")(layers.Dense(2, name="b")(x)))
    twin = simplify(describe_model(tf_keras.Model(features, x)))
    sites = quantizer_sites(twin)
    assert [(site.layer, site.quantizer, site.signed, [str(f) for f in site.read_by]) for site in sites] == [
        ("a", "a_quantized", True, ["tanh"]),
        ("t", "t", True, []),
        ("b", "r", False, ["sigmoid"]),
        ("s", "s", False, []),
    ]

    def planned(bits: int) -> Any:  # noqa: ANN401
        types = {site.quantizer: _SIGNED._replace(width=bits + i) for i, site in enumerate(sites)}
        return quantized(twin, sites, Quantizers(_SIGNED, types, {"a": _SIGNED, "b": _SIGNED}))

    table = planned(9)["t"]
    assert table.settings["argument"] == "ap_fixed<9,4,AP_RND_CONV,AP_SAT>"
    assert table.settings["result"] == "ap_fixed<10,4,AP_RND_CONV,AP_SAT>"
    with pytest.raises(
        InputError, match=r"the layer s becomes a table of sigmoid over 13 bits, and one takes at most 12"
    ):
        planned(11)
