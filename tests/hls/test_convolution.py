"""Convolutional networks: the written firmware equals the integer network in every code of every layer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, WrittenNetwork, random_events, write_trigger

from fpgaae.config.experiment import Firmware
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding, Tensor, parse_type
from fpgaae.golden.functions import Function
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.hls.csim_library import CsimLibrary, compile_project
from fpgaae.hls.layer_stimulus import layer_codes
from fpgaae.hls.project import port_codes

pytestmark = pytest.mark.usefixtures("compiler", "tensorflow")

_WEIGHTS = "quantized_bits(6,0,0,alpha=1)"
IO_TYPES = ("io_parallel", "io_stream")


def _convolution(x: Any, filters: int, size: Any, name: str, **options: Any) -> Any:  # noqa: ANN401
    from qkeras import QConv1D, QConv2D  # noqa: PLC0415

    kind = QConv2D if len(x.shape) == 4 else QConv1D
    return kind(filters, size, kernel_quantizer=_WEIGHTS, bias_quantizer=_WEIGHTS, name=name, **options)(x)


def _dense(x: Any, units: int, name: str) -> Any:  # noqa: ANN401
    from qkeras import QDense  # noqa: PLC0415

    return QDense(units, kernel_quantizer=_WEIGHTS, bias_quantizer=_WEIGHTS, name=name)(x)


def _relu(x: Any, name: str) -> Any:  # noqa: ANN401
    from qkeras import QActivation  # noqa: PLC0415

    return QActivation("quantized_relu(8,2)", name=name)(x)


def _signed(x: Any, name: str, bits: int = 8) -> Any:  # noqa: ANN401
    from qkeras import QActivation  # noqa: PLC0415

    return QActivation(f"quantized_bits({bits},3,0,alpha=1)", name=name)(x)


def encoder(pooling: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Events of 19 objects as an image; averages of three pixels do not come out even."""
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    features = layers.Input(shape, name="features")
    x = _signed(features, "features_quantized", 10)
    if shape != (19, 3, 1):
        x = layers.Reshape((19, 3, 1), name="image")(x)
    for index, (filters, size) in enumerate(((16, (3, 3)), (32, (3, 1))), 1):
        x = _relu(_convolution(x, filters, size, f"conv_{index}"), f"conv_{index}_relu")
        if pooling == "max":
            x = layers.MaxPooling2D((3, 1), name=f"pool_{index}")(x)
        else:
            x = layers.AveragePooling2D((3, 1), name=f"pool_{index}")(x)
            x = _relu(x, f"pool_{index}_quantized")
    x = layers.Flatten(name="flat")(x)
    return Model(features, MuSquaredScore(name="score")(_signed(_dense(x, 8, "mu"), "mu_quantized", 10)))


def autoencoder(shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """A decoder of enlarging and convolutions; inputs and reconstruction go into the score flat."""
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import SquaredErrorScore  # noqa: PLC0415

    features = layers.Input(shape, name="features")
    x = inputs = _signed(features, "features_quantized", 10)
    if shape != (19, 3, 1):
        x = layers.Reshape((19, 3, 1), name="image")(x)
        inputs = layers.Reshape((19, 3, 1), name="inputs_image")(inputs)
    x = _convolution(x, 4, (3, 3), "conv", padding="same", strides=(2, 1))
    x = layers.Flatten(name="flat")(_relu(layers.MaxPooling2D((2, 1), name="pool")(x), "pool_relu"))
    x = _relu(_dense(x, 64, "latent"), "latent_relu")
    x = layers.UpSampling2D((5, 3), name="up")(layers.Reshape((4, 1, 16), name="back")(x))
    x = _relu(_convolution(x, 4, (3, 3), "deconv", padding="same"), "deconv_relu")
    x = _signed(_convolution(x, 1, (2, 1), "reconstruction"), "reconstruction_quantized", 10)
    pair = [layers.Flatten(name="flat_inputs")(inputs), layers.Flatten(name="flat_reconstruction")(x)]
    return Model(features, SquaredErrorScore(name="score")(pair))


def strided() -> Any:  # noqa: ANN401
    """8 x 9 pixels: zeros around, stride 2, a mean of four, a 1 x 1 convolution."""
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    features = layers.Input((8, 9, 1), name="features")
    x = layers.ZeroPadding2D(((1, 0), (0, 1)), name="zeros")(_signed(features, "features_quantized", 10))
    x = _relu(_convolution(x, 8, (3, 3), "conv", strides=(2, 2), padding="same"), "conv_relu")
    x = _relu(layers.AveragePooling2D((2, 2), name="pool")(x), "pool_quantized")
    x = layers.Flatten(name="flat")(_relu(_convolution(x, 4, (1, 1), "pointwise"), "pointwise_relu"))
    return Model(features, MuSquaredScore(name="score")(_signed(_dense(x, 16, "mu"), "mu_quantized", 10)))


def one_dimension() -> Any:  # noqa: ANN401
    """Conv1D over 19 objects of three channels, and a signed mean whose quantizer hls4ml would fuse."""
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    features = layers.Input((19, 3), name="features")
    x = _signed(features, "features_quantized", 10)
    x = _signed(_convolution(x, 8, 3, "conv_1", strides=2, padding="same"), "conv_1_quantized")
    x = _signed(layers.AveragePooling1D(3, name="pool")(x), "pool_quantized")
    x = layers.ZeroPadding1D((1, 2), name="zeros")(layers.UpSampling1D(2, name="up")(x))
    x = layers.Flatten(name="flat")(_relu(_convolution(x, 4, 2, "conv_2"), "conv_2_relu"))
    return Model(features, MuSquaredScore(name="score")(_signed(_dense(x, 4, "mu"), "mu_quantized", 10)))


def _table(x: Any, name: str, function: str, bits: int, integer_bits: int) -> Any:  # noqa: ANN401
    from fpgaae.models.function_layers import TableActivation  # noqa: PLC0415

    result = FixedPointType(bits, integer_bits, Function(function).is_signed, Rounding.HALF_EVEN, Overflow.SATURATE)
    argument = "ap_fixed<8,4,AP_RND_CONV,AP_SAT>"
    return TableActivation(argument=argument, result=str(result), function=function, name=name)(x)


def activations() -> Any:  # noqa: ANN401
    """Slopes below zero, each in front of a quantizer, and tables: of an image, behind a maximum, at the end."""
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import MaxAbsoluteErrorScore  # noqa: PLC0415
    from fpgaae.models.spread_layer import Spread  # noqa: PLC0415

    features = layers.Input((12,), name="features")
    inputs = _signed(features, "features_quantized", 10)
    x = layers.Reshape((4, 3, 1), name="image")(inputs)
    x = Spread((2, 1), (1, 0, -1, 1), name="apart")(x)  # a row of zeros before each, a column cut off, one added
    x = layers.LeakyReLU(0.25, name="conv_leaky")(_convolution(x, 4, (2, 2), "conv"))
    x = _table(_signed(x, "conv_quantized"), "conv_elu", "elu", 8, 4)
    x = _table(layers.MaxPooling2D((3, 1), name="pool")(x), "pool_tanh", "tanh", 6, 1)
    x = layers.Flatten(name="flat")(x)
    x = _signed(layers.LeakyReLU(0.0625, name="dense_leaky")(_dense(x, 6, "dense")), "dense_quantized")
    x = _table(x, "dense_softplus", "softplus", 8, 3)
    x = _signed(_dense(x, 12, "reconstruction"), "reconstruction_quantized")
    x = _table(x, "reconstruction_sigmoid", "sigmoid", 10, 2)
    return Model(features, MaxAbsoluteErrorScore(name="score")([inputs, x]))


MODELS: dict[str, Callable[[], Any]] = {
    "activations": activations,
    "average": lambda: encoder("average", (19, 3, 1)),
    "max": lambda: encoder("max", (19, 3)),
    "autoencoder": lambda: autoencoder((19, 3, 1)),
    "autoencoder_flat": lambda: autoencoder((57,)),
    "strided": strided,
    "one_dimension": one_dimension,
}


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., WrittenNetwork]:
    """Give a function that writes the project of a model with random weights, proven equal to Keras before."""
    from fpgaae.hls.keras_check import KerasComparison  # noqa: PLC0415
    from fpgaae.models.extract import extract_network  # noqa: PLC0415

    def make(name: str, firmware: Firmware) -> WrittenNetwork:
        model, rng = MODELS[name](), np.random.default_rng(0)
        shares = [0.3, 0.6, 0.1]
        model.set_weights([
            rng.uniform(-1.1, 1.1, w.shape) * rng.choice([0, 0.2, 1], w.shape, p=shares) for w in model.get_weights()
        ])  # fmt: skip
        network = extract_network(model)
        comparison = KerasComparison(model, network)
        events = random_events(network.input_type, network.layers[0].size, 300)
        comparison.add(events.values, events.input_codes)
        assert comparison.result().float64_differing_values == 0
        project = tmp_path_factory.mktemp("convolution") / "project"
        return write_trigger(RandomNetwork(model, network), firmware, project)

    return make


def _mismatches(written: WrittenNetwork, build: Path, n_events: int = 1000) -> dict[str, int]:
    """Compile a project and count the codes of every layer that differ, on events and on codes put into each layer.

    Weights that can be reloaded are the trained ones first, then random ones.
    """
    build.mkdir(exist_ok=True)
    library = CsimLibrary(compile_project(written.project, written.block.top.project_name, build))
    ports = written.block.top.weights
    counts = _mismatches_of_loaded(written, library, n_events)
    if ports:
        others = written._replace(network=with_random_weights(written.network, seed=1))
        again = _mismatches_of_loaded(others, library, n_events)
        return {name: counts[name] + again[name] for name in counts}
    return counts


def _mismatches_of_loaded(written: WrittenNetwork, library: CsimLibrary, n_events: int) -> dict[str, int]:
    network = written.network
    library.load_weights(port_codes(written.block.top.weights, network))
    compared = [written.golden_names[tap.layer] for tap in library.taps]
    assert compared == [layer.name for layer in network.layers if layer.kind != "reshape"]
    events = random_events(network.input_type, network.layers[0].size, n_events)
    golden, found = network.run(events.input_codes), library.run_values(events.values)
    for layer in network.layers[:-1]:
        assert len(np.unique(golden[layer.name].codes)) > 3, f"{layer.name} hardly varies"
    counts = _differing(written, library, golden, found)
    injected = layer_codes(network, seed=1)
    inputs = np.zeros((len(injected[compared[0]]), network.layers[0].size), dtype=np.int64)
    replaced = np.concatenate([injected[name] for name in compared[:-1]], axis=1)
    again = _differing(
        written, library, network.run(inputs, injected), library.run_values(inputs.astype(np.float64), replaced)
    )
    return {name: counts[name] + again[name] for name in compared}


def _differing(
    written: WrittenNetwork, library: CsimLibrary, golden: Mapping[str, Tensor], found: Mapping[str, Codes]
) -> dict[str, int]:
    names = [(tap, written.golden_names[tap.layer]) for tap in library.taps]
    assert {name: tap.type.fraction for tap, name in names} == {name: golden[name].fraction for _, name in names}
    return {name: int((found[tap.layer] != golden[name].codes).sum()) for tap, name in names}


_SMALL = [("one_dimension", "io_stream"), ("activations", "io_parallel")]
_ALL = [(name, io_type) for name in MODELS for io_type in IO_TYPES if (name, io_type) not in _SMALL]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "io_type"), _SMALL)
def test_a_small_network_is_bit_exact(
    write: Callable[..., WrittenNetwork], tmp_path: Path, name: str, io_type: str
) -> None:
    counts = _mismatches(write(name, Firmware(io_type=io_type)), tmp_path / "build")  # type: ignore[arg-type]
    assert set(counts.values()) == {0}, counts


@pytest.mark.slow
@pytest.mark.parametrize(("name", "io_type"), _ALL)
def test_a_network_is_bit_exact(write: Callable[..., WrittenNetwork], tmp_path: Path, name: str, io_type: str) -> None:
    counts = _mismatches(write(name, Firmware(io_type=io_type)), tmp_path / "build")  # type: ignore[arg-type]
    assert set(counts.values()) == {0}, counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "backend", "io_type"),
    [
        ("resource", "Vitis", "io_parallel"),
        ("latency", "Vivado", "io_stream"),
        ("distributed_arithmetic", "Vitis", "io_stream"),
    ],
)
def test_other_settings_are_bit_exact(
    write: Callable[..., WrittenNetwork], tmp_path: Path, strategy: str, backend: str, io_type: str
) -> None:
    firmware = Firmware(io_type=io_type, strategy=strategy, backend=backend)  # type: ignore[arg-type]
    counts = _mismatches(write("strided", firmware), tmp_path / "build")
    assert set(counts.values()) == {0}, counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "io_type", "strategy"),
    [
        ("one_dimension", "io_parallel", "latency"),
        ("strided", "io_stream", "resource"),
    ],
)
def test_reloaded_weights_and_a_port_of_latents_are_bit_exact(
    write: Callable[..., WrittenNetwork], tmp_path: Path, name: str, io_type: str, strategy: str
) -> None:
    firmware = Firmware(
        io_type=io_type, strategy=strategy, reuse_factor=2, reloadable_weights=True, output_latents=True
    )  # type: ignore[arg-type]
    made = write(name, firmware)
    assert {port.layer for port in made.block.top.weights} == {layer.name for layer in made.network.weighted}
    counts = _mismatches(made, tmp_path / "build")
    assert set(counts.values()) == {0}, counts
    assert "latents" in counts


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["conv_1", "conv_2"])
def test_one_flipped_weight_bit_is_seen_in_its_layer_first(
    write: Callable[..., WrittenNetwork], tmp_path: Path, layer: str
) -> None:
    made = write("one_dimension", Firmware())
    project = tmp_path / "project"
    shutil.copytree(made.project, project)
    source = (project / "firmware" / "autoencoder.cpp").read_text()
    (table,) = re.findall(rf", (w\d+), b\d+\); // {layer}\n", source)
    header = project / "firmware" / "weights" / f"{table}.h"
    entry = next(entry for entry in made.layers if entry.name == layer)
    fraction = parse_type(entry.types.weight or "").fraction
    start, values, end = re.split(r"(?<=#endif\n)([-+0-9.e, \n]+)(?=\};)", header.read_text())
    numbers = values.split(", ")
    place = next(i for i, number in enumerate(numbers) if float(number) != 0)
    numbers[place] = f"{(round(float(numbers[place]) * 2**fraction) ^ 1) * 2.0**-fraction:.12f}"
    header.write_text(start + ", ".join(numbers) + end)
    counts = _mismatches(made._replace(project=project), tmp_path / "build")
    wrong = [name for name, count in counts.items() if count]
    assert wrong[0] == layer


@pytest.mark.slow
def test_streams_refuse_pools_that_overlap(
    write: Callable[..., WrittenNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    def overlapping() -> Any:  # noqa: ANN401
        features = layers.Input((8, 9, 1), name="features")
        x = layers.MaxPooling2D((2, 2), strides=(1, 1), name="pool")(_signed(features, "features_quantized"))
        x = _signed(_dense(layers.Flatten(name="flat")(x), 2, "mu"), "mu_quantized")
        return Model(features, MuSquaredScore(name="score")(x))

    monkeypatch.setitem(MODELS, "overlapping", overlapping)
    with pytest.raises(InputError, match=r"the layer pool pools \(2, 2\) in steps of \(1, 1\), which streams can't do"):
        write("overlapping", Firmware(io_type="io_stream"))


@pytest.mark.slow
def test_a_stream_that_skips_an_image_network_holds_every_pixel(write: Callable[..., WrittenNetwork]) -> None:
    project = write("autoencoder_flat", Firmware(io_type="io_stream")).project
    source = (project / "firmware" / "autoencoder.cpp").read_text()
    depths = {name: int(depth) for name, depth in re.findall(r"STREAM variable=(\w+_cpy\d) depth=(\d+)", source)}
    stages = len(re.findall(r"^    nnet::(?!clone)\w+<", source, re.MULTILINE))
    assert max(depths.values()) > stages / 2
    pixels = write("autoencoder", Firmware(io_type="io_stream")).project
    source = (pixels / "firmware" / "autoencoder.cpp").read_text()
    assert max(int(depth) for depth in re.findall(r"_cpy\d depth=(\d+)", source)) > 57


def test_what_has_no_exact_form_is_refused_by_name() -> None:
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.extract import extract_network  # noqa: PLC0415

    def refused(make: Callable[[Any], Any], message: str, *, quantized: bool = True) -> None:
        features = layers.Input((8, 9, 1), name="features")
        x = _signed(features, "features_quantized") if quantized else features
        with pytest.raises(InputError, match=message):
            extract_network(Model(features, make(x)))

    refused(layers.AveragePooling2D((3, 1), name="pool"), "the layer pool averages 3 values, .* QActivation straight")
    refused(layers.MaxPooling2D(3, padding="same", name="pool"), "the layer pool pools beyond the border")
    refused(layers.UpSampling2D(2, interpolation="bilinear", name="up"), "the layer up interpolates")
    refused(lambda x: _convolution(x, 2, 3, "conv", dilation_rate=2), "the layer conv is dilated or grouped")
    refused(lambda x: _convolution(x, 2, 3, "conv", activation="relu"), "the layer conv has an activation inside")
    refused(lambda x: _dense(x, 2, "dense"), "the input of the layer dense is an image; put a Flatten")
    refused(layers.Flatten(name="flat"), "the input of the layer flat has no quantizer", quantized=False)
