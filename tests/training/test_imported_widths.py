"""Biases and offsets far larger than the weights do not cost an imported network its precision."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fpgaae.config.model import Width
from fpgaae.fixedpoint import parse_type
from fpgaae.models.calibrate import Site, quantized, quantizer_sites
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.runs.results.train import RoundingError

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
_N = 12


def _chain(*weights: tuple[Any, Any]) -> NetworkDescription:
    """Give dense layers with these kernels and biases."""
    layers = [LayerDescription("x", "InputLayer", (), {"batch_shape": (None, _N)})]
    for index, (kernel, bias) in enumerate(weights):
        settings = {"units": kernel.shape[1], "use_bias": True, "activation": None}
        arrays = {"kernel": kernel.astype(np.float32), "bias": np.broadcast_to(bias, kernel.shape[1:]).astype("f4")}
        layers.append(LayerDescription(f"dense_{index}", "Dense", (layers[-1].name,), settings, arrays))
    return NetworkDescription(tuple(layers), (layers[-1].name,))


class _Config:
    """What is asked of a config: 8 bits for weights and activations, 10 for inputs."""

    class quantization:  # noqa: N801
        inputs = ResolvedWidth(10, 3)

    @staticmethod
    def weight_width(_: str) -> Width:
        return Width(bits=8)


def _errors(network: NetworkDescription, x: NDArray[np.float32]) -> dict[str, RoundingError]:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415
    from fpgaae.training.imported_widths import range_of, resolve_activation, resolve_imported  # noqa: PLC0415

    twin, sites = rebuild(network), quantizer_sites(network)
    exact = dict(zip([s.quantizer for s in sites], _layers(tf_keras, twin, [s.tensor for s in sites], x), strict=True))
    widths = {name: resolve_activation(Width(bits=8), range_of(values, 1e-4)) for name, values in exact.items()}
    config: Any = _Config
    _, quantizers = resolve_imported(config, network, sites, widths)
    coded = rebuild(quantized(network, sites, quantizers))
    found = _layers(tf_keras, coded, list(exact), x)
    result = {}
    for (name, values), codes in zip(exact.items(), found, strict=True):
        error = QuantizationError(quantizers.activations[name])
        error.add(values, codes)
        result[name] = error.entry()
    return result


def _layers(keras: Any, model: Any, names: list[str], x: NDArray[np.float32]) -> list[NDArray[np.float32]]:  # noqa: ANN401
    found = keras.Model(model.input, [model.get_layer(name).output for name in names]).predict_on_batch(x)
    return found if isinstance(found, list) else [found]


@pytest.fixture
def events() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(2000, _N)).astype(np.float32)


def test_the_identity_through_large_biases_is_one(events: NDArray[np.float32]) -> None:
    eye = np.eye(_N)
    errors = _errors(_chain((0.1 * eye, 20.0), (10 * eye, -200.0)), events)
    assert all(error.sqnr_db is not None and error.sqnr_db > 30 for error in errors.values()), errors
    assert parse_type(errors["dense_0_quantized"].type).width > 8, "the offset has bits of its own"
    assert parse_type(errors["dense_1_quantized"].type).width == 8


def test_biases_a_hundred_times_the_weights_keep_every_layer(events: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(1)
    chain, mean = [], np.zeros(_N)
    for _ in range(4):
        kernel = rng.normal(size=(_N, _N)) / math.sqrt(_N)
        bias = 100 * np.abs(kernel).max() * rng.choice([-1, 1], _N)
        chain.append(
            (kernel, bias - mean @ kernel)
        )  # as folded normalizations are: what is in front is taken off again
        mean = bias
    errors = _errors(_chain(*chain), events)
    for name, error in errors.items():
        assert error.sqnr_db is not None, name
        assert error.sqnr_db > 25, (name, error)
    assert len(errors) == 4


def test_a_layer_around_zero_has_the_bits_of_the_config() -> None:
    from fpgaae.training.imported_widths import LayerRange, resolve_activation  # noqa: PLC0415

    assert resolve_activation(Width(bits=8), LayerRange(3.0, 3.1)) == ResolvedWidth(8, 2)
    assert resolve_activation(Width(bits=8), LayerRange(3.0, 1.6)) == ResolvedWidth(8, 2)
    assert resolve_activation(Width(bits=8), LayerRange(20.5, 0.45)) == ResolvedWidth(13, 5)
    assert resolve_activation(Width(bits=8), LayerRange(2.0**16, 0.0)).bits <= 24
    assert resolve_activation(Width(bits=8, integer_bits=1), LayerRange(20.5, 0.45)) == ResolvedWidth(8, 1)


def test_a_bias_is_as_fine_as_what_its_layer_puts_out() -> None:
    from fpgaae.training.imported_widths import resolve_bias  # noqa: PLC0415

    output, weights = ResolvedWidth(8, 3).signed(), ResolvedWidth(8, 0)
    assert resolve_bias(Width(bits=8), weights, np.array([-200.0]), output) == ResolvedWidth(16, 8)
    assert resolve_bias(Width(bits=8), weights, np.zeros(3), None) == ResolvedWidth(8, 0)
    assert resolve_bias(Width(bits=8, integer_bits=2), ResolvedWidth(8, 2), np.ones(3), output) == ResolvedWidth(8, 2)


def test_poor_layers_are_named_with_the_key_to_change() -> None:
    from fpgaae.training.imported_widths import poor_layers  # noqa: PLC0415

    sites = [Site("wide", "wide_relu", "wide_relu", False), Site("back", "back", "back_quantized", True)]
    errors = {
        "features_quantized": RoundingError(type="T", rms=1, sqnr_db=-3.0, saturated=0.0),
        "wide_relu": RoundingError(type="T", rms=1, sqnr_db=4.0, saturated=0.001),
        "back_quantized": RoundingError(type="T", rms=1, sqnr_db=30.0, saturated=0.25),
    }
    assert list(poor_layers(errors, sites, {"back_quantized": False})) == [
        "features_quantized keeps only -3.0 dB of signal to noise; give more bits: `quantization.inputs.bits`",
        "wide_relu keeps only 4.0 dB of signal to noise; give more bits: `quantization.layers.wide.activations.bits`",
        "25.0% of the values of back_quantized lie beyond its type T; give more integer bits: "
        "`quantization.layers.back.activations.integer_bits`",
    ]
    fine = {"wide_relu": RoundingError(type="T", rms=0, sqnr_db=None, saturated=0.0)}
    assert list(poor_layers(fine, sites, {})) == []


@pytest.mark.parametrize("quantizer", ["quantized_bits(4,0,0,alpha=1)", "quantized_bits(4,0,0,alpha='auto')"])
def test_a_qkeras_model_is_quantized_anew_from_its_quantized_weights(quantizer: str, tmp_path: Path) -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.model_file import read_model_file  # noqa: PLC0415
    from fpgaae.models.prepare import prepare_network  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    x = features = tf_keras.layers.Input((_N,), name="features")
    x = QDense(6, kernel_quantizer=quantizer, bias_quantizer="quantized_bits(6,2,0,alpha=1)", name="a")(x)
    x = QActivation("quantized_relu(6,2)", name="a_act")(tf_keras.layers.BatchNormalization(name="norm")(x))
    x = QDense(_N, kernel_quantizer=quantizer, bias_quantizer="quantized_bits(6,2,0,alpha=1)", name="b")(x)
    model, rng = tf_keras.Model(features, x), np.random.default_rng(2)
    model.set_weights([rng.uniform(0.1, 0.9, weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / "model.h5")
    given = read_model_file(tmp_path / "model.h5")
    prepared = prepare_network(given, ResolvedWidth(9, 4).signed(), quantize=True)
    events = rng.normal(size=(30, _N))

    def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
        return {mode: evaluate_file(file, x, tmp_path, mode) for mode in rounded}

    found = check_prepared(tmp_path / "model.h5", given, prepared, events, evaluate)
    assert {"norm", "b"} <= set(found.layers)
