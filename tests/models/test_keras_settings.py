"""Every setting of every known Keras class is used, without effect, or refused by its name: none is read and dropped.

Settings are those that Keras 2, Keras 3 and QKeras themselves write, each set to another value than its default, alone
and together. What is not refused is built, and must compute what Keras computes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.models.architecture import describe_model, read_architecture
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import LAYERS, Role, refused_settings, used_settings
from fpgaae.models.simplify import fold_normalization, simplify

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]

_GRID = "quantized_bits(8,1,0,alpha=1)"
_QUANTIZED = {"kernel_quantizer": _GRID, "bias_quantizer": _GRID}
_FLAT, _LINE, _IMAGE = (6,), (8, 4), (8, 6, 4)


class Known(NamedTuple):
    """A class: what it is made from, and the shape of what it reads."""

    made_from: Mapping[str, Any]
    shape: tuple[int, ...]


KNOWN = {
    "Dense": Known({"units": 4}, _FLAT),
    "QDense": Known({"units": 4, **_QUANTIZED}, _FLAT),
    "Conv1D": Known({"filters": 4, "kernel_size": 3}, _LINE),
    "QConv1D": Known({"filters": 4, "kernel_size": 3, **_QUANTIZED}, _LINE),
    "Conv2D": Known({"filters": 4, "kernel_size": 3}, _IMAGE),
    "QConv2D": Known({"filters": 4, "kernel_size": 3, **_QUANTIZED}, _IMAGE),
    "QActivation": Known({"activation": _GRID}, _FLAT),
    "Activation": Known({"activation": "linear"}, _FLAT),
    "ReLU": Known({}, _FLAT),
    "LeakyReLU": Known({"alpha": 0.25}, _FLAT),
    "ELU": Known({"alpha": 0.25}, _FLAT),
    "BatchNormalization": Known({}, _FLAT),
    "Normalization": Known({"mean": 0.5, "variance": 2.0, "axis": None}, _FLAT),
    "Rescaling": Known({"scale": 0.25}, _FLAT),
    "MaxPooling1D": Known({"pool_size": 2}, _LINE),
    "MaxPooling2D": Known({"pool_size": 2}, _IMAGE),
    "AveragePooling1D": Known({"pool_size": 2}, _LINE),
    "AveragePooling2D": Known({"pool_size": 2}, _IMAGE),
    "UpSampling1D": Known({}, _LINE),
    "UpSampling2D": Known({}, _IMAGE),
    "ZeroPadding1D": Known({}, _LINE),
    "ZeroPadding2D": Known({}, _IMAGE),
    "Conv1DTranspose": Known({"filters": 4, "kernel_size": 3}, _LINE),
    "Conv2DTranspose": Known({"filters": 4, "kernel_size": 3}, _IMAGE),
    "DepthwiseConv1D": Known({"kernel_size": 3}, _LINE),
    "DepthwiseConv2D": Known({"kernel_size": 3}, _IMAGE),
    "SeparableConv1D": Known({"filters": 4, "kernel_size": 3}, _LINE),
    "SeparableConv2D": Known({"filters": 4, "kernel_size": 3}, _IMAGE),
    "QDepthwiseConv2D": Known(
        {
            "kernel_size": 3,
            "depthwise_quantizer": "quantized_bits(6,0,0,alpha=1)",
            "bias_quantizer": "quantized_bits(6,0,0,alpha=1)",
        },
        _IMAGE,
    ),
    "Cropping1D": Known({}, _LINE),
    "Cropping2D": Known({"cropping": 1}, _IMAGE),
    "Flatten": Known({}, _IMAGE),
    "Reshape": Known({"target_shape": (8, 24)}, _IMAGE),
    "Dropout": Known({"rate": 0.1}, _FLAT),
    "SpatialDropout1D": Known({"rate": 0.1}, _LINE),
    "SpatialDropout2D": Known({"rate": 0.1}, _IMAGE),
    "GaussianNoise": Known({"stddev": 0.1}, _FLAT),
    "GaussianDropout": Known({"rate": 0.1}, _FLAT),
    "ActivityRegularization": Known({}, _FLAT),
    "AlphaDropout": Known({"rate": 0.1}, _FLAT),
    "Identity": Known({}, _FLAT),
}
# Another value of each setting that Keras writes; one that is missing here is a new one of Keras, to be thought about.
OTHERS: Mapping[str, Any] = {
    "trainable": False, "dtype": "float64", "units": 5, "activation": "relu", "use_bias": False,
    "kernel_initializer": "ones", "bias_initializer": "ones", "kernel_regularizer": "l2", "bias_regularizer": "l2",
    "activity_regularizer": "l2", "kernel_constraint": "non_neg", "bias_constraint": "non_neg",
    "quantization_config": {"class_name": "Int8QuantizationConfig"}, "kernel_range": 3, "bias_range": 3,
    "kernel_quantizer": "quantized_bits(5,0,1,alpha=1)", "bias_quantizer": "quantized_bits(5,0,1,alpha=1)",
    "filters": 6, "kernel_size": 2, "strides": 3, "padding": "same", "data_format": "channels_first",
    "dilation_rate": 2, "groups": 2, "pool_size": 3, "size": 3, "interpolation": "bilinear", "target_shape": (4, 48),
    "axis": 1, "momentum": 0.5, "epsilon": 0.3, "center": False, "scale": False, "beta_initializer": "ones",
    "gamma_initializer": "zeros", "moving_mean_initializer": "ones", "moving_variance_initializer": "zeros",
    "beta_regularizer": "l2", "gamma_regularizer": "l2", "beta_constraint": "non_neg", "gamma_constraint": "non_neg",
    "synchronized": True, "renorm": True, "renorm_clipping": {"rmax": 2}, "renorm_momentum": 0.5, "max_value": 1.0,
    "negative_slope": 0.3, "threshold": 0.5, "rate": 0.3, "noise_shape": None, "seed": 3, "stddev": 0.3, "l1": 0.1,
    "l2": 0.1, "alpha": 0.3, "mean": 0.75, "variance": 3.0, "invert": True, "offset": 0.5,
    "output_padding": 1, "cropping": 2, "depth_multiplier": 2, "depthwise_initializer": "ones",
    "depthwise_regularizer": "l2", "depthwise_constraint": "non_neg", "pointwise_initializer": "ones",
    "pointwise_regularizer": "l2", "pointwise_constraint": "non_neg", "depthwise_range": 3,
    "depthwise_quantizer": "quantized_bits(5,0,1,alpha=1)",
}  # fmt: skip
_OF_CLASS: Mapping[tuple[str, str], Any] = {
    ("QActivation", "activation"): "quantized_relu(5,1)",
    ("QDense", "activation"): "quantized_relu(5,1)",
    ("QConv1D", "activation"): "quantized_relu(5,1)",
    ("QConv2D", "activation"): "quantized_relu(5,1)",
    ("QDepthwiseConv2D", "activation"): "quantized_relu(5,1)",
    ("LeakyReLU", "alpha"): 0.5,
    ("LeakyReLU", "negative_slope"): 0.5,
    ("Rescaling", "scale"): -0.5,
    ("Normalization", "axis"): -1,
    ("Cropping1D", "cropping"): (2, 1),
    ("Cropping2D", "cropping"): ((2, 1), (0, 3)),
    ("ZeroPadding1D", "padding"): (2, 1),
    ("ZeroPadding2D", "padding"): ((2, 1), (0, 3)),
}


def _other(kind: str, name: str) -> Any:  # noqa: ANN401
    return _OF_CLASS.get((kind, name), OTHERS[name])


def _module(kind: str, version: str) -> Any:  # noqa: ANN401
    import keras  # noqa: PLC0415
    import qkeras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    if kind.startswith("Q"):
        return qkeras
    return tf_keras.layers if version == "keras_2" else keras.layers


def _made_from(kind: str, version: str) -> dict[str, Any]:
    """Give what a class is made from, as a version of Keras calls it."""
    names = {old: new for new, old in LAYERS[kind].keras2_names.items()} if version == "keras_3" else {}
    return {names.get(name, name): value for name, value in KNOWN[kind].made_from.items()}


def _config(kind: str, version: str) -> dict[str, Any]:
    """Give the settings of a class as Keras writes them, with their defaults."""
    layer = getattr(_module(kind, version), kind)(**_made_from(kind, version))
    return {name: value for name, value in layer.get_config().items() if name != "name"}


def _read(kind: str, config: Mapping[str, Any], shape: tuple[int, ...]) -> NetworkDescription:
    """Read a model of one layer from JSON."""
    start = {"name": "x", "batch_input_shape": [None, *shape]}
    layers = [
        {"class_name": "InputLayer", "name": "x", "config": start, "inbound_nodes": []},
        {"class_name": kind, "name": "it", "config": {**config, "name": "it"}, "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    content = {"layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["it", 0, 0]]}
    return read_architecture(
        json.loads(json.dumps({"class_name": "Functional", "config": content}, default=float))
    ).network


def _refused(network: NetworkDescription) -> list[str]:
    return [refused.name for layer in network.layers for refused in refused_settings(layer.kind, layer.settings)]


def _check_built(kind: str, version: str, changes: Mapping[str, Any]) -> None:
    """Compare a layer as Keras makes it with what is built of its description."""
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    api = keras if version == "keras_3" and not kind.startswith("Q") else tf_keras
    layers, rng = _module(kind, version), np.random.default_rng(1)
    features = api.layers.Input(KNOWN[kind].shape, name="x")
    x = features if LAYERS[kind].role is not Role.NORMALIZE else api.layers.Dense(5, name="first")(features)
    layer = getattr(layers, kind)(name="it", **{**_made_from(kind, version), **changes})
    model = api.Model(features, layer(x))
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    described = describe_model(model) if api is tf_keras else _of_keras_3(model)
    events = rng.normal(0, 2, (20, *KNOWN[kind].shape)).astype(np.float32)
    expected = np.asarray(model(events))
    found = np.asarray(rebuild(fold_normalization(simplify(described)))(events))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{kind} {changes}")


def _of_keras_3(model: Any) -> NetworkDescription:  # noqa: ANN401
    network = read_architecture(json.loads(model.to_json())).network
    weights = {layer.name: [np.asarray(weight) for weight in layer.get_weights()] for layer in model.layers}
    return NetworkDescription(
        tuple(
            layer.changed(weights=dict(zip(layer.weight_names, weights[layer.name], strict=True)))
            for layer in network.layers
        ),
        network.outputs,
    )


def _is_used(kind: str, name: str) -> bool:
    return bool(used_settings(kind, {name: None}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "version"),
    [(kind, version) for kind in KNOWN for version in ("keras_2", "keras_3") if not kind.startswith("Q")]
    + [(kind, "keras_2") for kind in KNOWN if kind.startswith("Q")],
)
def test_every_setting_is_used_without_effect_or_refused_by_name(kind: str, version: str) -> None:
    config, shape = _config(kind, version), KNOWN[kind].shape
    assert _refused(_read(kind, config, shape)) == [], "defaults are taken"
    without_effect = {}
    for name in config:
        changed = {name: _other(kind, name)}
        if refused := _refused(_read(kind, {**config, **changed}, shape)):
            assert refused == [name]
        elif _is_used(kind, name):
            _check_built(kind, version, changed)
        else:
            without_effect |= changed
    _check_built(kind, version, without_effect)


@pytest.mark.slow
def test_the_settings_change_the_result_where_they_are_used_or_refused() -> None:
    """A value that makes no difference would prove nothing above: a few of each sort, against the defaults."""
    import tf_keras  # noqa: PLC0415

    def predicted(kind: str, **changes: Any) -> Any:  # noqa: ANN401
        features = tf_keras.layers.Input(KNOWN[kind].shape)
        layer = getattr(_module(kind, "keras_2"), kind)(**{**KNOWN[kind].made_from, **changes})
        model, rng = tf_keras.Model(features, layer(features)), np.random.default_rng(1)
        model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
        return np.asarray(model(rng.normal(0, 2, (20, *KNOWN[kind].shape)).astype(np.float32)))

    for kind, names in {
        "QDense": ("units", "activation", "use_bias", "kernel_quantizer", "bias_quantizer"),
        "QConv2D": ("kernel_size", "strides", "padding", "dilation_rate", "groups"),
        "ReLU": ("max_value", "negative_slope", "threshold"),
        "BatchNormalization": ("epsilon", "center", "scale"),
        "UpSampling2D": ("size", "interpolation"),
    }.items():
        for name in names:
            changed, plain = predicted(kind, **{name: _other(kind, name)}), predicted(kind)
            assert changed.shape != plain.shape or np.abs(changed - plain).max() > 1e-3, (kind, name)


def test_of_several_settings_each_that_is_refused_is_named() -> None:
    rng = np.random.default_rng(7)
    configs = {kind: _config(kind, "keras_2") for kind in KNOWN}

    def is_refused(kind: str, name: str) -> bool:
        return bool(_refused(_read(kind, {**configs[kind], name: _other(kind, name)}, KNOWN[kind].shape)))

    alone = {kind: {name for name in config if is_refused(kind, name)} for kind, config in configs.items()}
    assert sum(map(len, alone.values())) > 40
    for _ in range(300):
        kind = str(rng.choice(list(KNOWN)))
        names = [name for name in configs[kind] if rng.random() < 0.4]
        unknown = {f"made_up_{index}": index for index in range(rng.integers(0, 3))}
        changed = {**configs[kind], **{name: _other(kind, name) for name in names}, **unknown}
        assert set(_refused(_read(kind, changed, KNOWN[kind].shape))) == (alone[kind] & set(names)) | unknown.keys()


@pytest.mark.parametrize("kind", KNOWN)
def test_a_value_that_makes_no_sense_is_refused_before_anything_is_built(kind: str) -> None:
    config = _config(kind, "keras_2")
    # by the reader of quantizers
    read_elsewhere = {"activation", "kernel_quantizer", "bias_quantizer", "depthwise_quantizer"}
    for name in used_settings(kind, config).keys() - read_elsewhere:
        of_any_sign = name in {"mean", "offset"} or (kind, name) == ("Rescaling", "scale")
        for value in ({"class_name": "x"}, [{}], "many", *(() if of_any_sign else (-1.5,))):
            assert name in _refused(_read(kind, {**config, name: value}, KNOWN[kind].shape)), (name, value)


def test_every_known_class_is_tried() -> None:
    looked_at = {kind for kind, row in LAYERS.items() if row.settings is not None}
    of_the_project = {kind for kind in looked_at if LAYERS[kind].role in {Role.SCORE, Role.INPUT}}
    of_the_project |= {"FunctionActivation", "TableActivation", "Spread"}
    assert set(KNOWN) | of_the_project == looked_at


@pytest.mark.parametrize("wrong", [{"sparse": True}, {"dtype": "float16"}, {"ragged": True}, {"depth": 3}])
def test_the_settings_of_an_input_are_looked_at(wrong: dict[str, Any]) -> None:
    usual = {"batch_input_shape": (None, 3), "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}
    assert list(refused_settings("InputLayer", usual)) == []
    assert [refused.name for refused in refused_settings("InputLayer", {**usual, **wrong})] == list(wrong)


def test_a_policy_stands_for_the_type_that_it_names() -> None:
    def refused(name: str) -> list[str]:
        policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}
        return [str(one) for one in refused_settings("Dense", {"units": 2, "dtype": policy})]

    assert refused("float32") == []
    assert len(refused("mixed_float16")) == 1
    assert "dtype" in refused("mixed_float16")[0]


def test_what_is_built_is_refused_where_a_layer_is_unknown() -> None:
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415

    network = _read("PReLU", {}, _FLAT)
    with pytest.raises(InputError, match="the layer it is a PReLU, which is not known here"):
        rebuild(network)
