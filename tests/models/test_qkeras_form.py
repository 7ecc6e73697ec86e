"""QKeras models as they are published become the form that the firmware takes, and compute what their files do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.keras_layers import Role
from fpgaae.models.model_file import read_model_file
from fpgaae.models.prepare import Prepared, prepare_network

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
INPUTS = FixedPointType(10, 6, True, Rounding.HALF_EVEN, Overflow.SATURATE)
_WEIGHTS = "quantized_bits(6,1,0,alpha=1)"
_QUANTIZERS = {"kernel_quantizer": _WEIGHTS, "bias_quantizer": _WEIGHTS}


def _plain(x: Any) -> Any:  # noqa: ANN401
    from qkeras import QActivation, QDense  # noqa: PLC0415

    x = QDense(5, activation="quantized_relu(7,3)", name="a", **_QUANTIZERS)(x)
    return QActivation("quantized_bits(9,4,0,alpha=1)", name="out")(QDense(12, name="b", **_QUANTIZERS)(x))


def _reshaped(x: Any) -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QConv2D  # noqa: PLC0415

    x = tf_keras.layers.Reshape((4, 3, 1), name="image")(x)
    x = tf_keras.layers.ZeroPadding2D(((1, 0), (0, 1)), name="zeros")(x)
    x = QActivation("quantized_bits(8,3,0,alpha=1)", name="inputs")(x)
    x = QConv2D(2, (2, 2), name="conv", **_QUANTIZERS)(x)
    x = tf_keras.layers.Flatten(name="flat")(QActivation("quantized_relu(7,3)", name="act")(x))
    return _plain(x)


def _normalized(x: Any) -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    x = QActivation("quantized_bits(9,4,0,alpha=1)", name="inputs")(x)
    x = tf_keras.layers.BatchNormalization(name="norm")(QDense(6, use_bias=False, name="first", **_QUANTIZERS)(x))
    return _plain(QActivation("quantized_relu(7,3)", name="act")(x))


def _prepare(build: Callable[[Any], Any], folder: Path) -> tuple[Prepared, Any]:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    features, rng = tf_keras.layers.Input((12,), name="features"), np.random.default_rng(4)
    model = tf_keras.Model(features, build(features))
    model.set_weights([rng.uniform(0.2, 1.4, w.shape) * rng.choice([1, -1], w.shape) ** (w.ndim > 1)
                       for w in model.get_weights()])  # fmt: skip
    model.save(folder / "model.h5")
    given = read_model_file(folder / "model.h5")
    prepared = prepare_network(given, INPUTS, quantize=False)

    def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
        return {mode: evaluate_file(file, x, folder, mode) for mode in rounded}

    found = check_prepared(folder / "model.h5", given, prepared, rng.normal(size=(40, 12)), evaluate)
    assert prepared.quantized is not None
    reader = prepared.quantized.readers("features")
    assert [layer.role for layer in reader] == [Role.ROUND]
    return prepared, found


def test_the_config_gives_the_type_of_inputs_that_are_not_rounded(tmp_path: Path) -> None:
    prepared, found = _prepare(_plain, tmp_path)
    assert prepared.inputs == INPUTS
    assert found.largest == 0
    assert prepared.tensors == {"features_quantized": "features", "a_relu": "a_relu", "out": "b"}


def test_a_quantizer_behind_what_moves_values_goes_in_front(tmp_path: Path) -> None:
    prepared, found = _prepare(_reshaped, tmp_path)
    assert prepared.quantized is not None
    assert [layer.name for layer in prepared.quantized.layers[:4]] == ["features", "inputs", "image", "zeros"]
    assert prepared.inputs is None
    assert found.largest == 0
    assert "inputs" in found.layers


def test_a_normalization_is_folded_with_the_widths_of_the_model(tmp_path: Path) -> None:
    prepared, found = _prepare(_normalized, tmp_path)
    assert prepared.is_folded
    assert {"norm", "act", "b"} <= set(found.layers), "the float twin is the file's own graph"
    assert prepared.quantized is not None
    kernel = prepared.quantized["first"].quantizers["kernel"]
    assert kernel is not None
    assert kernel.whole("bits") == 6
    assert prepared.quantized["a"].settings["kernel_quantizer"] is not None
    assert prepared.tensors["act"] == "act"
    assert not any(layer.role is Role.NORMALIZE for layer in prepared.quantized.layers)
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    x = np.random.default_rng(5).normal(size=(200, 12)).astype(np.float32)
    exact, coded = rebuild(prepared.twin), rebuild(prepared.quantized)
    y = exact.predict(x, verbose=0)
    error = np.abs(coded.predict(x, verbose=0) - y)
    assert 0 < np.median(error) < 0.1 * np.median(np.abs(y)), "few bits, and what saturates, are all that is lost"
