"""What the rules look at: quantizers and models read as data, planned models, and bounds worked by hand."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, convolutional, embedded, variational
from lint_models import NARROW, SIGNED, encoder, layer
from support import CONFIGS

from fpgaae.config.file import load_config
from fpgaae.config.model import Model
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.errors import InputError
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.arithmetic import Products, kernel_width, values_of_layers
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.models import lint_model
from fpgaae.hls.lint.planned import AutoBits, describe_planned
from fpgaae.hls.lint.width_checks import fits_dsp, used_reuse_factor
from fpgaae.models.architecture import describe_model, read_architecture
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.quantizers import SIGNATURES, Quantizer, read_quantizer
from fpgaae.models.shapes import shape_after


@pytest.mark.parametrize(
    "text",
    [
        "quantized_bits(8,2,0,alpha=1)",
        "quantized_bits(bits=8, integer=2, symmetric=0, keep_negative=True, alpha=1.0)",
        " quantized_bits( 8, 2, alpha = 1 ) ",
    ],
)
def test_a_quantizer_is_read_from_its_call(text: str) -> None:
    found = read_quantizer(text)
    assert found is not None
    assert str(found.type) == "ap_fixed<8,3,AP_RND_CONV,AP_SAT>"
    assert str(found).startswith("quantized_bits(integer=2, alpha=1")


def test_a_quantizer_is_read_from_its_config() -> None:
    found = read_quantizer({"class_name": "qkeras>quantized_relu", "config": {"bits": 6, "integer": 2}})
    assert found is not None
    assert str(found.type) == "ap_ufixed<6,2,AP_RND_CONV,AP_SAT>"
    assert found.options["is_quantized_clip"] is True


@pytest.mark.parametrize("value", [None, "linear"])
def test_no_quantizer(value: object) -> None:
    assert read_quantizer(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').system('true')",
        "quantized_bits(open('x'))",
        "quantized_bits(8, *[1])",
        "quantized_bits(",
        "(" * 900,
        "quantized_bits(8)" * 1000,
        "lambda: 1",
        {"class_name": 3},
        ["quantized_bits"],
        7,
    ],
    ids=range(10),
)
def test_what_can_not_be_read_is_not_evaluated(value: object) -> None:
    found = read_quantizer(value)
    assert found is not None
    assert found.kind == "unreadable"
    assert found.type is None


@pytest.mark.parametrize("bits", ["8", None, 10**9, -1, 2.5, [8]])
def test_bits_that_are_none_have_no_type(bits: object) -> None:
    assert Quantizer("quantized_bits", {"bits": bits, "integer": 0}).type is None


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures_are_those_of_qkeras(name: str) -> None:
    import qkeras  # noqa: PLC0415

    declared = {
        key: parameter.default
        for key, parameter in inspect.signature(getattr(qkeras, name).__init__).parameters.items()
    }
    declared.pop("self")
    ours = dict(SIGNATURES[name])
    assert list(declared.items())[: len(ours)] == list(ours.items())


@pytest.mark.slow
def test_a_planned_model_is_the_one_that_is_built(tensorflow: None) -> None:
    """With the integer bits that stand for `auto`, build_quantized gives these layers, inputs and quantizers."""
    del tensorflow
    from fpgaae.models.quantized import build_quantized  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth, Widths  # noqa: PLC0415

    for name in (
        "l1_ae.yaml",
        "l1_ae_masked.yaml",
        "l1_vae.yaml",
        "l1_vae_kl.yaml",
        "l1_cnn_ae.yaml",
        "l1_cnn_vae.yaml",
    ):
        config = load_config(CONFIGS / name)
        for auto in AutoBits:
            names = config.model.deployed_layers
            widths = Widths(
                ResolvedWidth(config.quantization.inputs.bits, config.quantization.inputs.integer_bits),
                {n: ResolvedWidth(w.bits, auto.of(w)) for n in names for w in [config.weight_width(n)]},
                {
                    n: ResolvedWidth(w.bits, auto.of(w, n))
                    for n in config.model.rounded_layers
                    for w in [config.activation_width(n)]
                },
            )
            features = FeatureMap(tuple(Feature(h, 0, 0) for h in hardware_features(config.data.hardware)))
            built = describe_model(
                build_quantized(config.model, config.data.hardware.image_shape, features, widths).deployed()
            )
            planned = describe_planned(config, auto)
            assert planned.outputs == built.outputs
            # Keras sorts layers by depth, which is another graph order where two of them read the same layer
            assert sorted(map(_essence, planned.layers)) == sorted(map(_essence, built.layers))


def _essence(of: LayerDescription) -> tuple[Any, ...]:
    quantizers = {role: one and (one.kind, one.type, one.options.get("alpha")) for role, one in of.quantizers.items()}
    keys = ("units", "use_bias", "filters", "kernel_size", "padding", "pool_size", "size", "target_shape")
    settings = {"use_bias": True, **of.settings}
    sizes = json.loads(json.dumps([settings.get(key) for key in keys]))
    shape = of.event_shape if of.kind == "InputLayer" else None
    # Keras writes out strides that are left to it
    strides = list(of.settings.get("strides") or of.settings.get("pool_size") or ())
    padding = of.settings.get("padding") if of.kind != "AveragePooling2D" else "valid"
    return of.name, of.kind, of.inputs, quantizers, [*sizes[:4], *sizes[5:]], shape, strides, json.dumps(padding)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_configs_have_no_error(file: Any) -> None:  # noqa: ANN401
    config = load_config(file)
    for auto in AutoBits:
        findings = lint_model(describe_planned(config, auto), Conversion.of(config.firmware))
        # Keras' own float32 rounds the widest sums of 640 inputs; the firmware is exact.
        assert all(f.severity is Severity.NOTE or f.rule == "accumulator-beyond-float32" for f in findings), findings


def test_bounds_of_a_sum_worked_by_hand() -> None:
    """x in [-4, 4) with 1/32 steps, weights 0.5 and -0.25 in 1/32 steps, bias 1: the sum is in [-2, 4]."""
    dense = LayerDescription(
        "d", "QDense", ("q",), {"units": 1, "kernel_quantizer": NARROW, "bias_quantizer": NARROW},
        {"kernel": np.array([[0.5], [-0.25]]), "bias": np.array([0.25])},
    )  # fmt: skip
    model = NetworkDescription(
        (
            layer("x", "InputLayer", batch_input_shape=[None, 2]),
            layer("q", "QActivation", "x", activation=SIGNED),
            dense,
        ),
        ("d",),
    )
    found = values_of_layers(model)["d"]
    # codes: x in [-128, 127], weights 16 and -8, LSB 2**-10; bias 8 << 5 = 256
    assert found.type is not None
    assert found.type.fraction == 10
    assert found.peak == 24 * 128 + 256
    assert found.type.max_code >= 127 * 16 + 128 * 8 + 256 == 3312
    assert found.type.width == 13  # 3312 needs 12 bits, and the sign
    unknown = LayerDescription(dense.name, dense.kind, dense.inputs, dense.settings)
    worst = values_of_layers(NetworkDescription((*model.layers[:2], unknown), ("d",)))["d"]
    assert worst.peak == 2 * 32 * 128 + (32 << 5)


@pytest.mark.parametrize(
    "model", [autoencoder((8, 6), 3), variational((8, 6), 3), embedded()], ids=["ae", "vae", "embedding"]
)
def test_bounds_are_those_of_the_golden_network(random_network: Any, model: Model) -> None:  # noqa: ANN401
    made: RandomNetwork = random_network(model, 9)
    values = values_of_layers(describe_model(made.model))
    for golden in made.network.layers[1:]:
        assert values[golden.name].type == golden.type, golden.name
        assert values[golden.name].shape == (golden.size,)
    holds = made.network.float32_holds()
    first_beyond = next((name for name, held in holds.items() if not held), None)
    beyond = [f.layer for f in lint_model(describe_model(made.model), Conversion()) if "float32" in f.rule]
    assert (beyond[:1] or [None])[0] == first_beyond


@pytest.mark.slow
def test_images_are_followed_through_a_convolutional_network(random_network: Any) -> None:  # noqa: ANN401
    """Every shape is that of the golden network, and no sum of it passes its bound."""
    made: RandomNetwork = random_network(convolutional(), 18)
    values = values_of_layers(describe_model(made.model))
    kinds = set()
    for golden in made.network.layers[1:]:
        found = values[golden.name]
        assert found.shape == (golden.shape or (golden.size,)), golden.name
        kinds.add(golden.kind)
        if isinstance(golden, Weighted):
            assert found.type is not None
            assert found.type.fraction == golden.type.fraction
            assert golden.type.width <= found.type.width <= golden.type.width + 1
    assert {"convolution", "average_pooling", "max_pooling", "upsampling", "zero_padding"} <= kinds


@pytest.mark.parametrize(
    ("kind", "config", "before", "after"),
    [
        ("QConv2D", {"filters": 4, "kernel_size": [3, 2], "padding": "valid"}, (19, 3, 1), (17, 2, 4)),
        ("QConv2D", {"filters": 4, "kernel_size": 3, "strides": [2, 2], "padding": "same"}, (19, 3, 1), (10, 2, 4)),
        ("QConv1D", {"filters": 4, "kernel_size": [3], "strides": [2]}, (19, 3), (9, 4)),
        ("MaxPooling2D", {"pool_size": [2, 1], "strides": None}, (19, 3, 5), (9, 3, 5)),
        ("AveragePooling1D", {"pool_size": 4, "strides": 1}, (19, 3), (16, 3)),
        ("UpSampling2D", {"size": [2, 3]}, (5, 1, 4), (10, 3, 4)),
        ("ZeroPadding2D", {"padding": [[1, 0], [2, 3]]}, (5, 1, 4), (6, 6, 4)),
        ("ZeroPadding1D", {"padding": [1, 2]}, (5, 4), (8, 4)),
        ("Flatten", {}, (5, 1, 4), (20,)),
        ("Reshape", {"target_shape": [2, 10]}, (20,), (2, 10)),
        ("Reshape", {"target_shape": [-1, 10]}, (20,), (2, 10)),
        ("QConv2D", {"filters": 4, "kernel_size": "3"}, (19, 3, 1), None),
        ("UpSampling2D", {"size": [2]}, (5, 1, 4), None),
        ("Dot", {}, (5, 1, 4), None),
    ],
)
def test_the_shape_behind_a_described_layer(
    kind: str, config: dict[str, Any], before: tuple[int, ...], after: tuple[int, ...] | None
) -> None:
    assert shape_after(LayerDescription("a", kind, (), config), before) == after


@pytest.mark.usefixtures("tensorflow")
def test_reuse_factors_are_those_that_hls4ml_takes() -> None:
    import hls4ml  # noqa: PLC0415

    backend = hls4ml.backends.get_backend("Vitis")
    rng = np.random.default_rng(0)
    for _ in range(200):
        n_in, n_out = (int(n) for n in rng.integers(1, 40, 2))
        wanted = int(rng.integers(1, 2 * n_in * n_out + 2))
        possible = backend.get_valid_reuse_factors(n_in, n_out)
        expected = wanted if wanted in possible else backend.get_closest_reuse_factor(possible, wanted)
        assert used_reuse_factor(Products(n_in, n_out), wanted) == expected


@pytest.mark.parametrize(
    ("a", "b", "fits"), [(27, 18, True), (18, 27, True), (28, 2, False), (19, 19, False), (18, 18, True), (8, 8, True)]
)
def test_a_dsp_multiplies_27_by_18_bits(a: int, b: int, fits: bool) -> None:
    assert fits_dsp(a, b) is fits


def _config(*layers: dict[str, Any], outputs: list[Any]) -> dict[str, Any]:
    return {"class_name": "Functional", "config": {"layers": list(layers), "output_layers": outputs}}


def _entry(name: str, kind: str, nodes: list[Any], **config: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def test_layers_are_sorted_into_graph_order() -> None:
    found = read_architecture(
        _config(
            _entry("b", "QDense", [[["a", 0, 0, {}]]]), _entry("a", "InputLayer", []), outputs=[["b", 0, 0]]
        )
    ).network  # fmt: skip
    assert [one.name for one in found.layers] == ["a", "b"]
    assert found.outputs == ("b",)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (_config(outputs=[]), "no layers"),
        (_config(_entry("a", "X", [[["b", 0, 0, {}]]]), _entry("b", "X", [[["a", 0, 0, {}]]]), outputs=[]), "circle"),
        (_config(_entry("a", "X", [[["c", 0, 0, {}]]]), outputs=[]), "reads c, which is not there"),
        (_config(_entry("a", "X", []), _entry("a", "X", []), outputs=[]), "two of one name"),
        ({"config": 3}, "can't be read"),
        ({}, "can't be read"),
        ({"class_name": "Sequential", "config": {"layers": [7]}}, "can't be read"),
    ],
    ids=["empty", "circle", "missing", "twice", "number", "nothing", "no-layer"],
)
def test_what_is_no_model_is_the_users_error(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_architecture(config)


@pytest.mark.usefixtures("tensorflow")
def test_a_sequential_model_is_read_as_the_same_chain() -> None:
    import tf_keras  # noqa: PLC0415

    functional = encoder()
    chain = tf_keras.Sequential([tf_keras.layers.Input((6,)), *functional.layers[1:]])
    one, other = describe_model(functional), describe_model(chain)
    assert [(a.name, a.kind) for a in one.layers[1:]] == [(b.name, b.kind) for b in other.layers[1:]]
    assert [b.inputs for b in other.layers[1:]] == [(a.name,) for a in other.layers[:-1]]
    assert lint_model(other, Conversion()) == ()


def test_a_kernel_is_as_wide_as_the_bits_that_it_uses() -> None:
    """Weights 3/4 and -1/2 of quantized_bits(19, 0) are codes 3 and -2 with 2**-2: three bits."""
    of = layer("d", "QDense", "q", units=1, kernel_quantizer="quantized_bits(19,0,0,alpha=1)")
    assert kernel_width(of) == 19
    known = replace(of, weights={"kernel": np.array([[0.75], [-0.5]])})
    assert kernel_width(known) == 3
    assert kernel_width(replace(of, weights={"kernel": np.zeros((2, 1))})) == 1
