"""Quantizers become fixed-point types in one place, and what has no exact form is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, small_model, variational

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.golden.scores.base import score_class

pytestmark = pytest.mark.usefixtures("tensorflow")


def _type(text: str) -> FixedPointType:
    import qkeras  # noqa: PLC0415

    from fpgaae.models.quantizers import quantizer_type  # noqa: PLC0415

    return quantizer_type(qkeras.get_quantizer(text), "here")


@pytest.mark.parametrize(
    ("quantizer", "expected"),
    [
        ("quantized_bits(8,3,0,alpha=1)", FixedPointType(8, 4, True, Rounding.HALF_EVEN, Overflow.SATURATE)),
        ("quantized_bits(4,0,1,alpha=1)", FixedPointType(4, 1, True, Rounding.HALF_EVEN, Overflow.SATURATE_SYMMETRIC)),
        ("quantized_relu(8,3)", FixedPointType(8, 3, False, Rounding.HALF_EVEN, Overflow.SATURATE)),
    ],
)
def test_a_quantizer_is_its_type(quantizer: str, expected: FixedPointType) -> None:
    assert _type(quantizer) == expected


@pytest.mark.parametrize(
    "quantizer",
    [
        "quantized_bits(8,3,0)",
        "quantized_bits(8,3,0,alpha='auto')",
        "quantized_bits(8,3,0,alpha='auto_po2')",
        "quantized_bits(8,3,0,alpha=1,keep_negative=False)",
        "quantized_relu(8,3,negative_slope=0.25)",
        "quantized_po2(4)",
        "ternary()",
    ],
)
def test_a_quantizer_without_an_exact_form_is_refused(quantizer: str) -> None:
    with pytest.raises(InputError, match="of the layer here has no exact fixed-point form; use quantized_bits"):
        _type(quantizer)


@pytest.mark.parametrize("kind", ["signed", "relu"])
@pytest.mark.parametrize("bits", [2, 5, 8, 12])
def test_the_type_rounds_and_saturates_as_the_quantizer_does(kind: str, bits: int) -> None:
    """QKeras itself, on a grid 8 times finer and on twice the range, against the type's arithmetic."""
    import qkeras  # noqa: PLC0415

    from fpgaae.fixedpoint import requantize, values_of  # noqa: PLC0415
    from fpgaae.models.quantizers import qkeras_text  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth  # noqa: PLC0415

    width = ResolvedWidth(bits, 2)
    text = qkeras_text(width.signed() if kind == "signed" else width.rectified())
    to = _type(text)
    fine = to.fraction + 3
    reach = 1 << (to.width + 4)
    codes = np.arange(-reach if kind == "signed" else 0, reach)
    quantized = np.asarray(qkeras.get_quantizer(text)(np.ldexp(codes.astype(np.float32), -fine)))
    np.testing.assert_array_equal(values_of(requantize(codes, fine, to), to.fraction), quantized)


@pytest.mark.slow
def test_the_layers_of_a_network(random_network: Callable[..., RandomNetwork]) -> None:
    network = random_network(variational((6, 4), 2), 9).network
    described = [(layer.name, layer.kind, layer.inputs, layer.size) for layer in network.layers]
    assert described == [
        ("features", "input", (), 9),
        ("encoder_1", "dense", ("features",), 6),
        ("encoder_1_relu", "relu", ("encoder_1",), 6),
        ("encoder_2", "dense", ("encoder_1_relu",), 4),
        ("encoder_2_relu", "relu", ("encoder_2",), 4),
        ("mu", "dense", ("encoder_2_relu",), 2),
        ("mu_quantized", "quantize", ("mu",), 2),
        ("score", "mu_squared", ("mu_quantized",), 1),
    ]
    score = random_network(autoencoder((6,), 3), 9).network.score
    assert score.inputs == ("features", "reconstruction_quantized")


@pytest.mark.slow
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_a_score_reads_the_layers_that_it_is_defined_by(
    random_network: Callable[..., RandomNetwork], score: Score
) -> None:
    network = random_network(small_model(score, (4,), 2), 6).network
    inputs = {
        Score.MU_SQUARED: ("mu_quantized",),
        Score.MU_SQUARED_OVER_VARIANCE: ("mu_quantized", "log_variance_quantized"),
        Score.KL_DIVERGENCE: ("mu_quantized", "log_variance_quantized"),
        Score.REGRESSION: ("output_relu",),
    }
    assert network.score is network.layers[-1]
    assert network.score.kind == score.value
    assert type(network.score) is score_class(score)
    assert network.score.inputs == inputs.get(score, ("features", "reconstruction_quantized"))
    assert not network.score.type.signed, "no score is negative"


def test_the_table_of_another_type_than_that_of_log_variance_is_refused() -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation  # noqa: PLC0415

    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.score_layers import KlDivergenceScore  # noqa: PLC0415

    def model(argument: str) -> Any:  # noqa: ANN401
        features = tf_keras.layers.Input((3,), name="features")
        x = QActivation("quantized_bits(8,3,0,alpha=1)", name="features_quantized")(features)
        y = QActivation("quantized_bits(6,2,0,alpha=1)", name="log_variance_quantized")(x)
        return tf_keras.Model(features, KlDivergenceScore(argument, 4, name="score")([x, y]))

    assert extract_network(model("ap_fixed<6,3,AP_RND_CONV,AP_SAT>")).score.kind == "kl_divergence"
    for argument in ("ap_fixed<6,4,AP_RND_CONV,AP_SAT>", "ap_fixed<7,3,AP_RND_CONV,AP_SAT>", "ap_ufixed<6,3>"):
        with pytest.raises(
            InputError, match=r"a table over ap_u?fixed<.*, but its second input has the type ap_fixed<6,3"
        ):
            extract_network(model(argument))


def test_features_that_do_not_part_into_slots_are_refused() -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation  # noqa: PLC0415

    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.score_layers import MaskedSquaredErrorScore  # noqa: PLC0415

    features = tf_keras.layers.Input((4,), name="features")
    x = QActivation("quantized_bits(8,3,0,alpha=1)", name="features_quantized")(features)
    layer = MaskedSquaredErrorScore([0.0, 0.0], name="score")
    score = layer([x, x])
    layer.empty = [0.0, 0.0, 0.0]
    with pytest.raises(InputError, match="can't part 4 features into 3 slots"):
        extract_network(tf_keras.Model(features, score))


def test_weight_codes_are_the_quantized_weights(random_network: Callable[..., RandomNetwork]) -> None:
    model, network = random_network(variational((6, 4), 2), 9)
    for name in ("encoder_1", "encoder_2", "mu"):
        kernel, bias = model.get_layer(name).get_weights()
        layer = network[name]
        assert layer.kernel_type is not None
        scaled = kernel.astype(np.float64) * 2.0**layer.kernel_type.fraction
        expected = np.clip(np.rint(scaled), layer.kernel_type.min_code, layer.kernel_type.max_code)
        np.testing.assert_array_equal(layer.kernel, expected)
        assert (expected != scaled).any(), "the weights were off the grid"
        assert layer.bias.shape == bias.shape


def _chain(*layers: Any) -> Any:  # noqa: ANN401
    """Make a model of layers behind an input of three features."""
    import tf_keras  # noqa: PLC0415

    x = features = tf_keras.layers.Input((3,), name="features")
    for layer in layers:
        x = layer(x)
    return tf_keras.Model(features, x)


def test_what_has_no_integer_form_is_refused_by_name() -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    from fpgaae.models.extract import extract_network  # noqa: PLC0415

    def quantized() -> Any:  # noqa: ANN401
        return QActivation("quantized_bits(8,3,0,alpha=1)", name="features_quantized")

    def dense(**options: Any) -> Any:  # noqa: ANN401
        kernel = "quantized_bits(8,0,0,alpha=1)"
        return QDense(2, name="mu", **{"kernel_quantizer": kernel, "bias_quantizer": kernel} | options)

    for layers, message in (
        ((quantized(), tf_keras.layers.Dense(2, name="mu")), "the layer mu is a Dense"),
        ((dense(),), "the input of the layer mu has no quantizer"),
        ((quantized(), dense(use_bias=False)), "the layer mu has no bias"),
        ((quantized(), dense(bias_quantizer=None)), "the bias of the layer mu is not quantized"),
        ((quantized(), dense(kernel_quantizer=None)), "the kernel of the layer mu is not quantized"),
        ((quantized(), tf_keras.layers.BatchNormalization(name="norm")), "the layer norm is a BatchNormalization"),
    ):
        with pytest.raises(InputError, match=message):
            extract_network(_chain(*layers))
    assert extract_network(_chain(quantized(), dense())).layers[-1].name == "mu"


def test_a_setting_that_is_not_known_is_refused_by_its_name(
    random_network: Callable[..., RandomNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415

    model = random_network(autoencoder((4,), 2), 6).model
    assert extract_network(model).layers
    layer = next(layer for layer in model.layers if type(layer).__name__ == "QDense")
    config = layer.get_config()
    monkeypatch.setattr(layer, "get_config", lambda: {**config, "sharpness": 3})
    with pytest.raises(InputError, match=f"the layer {layer.name} has the setting sharpness=3, which is not known"):
        extract_network(model)
