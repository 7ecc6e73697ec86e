"""`fpgaae lint MODEL` and `fpgaae import` judge a model alike, and damage in a file is one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from lint_models import NARROW, SIGNED, by_hand, dense, encoder, layer, quantizer

from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.models import lint_import
from fpgaae.hls.lint.run import lint_target, refuse_errors
from fpgaae.models.architecture import describe_model
from fpgaae.models.model_file import read_model_file


def _dense(name: str, units: int, source: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    config = {"name": name, "dtype": "float32", "units": units, "activation": "relu", "use_bias": True, **settings}
    return {"class_name": "Dense", "name": name, "config": config, "inbound_nodes": [[[source, 0, 0, {}]]]}


def _model(**settings: Any) -> dict[str, Any]:  # noqa: ANN401
    """Give the architecture of two float layers, some settings of the first changed."""
    start = {"name": "x", "batch_input_shape": [None, 6], "dtype": "float32"}
    layers = [
        {"class_name": "InputLayer", "name": "x", "config": start, "inbound_nodes": []},
        _dense("a", settings.pop("units", 4), "x", **settings),
        _dense("b", 6, "a", activation="linear"),
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["b", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def _write(file: Path, architecture: dict[str, Any], kernel: Any = None) -> Path:  # noqa: ANN401
    with h5py.File(file, "w") as content:
        content.attrs["model_config"] = json.dumps(architecture)
        group = content.create_group("model_weights")
        group["a/a/kernel:0"] = np.full((6, 4), 0.5, dtype="f4") if kernel is None else kernel
        group["a/a/bias:0"], group["b/b/bias:0"] = np.zeros(4, dtype="f4"), np.zeros(6, dtype="f4")
        group["b/b/kernel:0"] = np.full((4, 6), 0.5, dtype="f4")
    return file


def _errors(file: Path) -> list[Finding]:
    (report,) = lint_target(file, file.parent)
    return [finding for finding in report.findings if finding.severity is Severity.ERROR]


def test_a_float_model_that_import_takes_is_clean(tmp_path: Path) -> None:
    (report,) = lint_target(_write(tmp_path / "m.h5", _model()), tmp_path)
    assert report.findings == ()


@pytest.mark.parametrize(
    ("settings", "rule", "said"),
    [
        ({"activation": "gelu"}, "not-importable", "the layer a has the activation 'gelu', which has no"),
        ({"dtype": "mixed_float16"}, "layer-setting", "dtype='mixed_float16'"),
        ({"lora_rank": 4}, "layer-setting", "lora_rank=4"),
        ({"sharpness": 4}, "setting-unknown", "sharpness=4"),
        ({"units": 10**6}, "weights-damaged", "of the layer a has the shape (6, 4) instead of (6, 1000000)"),
        ({"units": 0}, "layer-setting", "units=0"),
    ],
)  # fmt: skip
def test_what_import_refuses_is_an_error(settings: dict[str, Any], rule: str, said: str, tmp_path: Path) -> None:
    error = _errors(_write(tmp_path / "m.h5", _model(**settings)))[0]
    assert error.rule == rule
    assert said in str(error)


def test_a_float_layer_that_is_called_twice_is_only_that() -> None:
    weights = {"kernel": np.ones((6, 6)), "bias": np.zeros(6)}
    model = by_hand(layer("a", "Dense", "q", units=6).changed(n_calls=2, weights=weights)).model
    assert [found.rule for found in lint_import(model, Conversion())] == ["shared-layer"]


@pytest.mark.parametrize(
    ("kind", "sources", "rule"),
    [
        ("Multiply", ("q",), "unsupported-layer"),
        ("Multiply", ("q", "x"), "merged-branches"),
        ("TFOpLambda", ("q",), "unsupported-layer"),
        ("Lambda", ("q",), "lambda-layer"),
    ],
)
def test_an_operation_of_tensorflow_is_no_lambda_and_joins_no_constant(
    kind: str, sources: tuple[str, ...], rule: str
) -> None:
    (found,) = lint_import(by_hand(layer("it", kind, *sources)).model, Conversion())
    assert found.rule == rule


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (np.full((6, 4), np.nan, dtype="f4"), "is not finite"),
        (np.full((6, 4), np.inf, dtype="f4"), "is not finite"),
        (np.full((6, 4), 3e38, dtype="f4"), "has values up to 3e+38"),
        (h5py.Empty("f4"), "it lacks the kernel of the layer a"),
        (np.full((6, 4), b"x"), "it lacks the kernel of the layer a"),
        (np.zeros((4, 6), dtype="f4"), "has the shape (4, 6) instead of (6, 4)"),
        (np.float32(1), "has the shape () instead of (6, 4)"),
    ],
    ids=["nan", "inf", "huge", "empty", "text", "turned", "number"],
)
def test_weights_are_compared_with_the_layers_before_anything_is_built(kernel: Any, said: str, tmp_path: Path) -> None:  # noqa: ANN401
    (error,) = _errors(_write(tmp_path / "m.h5", _model(), kernel))
    assert error.rule == "weights-damaged"
    assert said in error.found


def test_a_config_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    from fpgaae.errors import InputError  # noqa: PLC0415

    file = _write(tmp_path / "m.h5", _model())
    with h5py.File(file, "a") as content:
        content.attrs["model_config"] = np.arange(5)
    with pytest.raises(InputError, match=r"m\.h5 holds no readable model: its model_config is no text"):
        read_model_file(file)


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("make", "rules"),
    [
        (encoder, set()),
        (lambda: encoder(encoder_1=dense("encoder_1", activation="quantized_relu(6,2)"), encoder_1_relu=None), set()),
        (lambda: encoder(encoder_1=dense("encoder-1", use_bias=False)), set()),
        (lambda: encoder(encoder_1_relu=quantizer("r", "quantized_relu(6,2,use_sigmoid=1)")), {"quantizer-option"}),
        (lambda: encoder(mu_quantized=quantizer("m", "quantized_bits(8,2,0,alpha=1,qnoise_factor=0.5)")),
         {"quantizer-option"}),
        (lambda: encoder(mu=dense("mu", 3, kernel_quantizer="quantized_bits(8,0,0,alpha=1,use_stochastic_rounding=1)")),
         {"quantizer-option"}),
        (lambda: encoder(encoder_1=dense("encoder_1", kernel_quantizer="quantized_bits(8,2,alpha='auto')")),
         {"alpha-auto"}),
        (lambda: encoder(features_quantized=None), set()),  # the config knows the type
        (lambda: encoder(encoder_1=dense("encoder_1", activation="relu"), encoder_1_relu=None),
         {"layer-not-quantized"}),
    ],
)  # fmt: skip
def test_a_qkeras_model_is_judged_as_import_takes_it(make: Callable[[], Any], rules: set[str]) -> None:
    found = lint_import(describe_model(make()), Conversion())
    assert {finding.rule for finding in found if finding.severity is Severity.ERROR} == rules


@pytest.mark.usefixtures("tensorflow")
def test_to_quantize_anew_is_another_matter() -> None:
    model = describe_model(encoder(mu_quantized=quantizer("m", "quantized_bits(8,2,0,alpha='auto')")))
    assert lint_import(model, Conversion())
    assert lint_import(model, Conversion(), quantize=True) == ()


@pytest.mark.usefixtures("tensorflow")
def test_what_stands_in_nested_models_is_looked_at() -> None:
    import tf_keras  # noqa: PLC0415

    def nested(of: str) -> Any:  # noqa: ANN401
        inner = tf_keras.Sequential([tf_keras.layers.Input((6,)), dense("inside"), quantizer("end", of)], name="it")
        return describe_model(encoder(encoder_1=[inner], encoder_1_relu=None))

    assert lint_import(nested(SIGNED), Conversion()) == ()
    (finding,) = lint_import(nested("quantized_bits(8,2,1,alpha=1)"), Conversion())
    assert (finding.rule, finding.layer) == ("activation-symmetric", "end")


@pytest.mark.parametrize("quantized", ["kernel_quantizer", "bias_quantizer"])
def test_weights_with_negative_integer_bits_are_refused_in_one_sentence(quantized: str) -> None:
    """QKeras can't even build such a layer, so that import must not try."""
    weights = {"kernel_quantizer": NARROW, "bias_quantizer": NARROW, quantized: "quantized_bits(8,-2,0,alpha=1)"}
    dense_layer = layer("it", "QDense", "q", units=2, use_bias=True, **weights)
    arrays = {"kernel": np.ones((6, 2), dtype=np.float32), "bias": np.ones(2, dtype=np.float32)}
    model = by_hand(dense_layer.changed(weights=arrays)).model
    found = lint_import(model, Conversion())
    assert [(finding.rule, finding.layer) for finding in found] == [("negative-integer-bits", "it")]
    with pytest.raises(InputError, match=r"negative powers of integers.*set its integer bits to 0") as caught:
        refuse_errors("model.h5", found, InputError)
    assert "\n" not in str(caught.value)
