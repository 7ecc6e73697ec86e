"""The Keras and QKeras classes that are known: what each does with values, and what becomes of its settings.

One row a class. A setting is used (handed on to what is built), must have one of a few values, or has no effect on what
a trained layer computes; one that no row names is refused by its name. A class without a row is kept when a model is
read, and refused by whoever needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from fpgaae.config.model import Score
from fpgaae.golden.functions import FUNCTION_NAMES, Function
from fpgaae.models.setting_forms import (
    Form,
    has_no_axis,
    is_count,
    is_extent,
    is_magnitude,
    is_magnitudes,
    is_numbers,
    is_offset,
    is_plain,
    is_shape,
    is_single_axis,
    is_switch,
    is_type,
    is_window,
    one_of,
)

_SLOPES = frozenset(2.0**-shift for shift in range(1, 17))  # of what is negative, that only move the point


class Role(Enum):
    """What a layer does with values."""

    INPUT = "input"
    SUM = "sum"  # adds products with weights
    TRANSPOSED = "transposed"  # adds products of each value at several places
    DEPTHWISE = "depthwise"  # adds products within each channel, some of which are added up then
    ROUND = "round"  # gives values the type of a quantizer
    RECTIFY = "rectify"
    LEAK = "leak"  # a slope for what is negative
    FUNCTION = "function"  # a function of each value, in the firmware a table
    ACTIVATE = "activate"  # what its setting `activation` names
    NORMALIZE = "normalize"
    MAXIMUM = "maximum"
    MEAN = "mean"
    ENLARGE = "enlarge"
    PAD = "pad"
    CROP = "crop"
    SPREAD = "spread"  # pixels further apart, with zeros between and around them, or without those at the border
    RESHAPE = "reshape"
    TRAINING = "training"  # passes values on when nothing is trained
    MERGE = "merge"
    SCORE = "score"
    UNKNOWN = "unknown"  # known by name, to say why it is refused

    @property
    def keeps_shape(self) -> bool:
        """Whether it puts out a value for each that it reads, in its place."""
        return self in {
            Role.ROUND, Role.ACTIVATE, Role.RECTIFY, Role.LEAK, Role.FUNCTION, Role.NORMALIZE, Role.TRAINING,
        }  # fmt: skip

    @property
    def computes(self) -> bool:
        """Whether what it puts out needs more bits than what it reads."""
        return self in {Role.SUM, Role.MEAN, Role.LEAK}

    @property
    def moves_values(self) -> bool:
        """Whether each of its outputs is one of its inputs, or zero."""
        return self in {Role.MAXIMUM, Role.ENLARGE, Role.PAD, Role.CROP, Role.SPREAD, Role.RESHAPE}

    @property
    def is_activation(self) -> bool:
        """Whether a sum in front of it is rounded behind it."""
        return self in {Role.RECTIFY, Role.LEAK}

    @property
    def passes_bits(self) -> bool:
        """Whether the bits of a sum that it reads arrive behind it, as no quantizer bounds them."""
        return self.moves_values or self is Role.LEAK


class Setting(NamedTuple):
    """What becomes of a setting of a class."""

    is_used: bool  # handed on to what is built; what is neither used nor bound has no effect
    allows: Form
    rule: str = "layer-setting"  # of lint, that another value breaks
    mended: Form = lambda _: False  # what is not allowed, but brought into another form when a model is imported


class KerasLayer(NamedTuple):
    """What is known of a class."""

    role: Role
    settings: Mapping[str, Setting] | None = None  # None: nothing is known of them, as the class is refused anyway
    rule: str | None = None  # of lint, that such a layer breaks in the firmware; None: it has an exact integer form
    is_quantized: bool = False  # multiplies with quantized weights
    keeps_channels: bool = False  # an affine map of every channel may change places with it
    function: Callable[[Any, Mapping[str, Any]], Any] | None = None  # of each value, by its settings
    keras2_names: Mapping[str, str] = {}  # of settings that Keras 2 calls otherwise


class RefusedSetting(NamedTuple):
    """A setting that can neither be used nor left out."""

    rule: str
    name: str
    value: Any

    def __str__(self) -> str:
        """Write it as in Python."""
        name = "".join(character if character.isprintable() else "_" for character in self.name)
        policy = self.value.get("config") if name == "dtype" and isinstance(self.value, Mapping) else None
        value = policy.get("name", self.value) if isinstance(policy, Mapping) else self.value
        return f"{name}={value!r}"[:100]


def _used(form: Form, rule: str = "layer-setting", mended: Form = lambda _: False) -> Setting:
    return Setting(True, form, rule, mended)


def _must(*values: Any, rule: str = "layer-setting") -> Setting:  # noqa: ANN401
    return Setting(False, one_of(*values), rule)


def _without_effect(names: str) -> dict[str, Setting]:
    return dict.fromkeys(names.split(), Setting(False, lambda _: True))


_COMMON = {  # `build_config` and the like stand beside the settings, not among them
    "name": _used(is_plain),
    "dtype": _must("float32", None),
    **_without_effect("trainable batch_input_shape batch_shape autocast shared_object_id"),
}
_CHANNELS_LAST = {"data_format": _must("channels_last", None, rule="channels-first")}
_WEIGHTS = {
    "use_bias": _used(is_switch),
    "activation": _used(lambda _: True),  # read by `fpgaae.models.quantizers`
    **_without_effect(
        "kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer "
        "kernel_constraint bias_constraint"
    ),
    **dict.fromkeys(("quantization_config", "quantization_mode", "lora_rank", "lora_alpha"), _must(None)),
}
_QUANTIZED = {
    "kernel_quantizer": _used(lambda _: True),
    "bias_quantizer": _used(lambda _: True),
    **_without_effect("kernel_range bias_range"),  # QKeras itself no longer reads them
}
_DENSE = {"units": _used(is_count), **_WEIGHTS}
_CONVOLUTION = {
    "filters": _used(is_count),
    "kernel_size": _used(is_window),
    "strides": _used(is_window),
    "padding": _used(one_of("valid", "same")),
    "dilation_rate": _must(1, rule="dilated-convolution"),
    "groups": _must(1),
    **_CHANNELS_LAST,
    **_WEIGHTS,
}
_DEPTHWISE = {
    **{key: form for key, form in _CONVOLUTION.items() if key != "filters"},
    "depth_multiplier": _used(is_count),
    **_without_effect(
        "depthwise_initializer depthwise_regularizer depthwise_constraint pointwise_initializer pointwise_regularizer "
        "pointwise_constraint"
    ),
}
_POOLING = {
    "pool_size": _used(is_window),
    "strides": _used(lambda value: value is None or is_window(value)),
    "padding": _used(one_of("valid", "same")),
    **_CHANNELS_LAST,
}
_AS_TRAINED = {
    "training": _must(False, None)
}  # what a call of the layer says, of those that work otherwise in training
_NORMALIZATION = {
    "axis": _used(is_single_axis),
    "epsilon": _used(is_magnitude),
    "center": _used(is_switch),
    "scale": _used(is_switch),
    "renorm": _must(False),
    "virtual_batch_size": _must(None),
    "adjustment": _must(None),
    **_AS_TRAINED,
    **_without_effect(
        "momentum beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer "
        "beta_regularizer gamma_regularizer beta_constraint gamma_constraint synchronized fused renorm_clipping "
        "renorm_momentum"
    ),
}
_RECTIFIER = {
    "max_value": Setting(False, one_of(None), mended=is_magnitude),
    "negative_slope": Setting(False, one_of(0, None), mended=is_magnitude),
    "threshold": _must(0, None),
}
_SLOPE = _used(lambda value: isinstance(value, float) and value in _SLOPES, "leaky-slope", mended=is_magnitude)
_FUNCTION = {"function": _used(lambda value: value in FUNCTION_NAMES), "parameter": _used(is_magnitude)}
_INPUT = {
    "shape": _used(lambda _: True),
    "batch_shape": _used(lambda _: True),
    "batch_input_shape": _used(lambda _: True),
    **dict.fromkeys(("sparse", "ragged", "optional"), _must(False, None)),
}
_FREE_IN_TRAINING = {**_without_effect("rate seed noise_shape stddev data_format"), **_AS_TRAINED}


def _row(role: Role, *settings: Mapping[str, Setting], **known: Any) -> KerasLayer:  # noqa: ANN401
    merged = dict(_COMMON)
    for part in settings:
        merged.update(part)
    return KerasLayer(role, merged, **known)


def score_kind(score: Score) -> str:
    """Give the class of a score's layer."""
    return "".join(part.capitalize() for part in score.value.split("_")) + "Score"


SCORES = {score_kind(score): score for score in Score}
_FLOAT = "layer-not-quantized"
_SCORE = {"empty": _used(is_plain), "argument": _used(is_plain), "fraction_bits": _used(is_extent)}

LAYERS: Mapping[str, KerasLayer] = {
    "InputLayer": _row(Role.INPUT, _INPUT),
    "QDense": _row(Role.SUM, _DENSE, _QUANTIZED, is_quantized=True),
    "QConv1D": _row(Role.SUM, _CONVOLUTION, _QUANTIZED, is_quantized=True),
    "QConv2D": _row(Role.SUM, _CONVOLUTION, _QUANTIZED, is_quantized=True),
    "Dense": _row(Role.SUM, _DENSE, rule=_FLOAT),
    "Conv1D": _row(Role.SUM, _CONVOLUTION, rule=_FLOAT),
    "Conv2D": _row(Role.SUM, _CONVOLUTION, rule=_FLOAT),
    "QActivation": _row(Role.ROUND, {"activation": _used(lambda _: True)}),
    "Activation": _row(Role.ACTIVATE, {"activation": _used(lambda _: True)}, rule=_FLOAT),
    "ReLU": _row(Role.RECTIFY, _RECTIFIER, rule=_FLOAT, function=lambda x, _: np.maximum(x, 0)),
    "LeakyReLU": _row(
        Role.LEAK,
        {"alpha": _SLOPE, "negative_slope": _SLOPE},
        function=lambda x, settings: np.where(x < 0, x * x.dtype.type(slope_of(settings)), x),
        keras2_names={"negative_slope": "alpha"},
    ),
    "ELU": _row(Role.FUNCTION, {"alpha": _used(is_magnitude)}, rule=_FLOAT),
    "FunctionActivation": _row(Role.FUNCTION, _FUNCTION, rule=_FLOAT),
    "TableActivation": _row(Role.FUNCTION, _FUNCTION, {"argument": _used(is_type), "result": _used(is_type)}),
    "BatchNormalization": _row(Role.NORMALIZE, _NORMALIZATION, rule="batch-normalization"),
    "Normalization": _row(
        Role.NORMALIZE,
        {
            "axis": _used(lambda value: has_no_axis(value) or is_single_axis(value)),
            "mean": _used(is_numbers),
            "variance": _used(is_magnitudes),
            "invert": _must(False),
        },
        rule="batch-normalization",
    ),
    "Rescaling": _row(
        Role.NORMALIZE, {"scale": _used(is_numbers), "offset": _used(is_numbers)}, rule="batch-normalization"
    ),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _row(Role.MAXIMUM, _POOLING)),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), _row(Role.MEAN, _POOLING, keeps_channels=True)),
    "UpSampling1D": _row(Role.ENLARGE, {"size": _used(is_window)}, keeps_channels=True),
    "UpSampling2D": _row(
        Role.ENLARGE,
        {"size": _used(is_window), "interpolation": _must("nearest"), **_CHANNELS_LAST},
        keeps_channels=True,
    ),
    **dict.fromkeys(
        ("ZeroPadding1D", "ZeroPadding2D"), _row(Role.PAD, {"padding": _used(is_extent), **_CHANNELS_LAST})
    ),
    **dict.fromkeys(
        ("Cropping1D", "Cropping2D"),
        _row(Role.CROP, {"cropping": _used(is_extent), **_CHANNELS_LAST}, rule="unsupported-layer"),
    ),
    "Spread": _row(Role.SPREAD, {"strides": _used(is_window), "padding": _used(is_offset)}),
    **dict.fromkeys(
        ("Conv1DTranspose", "Conv2DTranspose"),
        _row(Role.TRANSPOSED, _CONVOLUTION, {"output_padding": _must(None)}, rule="transposed-convolution"),
    ),
    **dict.fromkeys(
        ("DepthwiseConv1D", "DepthwiseConv2D"), _row(Role.DEPTHWISE, _DEPTHWISE, rule="depthwise-convolution")
    ),
    **dict.fromkeys(
        ("SeparableConv1D", "SeparableConv2D"),
        _row(Role.DEPTHWISE, _DEPTHWISE, {"filters": _used(is_count)}, rule="depthwise-convolution"),
    ),
    "QDepthwiseConv2D": _row(
        Role.DEPTHWISE,
        _DEPTHWISE,
        {"depthwise_quantizer": _used(lambda _: True), "bias_quantizer": _used(lambda _: True)},
        _without_effect("depthwise_range bias_range"),
        rule="depthwise-convolution",
    ),
    "Flatten": _row(Role.RESHAPE, _CHANNELS_LAST, keeps_channels=True),
    "Reshape": _row(Role.RESHAPE, {"target_shape": _used(is_shape)}),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout"),
        _row(Role.TRAINING, _FREE_IN_TRAINING, rule="unsupported-layer"),
    ),
    **dict.fromkeys(
        ("ActivityRegularization", "Identity"),
        _row(Role.TRAINING, _without_effect("l1 l2"), rule="unsupported-layer"),
    ),
    **dict.fromkeys(
        ("GaussianNoise", "GaussianDropout"), _row(Role.TRAINING, _FREE_IN_TRAINING, rule="sampling-layer")
    ),
    **dict.fromkeys(SCORES, _row(Role.SCORE, _SCORE)),
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
        KerasLayer(Role.MERGE, rule="merged-branches"),
    ),
    **{
        kind: KerasLayer(Role.UNKNOWN, rule=rule)
        for rule, kinds in {
            "lambda-layer": "Lambda",
            "transposed-convolution": "QConv2DTranspose",
            "softmax": "Softmax",
            "quantized-batch-normalization": (
                "QBatchNormalization QConv2DBatchnorm QDenseBatchnorm QDepthwiseConv2DBatchnorm"
            ),
            "leaky-slope": "PReLU",
            "hgq-proxy": "HGQ>FixedPointQuantizer HGQ>UnaryLUT FixedPointQuantizer UnaryLUT",
        }.items()
        for kind in kinds.split()
    },
}
PRUNING_WRAPPER = "PruneLowMagnitude"
CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
_NOTHING = KerasLayer(Role.UNKNOWN, rule="unsupported-layer")


def slope_of(settings: Mapping[str, Any]) -> float:
    """Give the slope of a LeakyReLU, which Keras 2 and Keras 3 name differently."""
    return float(settings.get("negative_slope", settings.get("alpha")))


def function_of(settings: Mapping[str, Any]) -> Function:
    """Give the function of a FunctionActivation or TableActivation."""
    return Function(str(settings["function"]), float(settings.get("parameter", 1.0)))


def row_of(kind: str) -> KerasLayer:
    """Give what is known of a class, or that nothing is."""
    return LAYERS.get(kind, _NOTHING)


def refused_settings(kind: str, settings: Mapping[str, Any], *, is_mended: bool = False) -> Iterator[RefusedSetting]:
    """Give the settings of a layer that its row does not know, or does not allow.

    Parameters
    ----------
    is_mended
        Whether the layer is going to be brought into another form where its setting asks for that.
    """
    known = row_of(kind).settings
    if known is None:
        return
    for name, value in settings.items():
        setting = known.get(name)
        if setting is None:
            yield RefusedSetting("setting-unknown", name, value)
        elif not (setting.allows(value) or (is_mended and setting.mended(value))):
            yield RefusedSetting(setting.rule, name, value)


def used_settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that are handed on to what is built, without the name, as Keras 2 calls them."""
    row = row_of(kind)
    known = row.settings or {}
    used = [name for name in settings if name != "name" and name in known and known[name].is_used]
    return {row.keras2_names.get(name, name): settings[name] for name in used}
