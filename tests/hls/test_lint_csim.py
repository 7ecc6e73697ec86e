"""What lints clean is exact, and what a rule calls an error truly goes wrong: proven on written, compiled projects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import RandomNetwork, random_events, write_trigger
from lint_models import NARROW, RELU, SIGNED, dense, encoder, quantizer, randomize

from fpgaae.config.experiment import Firmware
from fpgaae.errors import FpgaaeError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.csim_library import CsimLibrary, compile_project, probe
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.models import lint_model
from fpgaae.hls.lint.rules import RULES
from fpgaae.models.architecture import describe_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow", "compiler")]

_N_GENERATED = int(os.environ.get("FPGAAE_GENERATED_MODELS", "8"))  # each takes about 10 s
_EVENTS = 400


def _differing_values(model: Any, firmware: Firmware, folder: Path, conversion: Conversion | None = None) -> int:  # noqa: ANN401
    """Convert and compile a model, and count the values of all layers that differ from the golden codes."""
    from fpgaae.models.extract import extract_network  # noqa: PLC0415

    made = RandomNetwork(model, extract_network(model))
    written = write_trigger(made, firmware, folder / "project", conversion=conversion)
    network = written.network
    build = folder / "build"
    build.mkdir()
    library_file = compile_project(folder / "project", firmware.project_name, build)
    probe(library_file)
    library = CsimLibrary(library_file)
    events = random_events(network.input_type, network.layers[0].size, _EVENTS)
    golden, codes = network.run(events.input_codes), library.run_values(events.values)
    differing = 0
    for tap in library.taps:
        expected = golden[written.golden_names[tap.layer]]
        common = max(expected.fraction, tap.type.fraction)
        up, up_expected = common - tap.type.fraction, common - expected.fraction
        differing += int(np.count_nonzero(codes[tap.layer] << up != expected.codes << up_expected))
    missing = {layer.name for layer in network.layers} - set(written.golden_names.values())
    assert all(network[name].passes_on for name in missing), "every layer is compared that computes"
    return differing


class _Generated(NamedTuple):
    model: Any
    firmware: Firmware


def _generate(rng: np.random.Generator) -> _Generated:
    """Draw an autoencoder or an encoder and its settings; some have a quantizer that lint refuses."""
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore, SquaredErrorScore  # noqa: PLC0415

    def signed(*, may_fail: bool = True) -> str:
        bits = int(rng.integers(3, 11))
        integer = rng.integers(-1, bits) if may_fail else rng.integers(0, bits - 1)
        return f"quantized_bits({bits},{integer},0,alpha=1)"

    def weights(name: str, units: int) -> Any:  # noqa: ANN401
        bits, symmetric = int(rng.integers(3, 11)), int(rng.integers(0, 2))
        kernel = f"quantized_bits({bits},{rng.integers(0, bits)},{symmetric},alpha=1)"
        return dense(name, units, kernel_quantizer=kernel, bias_quantizer=signed(may_fail=False))

    def relu() -> str:
        bits = int(rng.integers(3, 11))
        return f"quantized_relu({bits},{rng.integers(-1, bits + 1)})"

    n_features = 3 * int(rng.integers(1, 9))
    features = tf_keras.layers.Input((n_features,), name="features")
    x = inputs = quantizer("inputs", signed(may_fail=False))(features)
    is_autoencoder = bool(rng.integers(0, 2))
    depth = int(rng.integers(0, 4))
    for index in range(depth):
        x = weights(f"hidden_{index}", int(rng.integers(1, 25)))(x)
        if rng.random() < 0.9:  # a sum may go on at its full width
            x = quantizer(f"quantized_{index}", relu() if rng.random() < 0.7 else signed())(x)
    x = weights("last", n_features if is_autoencoder else int(rng.integers(1, 9)))(x)
    x = quantizer("last_quantized", signed())(x)
    score = SquaredErrorScore(name="score")([inputs, x]) if is_autoencoder else MuSquaredScore(name="score")(x)
    model = randomize(tf_keras.Model(features, score, name="deployed"), int(rng.integers(0, 2**31)))
    strategy = str(rng.choice(["latency", "resource", "distributed_arithmetic"]))
    return _Generated(
        model,
        Firmware(
            backend=str(rng.choice(["Vitis", "Vivado"])),
            io_type=str(rng.choice(["io_parallel", "io_stream"])),
            strategy=strategy,
            reuse_factor=int(rng.integers(1, 9)) if strategy == "resource" else 1,
        ),
    )


@pytest.mark.parametrize("seed", range(_N_GENERATED))
def test_a_model_that_lints_clean_passes_csim(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 7])
    while True:
        model, firmware = _generate(rng)
        findings = lint_model(describe_model(model), Conversion.of(firmware))
        errors = {f.rule for f in findings if f.severity is Severity.ERROR}
        assert errors <= {"no-fraction-bits", "negative-integer-bits"}, findings
        if not errors:
            break
    assert _differing_values(model, firmware, tmp_path) == 0


class _Broken(NamedTuple):
    rule: str
    model: Callable[[], Any] = encoder
    conversion: Conversion = Conversion()


def _lambda() -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415

    return encoder(mu_quantized=[quantizer("mu_quantized"), tf_keras.layers.Lambda(lambda x: x, name="it")])


def _normalized() -> Any:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415

    return encoder(encoder_1=[dense("encoder_1"), tf_keras.layers.BatchNormalization(name="it")])


def _convolved(kernel: tuple[int, int], strides: tuple[int, int]) -> Any:  # noqa: ANN401
    """Make a convolution of an image of 6 x 6 pixels."""
    import tf_keras  # noqa: PLC0415
    from qkeras import QConv2D  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    features = tf_keras.layers.Input((6, 6, 4), name="features")
    x = QConv2D(4, kernel, strides, kernel_quantizer=SIGNED, bias_quantizer=SIGNED, name="it")(quantizer("q")(features))
    x = tf_keras.layers.Flatten(name="flat")(quantizer("it_quantized")(x))
    return randomize(tf_keras.Model(features, MuSquaredScore(name="score")(x), name="deployed"))


def _coarse_sum() -> Any:  # noqa: ANN401
    """Make a score that reads a sum whose weights do not use the lowest bits of their type."""
    model = encoder(mu_quantized=None, mu=dense("mu", 3, kernel_quantizer=SIGNED, bias_quantizer=SIGNED))
    layer = model.get_layer("mu")
    layer.set_weights([np.ones_like(array) for array in layer.get_weights()])
    return model


def _with(**options: Any) -> Callable[[], Any]:  # noqa: ANN401
    return lambda: encoder(encoder_1=dense("encoder_1", **options))


def _activation(of: str) -> Callable[[], Any]:
    return lambda: encoder(encoder_1_relu=quantizer("encoder_1_relu", of))


BROKEN = (
    _Broken("bit-exact-unset", conversion=Conversion(bit_exact=None)),
    _Broken("granularity-not-name", conversion=Conversion(granularity="type")),
    _Broken("granularity-not-name", conversion=Conversion(granularity="model")),
    _Broken("distributed-arithmetic-reuse", conversion=Conversion(strategy="distributed_arithmetic", reuse_factor=2)),
    _Broken("input-not-quantized", lambda: encoder(features_quantized=None)),
    _Broken("input-not-quantized", lambda: encoder(features_quantized=quantizer("features_quantized", RELU))),
    _Broken("activation-symmetric", _activation("quantized_bits(6,0,1,alpha=1)")),
    _Broken("activation-keep-negative", _activation("quantized_bits(6,2,0,0,alpha=1)")),
    _Broken("stream-strides", lambda: _convolved((1, 2), (2, 1)), Conversion(io_type="io_stream")),
    _Broken("convolution-reuse", lambda: _convolved((1, 1), (1, 1)), Conversion(strategy="resource", reuse_factor=8)),
    _Broken("pointwise-reuse", lambda: _convolved((1, 1), (1, 1)), Conversion("Vitis", "io_stream", "resource", 9)),
    _Broken("alpha-missing", _with(bias_quantizer="quantized_bits(6,0)")),
    _Broken("alpha-auto", _with(kernel_quantizer="quantized_bits(6,0)")),
    _Broken("alpha-scaled", _with(kernel_quantizer="quantized_bits(6,0,0,alpha=0.3)")),
    _Broken("bias-not-quantized", _with(bias_quantizer=None)),
    _Broken("kernel-not-quantized", _with(kernel_quantizer=None)),
    _Broken("bias-missing", _with(use_bias=False)),
    _Broken("real-tanh-sigmoid", _activation("quantized_tanh(6,use_real_tanh=True)")),
    _Broken("relu-upper-bound", _activation("quantized_relu(6,2,relu_upper_bound=3,is_quantized_clip=False)")),
    _Broken("leaky-slope", _activation("quantized_relu(6,2,negative_slope=0.25)")),
    _Broken("power-of-two-weights", _with(kernel_quantizer="quantized_po2(4)")),
    _Broken("one-bit-quantizer", _with(kernel_quantizer="quantized_bits(1,0,0,alpha=1)")),
    _Broken("no-fraction-bits", _activation("quantized_relu(3,3)")),
    _Broken("batch-normalization", _normalized),
    _Broken("lambda-layer", _lambda),
    _Broken("activation-inside-layer", _with(activation=RELU)),
    _Broken("layer-name", lambda: encoder(encoder_1=dense("encoder-1"))),
    _Broken(
        "quantizer-after-quantizer",
        lambda: encoder(mu_quantized=[quantizer("one"), quantizer("two", "quantized_bits(5,1,0,alpha=1)")]),
    ),
    _Broken("score-input-not-quantized", _coarse_sum),
)


@pytest.mark.parametrize("broken", BROKEN, ids=[f"{index}-{b.rule}" for index, b in enumerate(BROKEN)])
def test_what_a_rule_calls_an_error_does_not_convert(broken: _Broken, tmp_path: Path) -> None:
    """The checks behind lint refuse it too, or the firmware differs."""
    model = broken.model()
    assert RULES[broken.rule].severity is Severity.ERROR
    assert broken.rule in {f.rule for f in lint_model(describe_model(model), broken.conversion)}
    try:
        firmware = Firmware(io_type=broken.conversion.io_type)
        differing = _differing_values(model, firmware, tmp_path, broken.conversion)
    except FpgaaeError:
        return
    assert differing > 0


@pytest.mark.parametrize(
    "broken",
    [b for b in BROKEN if b.rule in {"activation-symmetric", "no-fraction-bits"} or b.conversion.granularity == "type"],
    ids=lambda broken: broken.rule,
)
def test_without_the_last_defence_the_firmware_differs(
    broken: _Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpgaae.hls import convert  # noqa: PLC0415

    monkeypatch.setattr(convert, "_check_types", lambda _: None)
    assert _differing_values(broken.model(), Firmware(), tmp_path, broken.conversion) > 0


@pytest.mark.parametrize(
    "conversion",
    [
        Conversion(max_precision="fixed<8,3>"),
        Conversion(accumulators={"encoder_1": "fixed<8,3>"}),
        Conversion(strategy="resource", reuse_factor=4),
    ],
    ids=["override-ignored", "override-ignored", "reuse-factor-replaced"],
)
def test_what_a_rule_calls_a_warning_is_exact(conversion: Conversion, tmp_path: Path) -> None:
    model = encoder()
    assert {f.severity for f in lint_model(describe_model(model), conversion)} == {Severity.WARNING}
    assert _differing_values(model, Firmware(), tmp_path, conversion) == 0


def test_a_sum_at_full_width_is_exact_too(tmp_path: Path) -> None:
    model = encoder(encoder_1_relu=None, encoder_1=dense("encoder_1", kernel_quantizer=NARROW))
    assert [f.rule for f in lint_model(describe_model(model), Conversion())] == ["unquantized-sum"]
    assert _differing_values(model, Firmware(), tmp_path) == 0
