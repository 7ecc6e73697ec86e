"""Every rule with a model that breaks it and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from lint_models import (
    NARROW,
    RELU,
    SIGNED,
    STREAM,
    Looked,
    by_hand,
    dense,
    encoder,
    layer,
    quantizer,
    real,
)
from support import REPOSITORY

from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.page import rules_page
from fpgaae.hls.lint.project_checks import lint_project
from fpgaae.hls.lint.rules import RULES
from fpgaae.hls.project import EXPECTED_FILE, STIMULUS_FILE, VECTORS_FOLDER
from fpgaae.models.architecture import describe_model

pytestmark = pytest.mark.usefixtures("tensorflow")

RELOADABLE = Conversion(reloadable_weights=True)
RESOURCE = Conversion(strategy="resource", reuse_factor=4)
NOT_EXACT = Conversion(bit_exact=False)
_IN_PROJECTS = {"testbench-never-compares", "golden-vectors-missing"}
_IN_FILES = {"weights-damaged", "not-importable", "quant-node"}  # test_lint_import.py, models/test_onnx_file.py


class Case(NamedTuple):
    """A rule, a model that breaks it (and nothing else, but for `also`) at `where`, and one that keeps it."""

    rule: str
    broken: Callable[[], Looked]
    sound: Callable[[], Looked] = real
    where: str = "encoder_1"
    also: frozenset[str] = frozenset()


def _dense_with(**options: Any) -> Callable[[], Looked]:  # noqa: ANN401
    return lambda: real(encoder_1=lambda: dense("encoder_1", **options))


def _activation(of: str) -> Callable[[], Looked]:
    return lambda: real(encoder_1_relu=lambda: quantizer("encoder_1_relu", of))


def _with_zeros(conversion: Conversion) -> Looked:
    """Prune every weight of a model."""
    model = real().model
    layers = tuple(replace(layer, weights={k: 0 * w for k, w in layer.weights.items()}) for layer in model.layers)
    return Looked(replace(model, layers=layers), conversion)


def _keras(name: str, *arguments: Any, **options: Any) -> Callable[[], Looked]:  # noqa: ANN401
    """Put a layer of Keras behind the first one."""

    def make() -> Looked:
        import tf_keras  # noqa: PLC0415

        kind = getattr(tf_keras.layers, name)
        return real(encoder_1_relu=lambda: [quantizer("encoder_1_relu", RELU), kind(*arguments, name="it", **options)])

    return make


def _qkeras_batch_normalization() -> Looked:
    from qkeras import QBatchNormalization  # noqa: PLC0415

    return real(encoder_1=lambda: [dense("encoder_1"), QBatchNormalization(name="it")])


def _pruned() -> Looked:
    from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude  # noqa: PLC0415

    return real(encoder_1=lambda: prune_low_magnitude(dense("encoder_1")))


def _stripped() -> Looked:
    from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude, strip_pruning  # noqa: PLC0415

    model = encoder(encoder_1=prune_low_magnitude(dense("encoder_1")))
    return Looked(describe_model(strip_pruning(model)))


def _nested() -> Looked:
    import tf_keras  # noqa: PLC0415

    inner = tf_keras.Sequential([tf_keras.layers.Input((5,)), dense("inside")], name="it")
    return real(encoder_1_relu=lambda: [quantizer("encoder_1_relu", RELU), inner])


def _shared() -> Looked:
    twice = dense("encoder_1", units=6)
    return real(encoder_1=lambda: [twice, quantizer("between", RELU), twice])


def _two_denses() -> Looked:
    return real(encoder_1=lambda: [dense("encoder_1", 6), quantizer("between", RELU), dense("encoder_2")])


def _two_inputs() -> Looked:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.score_layers import SquaredErrorScore  # noqa: PLC0415

    inputs = [tf_keras.layers.Input((3,)) for _ in range(2)]
    score = SquaredErrorScore(name="score")([quantizer(f"q{i}")(x) for i, x in enumerate(inputs)])
    return Looked(describe_model(tf_keras.Model(inputs, score)))


def _sampled() -> Looked:
    import tf_keras  # noqa: PLC0415

    class Sampling(tf_keras.layers.Layer):  # type: ignore[misc]
        """As in most examples of variational autoencoders."""

    return real(mu_quantized=lambda: [quantizer("mu_quantized"), Sampling(name="it")])


def _wide(bits: int, strategy: str = "latency") -> Callable[[], Looked]:
    wide = f"quantized_bits({bits},0,0,alpha=1)"
    return lambda: real(
        Conversion(strategy=strategy),
        features_quantized=lambda: quantizer("features_quantized", wide),
        encoder_1=lambda: dense("encoder_1", kernel_quantizer=wide, bias_quantizer=wide),
    )


def _scored(kind: str, *quantizers: str | None, **config: Any) -> Callable[[], Looked]:  # noqa: ANN401
    """Describe a score of several inputs, each a quantizer or, for None, a sum that is not quantized."""

    def make() -> Looked:
        layers = []
        for index, of in enumerate(quantizers):
            sum_of = layer(f"d{index}", "QDense", "q", units=3, kernel_quantizer=NARROW, bias_quantizer=NARROW)
            layers += (
                [sum_of] if of is None else [sum_of, layer(f"q{index}", "QActivation", f"d{index}", activation=of)]
            )
        inputs = [f"d{index}" if of is None else f"q{index}" for index, of in enumerate(quantizers)]
        return by_hand(*layers, layer("score", kind, *inputs, **config))

    return make


def _image(kind: str, conversion: Conversion = STREAM, **config: Any) -> Callable[[], Looked]:  # noqa: ANN401
    return lambda: by_hand(layer("it", kind, "q", **config), conversion=conversion, shape=(8, 8, 2))


def _convolution(**config: Any) -> Callable[[], Looked]:  # noqa: ANN401
    weights = {"kernel_quantizer": NARROW, "bias_quantizer": NARROW, "filters": 2, "kernel_size": [3, 3]}
    return _image("QConv2D", Conversion(), **weights, **config)


_FEW_WEIGHTS = {"kernel_quantizer": NARROW, "bias_quantizer": NARROW}


def _streamed(kernel: list[int], strides: list[int]) -> Callable[[], Looked]:
    return _image("QConv2D", STREAM, **_FEW_WEIGHTS, filters=2, kernel_size=kernel, strides=strides)


def _reused(factor: int, io_type: str = "io_parallel", kernel: int = 2) -> Callable[[], Looked]:
    """Describe a convolution of two channels to eight, by default with sums of 4 x 2 products."""
    conversion = Conversion(strategy="resource", reuse_factor=factor, io_type=io_type)
    return _image("QConv2D", conversion, **_FEW_WEIGHTS, filters=8, kernel_size=[kernel, kernel])


def _small_sums(of: str) -> Callable[[], Looked]:
    """Describe a layer of one product of the lowest bits, and a quantizer behind it."""
    parts = layer("it", "QDense", "q", **_FEW_WEIGHTS, units=1), layer("rounded", "QActivation", "it", activation=of)

    def make() -> Looked:
        looked = by_hand(*parts, shape=(1,))
        weights = {"kernel": np.full((1, 1), 2.0**-5), "bias": np.zeros(1)}
        layers = [replace(one, weights=weights) if one.name == "it" else one for one in looked.model.layers]
        return Looked(replace(looked.model, layers=tuple(layers)), looked.conversion)

    return make


def _dense_on(shape: tuple[int, ...]) -> Callable[[], Looked]:
    return lambda: by_hand(layer("it", "QDense", "q", **_FEW_WEIGHTS, units=2), shape=shape)


def _averaged() -> Looked:
    mean = layer("it", "AveragePooling2D", "q", pool_size=[3, 1], padding="valid")
    return by_hand(mean, layer("rounded", "QActivation", "it", activation=SIGNED), shape=(8, 8, 2))


def _scored_images(*kinds: str, conversion: Conversion = STREAM) -> Callable[[], Looked]:
    """Describe a score of an image and the output of a dense layer of as many values."""

    def make() -> Looked:
        parts = [layer("flat", "Flatten", "q"), layer("d", "QDense", "flat", units=12, **_FEW_WEIGHTS)]
        parts.append(layer("p", "QActivation", "d", activation=SIGNED))
        name = "p"
        for index, kind in enumerate(kinds):
            target = {"target_shape": (3, 2, 2)} if kind == "Reshape" else {}
            parts.append(layer(f"l{index}", kind, name, **target))
            name = f"l{index}"
        return by_hand(*parts, layer("it", "SquaredErrorScore", "flat", name), conversion=conversion, shape=(3, 2, 2))

    return make


def _masked(shape: tuple[int, ...], conversion: Conversion = STREAM, empty: float = 0.0) -> Callable[[], Looked]:
    """Describe a score of three slots of two values each."""
    parts = (
        layer("flat", "Flatten", "q"),
        layer("it", "MaskedSquaredErrorScore", "flat", "flat", empty=[0.0, empty, 0.0]),
    )
    return lambda: by_hand(*parts, conversion=conversion, shape=shape)


def _weights_of(kernel: str) -> Callable[[], Looked]:
    """Describe a layer by hand that QKeras can't even build."""
    return lambda: by_hand(layer("it", "QDense", "q", units=2, kernel_quantizer=kernel, bias_quantizer=NARROW))


def _summed_behind(kind: str, **settings: Any) -> Callable[[], Looked]:  # noqa: ANN401
    """Describe two convolutions with a layer between them."""
    weights = {"kernel_quantizer": NARROW, "bias_quantizer": NARROW, "filters": 2, "kernel_size": [1, 1]}
    return lambda: by_hand(
        layer("first", "QConv2D", "q", **weights), layer("between", kind, "first", **settings),
        layer("next", "QConv2D", "between", **weights), shape=(8, 8, 2),
    )  # fmt: skip


def _read_by(n: int) -> Callable[[], Looked]:
    def make() -> Looked:
        readers = [
            layer(f"d{i}", "QDense", "q", units=1, kernel_quantizer=NARROW, bias_quantizer=NARROW) for i in range(n)
        ]
        return by_hand(*readers, conversion=STREAM)

    return make


def _merged(kind: str, second: int, conversion: Conversion) -> Callable[[], Looked]:
    def make() -> Looked:
        other = layer("d", "QDense", "q", units=second, kernel_quantizer=NARROW, bias_quantizer=NARROW)
        return by_hand(other, layer("p", "QActivation", "d", activation=SIGNED), layer("it", kind, "q", "p"),
                       conversion=conversion)  # fmt: skip

    return make


def _with_table(argument: str) -> Callable[[], Looked]:
    """Describe a table behind a quantizer of 8 bits, 3 of them in front of the point."""
    table = {"function": "tanh", "parameter": 1.0, "argument": argument, "result": "ap_fixed<8,1>"}
    return lambda: by_hand(layer("t", "TableActivation", "q", **table))


def _with(**options: Any) -> Callable[[], Looked]:  # noqa: ANN401
    return lambda: real(replace(Conversion(), **options))


_AUTO = "quantized_bits(6,0,1,alpha='auto_po2')"
_BUT_CLASS = frozenset({"unsupported-layer", "merged-branches"})  # the class may or may not have an integer form yet
_NEEDED = "fixed<20,9>"
_12_BITS, _13_BITS, _14_BITS = (f"quantized_bits({bits},2,0,alpha=1)" for bits in (12, 13, 14))

CASES = (
    Case("bit-exact-unset", _with(bit_exact=None), where=""),
    Case("granularity-not-name", _with(granularity="type"), where=""),
    Case("max-precision-narrow", _with(bit_exact=False, max_precision="fixed<10,4>"),
         _with(bit_exact=False, max_precision="fixed<40,20>"), also=frozenset({"bit-exact-unset"})),
    Case("accumulator-override", _with(bit_exact=False, accumulators={"encoder_1": "fixed<16,8>"}),
         _with(bit_exact=False, accumulators={"encoder_1": _NEEDED}), also=frozenset({"bit-exact-unset"})),
    Case("accumulator-override", _with(bit_exact=False, accumulators={"encoder_1": "fixed<16,5>"}),
         _with(bit_exact=False, accumulators={"encoder_1": _NEEDED}), also=frozenset({"bit-exact-unset"})),
    Case("override-ignored", _with(accumulators={"encoder_1": _NEEDED})),
    Case("override-ignored", _with(max_precision=_NEEDED), where=""),
    Case("distributed-arithmetic-reuse", _with(strategy="distributed_arithmetic", reuse_factor=2),
         _with(strategy="distributed_arithmetic"), where=""),
    Case("reuse-factor-replaced", lambda: real(RESOURCE),
         lambda: real(replace(RESOURCE, reuse_factor=1))),
    Case("input-not-quantized", lambda: real(features_quantized=None)),
    Case("input-not-quantized", lambda: real(features_quantized=lambda: quantizer("features_quantized", RELU)),
         where="features_quantized"),
    Case("activation-symmetric", _activation("quantized_bits(6,2,1,alpha=1)"), _activation(SIGNED),
         where="encoder_1_relu"),
    Case("activation-symmetric", _activation("quantized_bits(6,2,symmetric=1,alpha=1)"),
         _dense_with(kernel_quantizer="quantized_bits(6,0,1,alpha=1)"), where="encoder_1_relu"),
    Case("activation-keep-negative", _activation("quantized_bits(6,2,0,0,alpha=1)"), _activation(RELU),
         where="encoder_1_relu"),
    Case("alpha-missing", _dense_with(bias_quantizer="quantized_bits(6,0)")),
    Case("alpha-missing", _activation("quantized_bits(6,2)"), where="encoder_1_relu"),
    Case("alpha-auto", _dense_with(kernel_quantizer="quantized_bits(6,0)")),  # QKeras makes it auto_po2
    Case("alpha-auto", _dense_with(kernel_quantizer=_AUTO)),
    Case("alpha-scaled", _dense_with(kernel_quantizer="quantized_bits(6,0,0,alpha=0.5)"),
         _dense_with(kernel_quantizer="quantized_bits(6,0,0,alpha=1.0)")),
    Case("kernel-not-quantized", _dense_with(kernel_quantizer=None)),
    Case("bias-not-quantized", _dense_with(bias_quantizer=None)),
    Case("bias-missing", _dense_with(use_bias=False, bias_quantizer=None)),
    Case("real-tanh-sigmoid", _activation("quantized_tanh(6,use_real_tanh=True)"), where="encoder_1_relu"),
    Case("real-tanh-sigmoid", _activation("quantized_sigmoid(6,use_real_sigmoid=True)"), where="encoder_1_relu"),
    Case("real-tanh-sigmoid", _keras("Activation", "tanh"), where="it"),
    Case("table-argument", _with_table("ap_fixed<9,3>"), _with_table("ap_fixed<8,3,AP_RND_CONV,AP_SAT>"), where="t"),
    Case("table-argument", _with_table("ap_fixed<13,3>"), where="t"),
    Case("relu-upper-bound", _activation("quantized_relu(6,2,relu_upper_bound=3,is_quantized_clip=False)"),
         where="encoder_1_relu"),
    Case("leaky-slope", _activation("quantized_relu(6,2,negative_slope=0.25)"), where="encoder_1_relu"),
    Case("leaky-slope", _keras("LeakyReLU"), where="it"),
    Case("power-of-two-weights", _dense_with(kernel_quantizer="quantized_po2(4)")),
    Case("quantizer-option", _activation("quantized_relu(6,2,use_sigmoid=1)"), where="encoder_1_relu"),
    Case("quantizer-option", _dense_with(kernel_quantizer="quantized_bits(6,0,0,alpha=1,qnoise_factor=0.5)")),
    Case("quantizer-option", _dense_with(bias_quantizer="quantized_bits(6,0,0,1,1,True)")),
    Case("quantizer-unsupported", _activation("quantized_tanh(6)"), where="encoder_1_relu"),
    Case("quantizer-unsupported", _dense_with(kernel_quantizer="ternary(alpha=1)")),
    Case("one-bit-quantizer", _dense_with(kernel_quantizer="quantized_bits(1,0,0,alpha=1)"),
         _dense_with(kernel_quantizer="quantized_bits(2,0,0,alpha=1)")),
    Case("negative-integer-bits", _activation("quantized_relu(6,-1)"), _activation("quantized_relu(6,0)"),
         where="encoder_1_relu"),
    Case("negative-integer-bits", _weights_of("quantized_bits(8,-2,0,alpha=1)"),
         _weights_of("quantized_bits(8,0,0,alpha=1)"), where="it"),
    Case("no-fraction-bits", _activation("quantized_relu(3,3)"), _activation("quantized_relu(3,2)"),
         where="encoder_1_relu"),
    Case("no-fraction-bits", _activation("quantized_bits(4,3,0,alpha=1)"),
         _dense_with(kernel_quantizer="quantized_bits(4,3,0,alpha=1)"), where="encoder_1_relu"),
    Case("pruning-wrapper", _pruned, _stripped, where="prune_low_magnitude_encoder_1"),
    Case("quantized-batch-normalization", _qkeras_batch_normalization, where="it",
         also=frozenset({"quantizer-unsupported", "kernel-not-quantized", "power-of-two-weights"})),
    Case("batch-normalization", _keras("BatchNormalization"), where="it"),
    Case("softmax", _keras("Softmax"), where="it"),
    Case("softmax", _keras("Activation", "softmax"), where="it"),
    Case("lambda-layer", _keras("Lambda", lambda x: x), where="it"),
    Case("transposed-convolution", _image("Conv2DTranspose"), where="it"),
    Case("depthwise-convolution", _image("DepthwiseConv2D", Conversion(), kernel_size=[3, 3]), where="it"),
    Case("hgq-proxy", lambda: by_hand(layer("it", "HGQ>FixedPointQuantizer", "q", RND="RND_CONV")), where="it"),
    Case("merged-branches", _merged("Add", 6, Conversion()), where="it"),
    Case("sampling-layer", _sampled, where="it"),
    Case("sampling-layer", _keras("GaussianNoise", 0.1), where="it"),
    Case("layer-not-quantized", _keras("Dense", 5), where="it"),
    Case("layer-not-quantized", _keras("ReLU"), where="it"),
    Case("unsupported-layer", _keras("Dropout", 0.1), where="it"),
    Case("nested-model", _nested, where="it", also=frozenset({"unquantized-sum"})),
    Case("layer-setting", _convolution(groups=2), _convolution(groups=1), where="it"),
    Case("layer-setting", _convolution(padding="causal"), _convolution(padding="same"), where="it"),
    Case("layer-setting", _convolution(dtype="float64"), _convolution(dtype="float32"), where="it"),
    Case("setting-unknown", _convolution(mask=[[1, 0]]), _convolution(kernel_constraint="max_norm"), where="it"),
    Case("shared-layer", _shared, _two_denses),
    Case("several-inputs-or-outputs", _two_inputs, where=""),
    Case("activation-inside-layer", _dense_with(activation="relu"), _dense_with(activation="linear")),
    Case("activation-inside-layer", _dense_with(activation="quantized_relu(6,2)")),
    Case("layer-name", lambda: real(encoder_1=lambda: dense("encoder-1")), where="encoder-1"),
    Case("layer-name", lambda: real(encoder_1=lambda: dense("register")), where="register"),
    Case("layer-name", lambda: real(encoder_1=lambda: dense("input")), where="input"),
    Case("layer-name", lambda: real(encoder_1=lambda: dense("unbiased")), where="unbiased"),
    Case("layer-name", lambda: real(encoder_1=lambda: dense("mu_weight")),
         lambda: real(encoder_1=lambda: dense("my_weight")), where="mu_weight"),
    Case("unquantized-sum", lambda: real(encoder_1_relu=None), where="mu"),
    Case("unquantized-sum", _summed_behind("MaxPooling2D", pool_size=[2, 2]),
         _summed_behind("QActivation", activation=RELU), where="next"),
    Case("unquantized-sum", _summed_behind("UpSampling2D", size=[2, 2]),
         _summed_behind("QActivation", activation=RELU), where="next"),
    Case("quantizer-after-quantizer", lambda: real(mu_quantized=lambda: [quantizer("one"), quantizer("two")]),
         lambda: real(mu_quantized=lambda: [quantizer("one"), quantizer("two", RELU)]), where="two"),
    Case("score-input-not-quantized", lambda: real(mu_quantized=None), where="score",
         also=frozenset({"score-beyond-float32"})),
    Case("score-may-be-negative", _scored("RegressionScore", SIGNED), _scored("RegressionScore", RELU), where="score",
         also=_BUT_CLASS),
    Case("score-exp-table", _scored("KlDivergenceScore", SIGNED, None), _scored("KlDivergenceScore", SIGNED, SIGNED),
         where="score", also=_BUT_CLASS),
    Case("score-exp-table", _scored("MuSquaredOverVarianceScore", SIGNED, _13_BITS),
         _scored("MuSquaredOverVarianceScore", SIGNED, _12_BITS), where="score", also=_BUT_CLASS),
    Case("score-exp-table", _scored("KlDivergenceScore", SIGNED), where="score", also=_BUT_CLASS),
    Case("dot-in-stream", _merged("Dot", 6, STREAM), _merged("Dot", 6, Conversion()), where="it", also=_BUT_CLASS),
    Case("stream-broadcast", _merged("Multiply", 1, STREAM), _merged("Multiply", 6, STREAM), where="it",
         also=_BUT_CLASS),
    Case("score-shapes", _merged("SquaredErrorScore", 1, STREAM), _merged("SquaredErrorScore", 6, STREAM), where="it"),
    Case("score-shapes", _merged("SquaredErrorScore", 1, Conversion()),
         _merged("SquaredErrorScore", 6, Conversion()), where="it"),
    Case("stream-copies", _read_by(8), _read_by(7), where="q"),
    Case("stream-pooling", _image("MaxPooling2D", pool_size=[3, 3], strides=[1, 1], padding="valid"),
         _image("MaxPooling2D", pool_size=[2, 2], strides=[2, 2], padding="valid"), where="it", also=_BUT_CLASS),
    Case("stream-pooling", _image("AveragePooling2D", pool_size=[2, 2], strides=None, padding="same"),
         _image("AveragePooling2D", Conversion(), pool_size=[2, 2], strides=None, padding="same"), where="it",
         also=_BUT_CLASS),
    Case("stream-strides", _streamed([1, 2], [2, 1]), _streamed([1, 2], [1, 2]), where="it", also=_BUT_CLASS),
    Case("stream-strides", _streamed([1, 3], [3, 3]), _streamed([2, 3], [3, 3]), where="it", also=_BUT_CLASS),
    Case("stream-strides", _streamed([1, 2], [2, 1]), _streamed([1, 1], [2, 2]), where="it", also=_BUT_CLASS),
    Case("stream-packs", _scored_images("Flatten"), _scored_images("Reshape", "Flatten"), where="it"),
    Case("stream-packs", _scored_images("Flatten"), _scored_images("Flatten", conversion=Conversion()), where="it"),
    Case("stream-packs", _masked((3, 2, 1)), _masked((3, 1, 2)), where="it"),
    Case("score-empty-slot", _masked((3, 1, 2), empty=4.0), _masked((3, 1, 2), empty=-4.0), where="it"),
    Case("score-empty-slot", _masked((3, 1, 2), empty=2.0**-6), _masked((3, 1, 2), empty=2.0**-5), where="it"),
    Case("stream-packs", _masked((3, 2, 1)), _masked((3, 2, 1), Conversion()), where="it"),
    Case("pooling-beyond-border", _image("MaxPooling2D", Conversion(), pool_size=3, strides=None, padding="same"),
         _image("MaxPooling2D", Conversion(), pool_size=[4, 2], strides=None, padding="same"), where="it"),
    Case("mean-not-quantized", _image("AveragePooling2D", Conversion(), pool_size=[3, 1], padding="valid"),
         _image("AveragePooling2D", Conversion(), pool_size=[4, 1], padding="valid"), where="it"),
    Case("mean-not-quantized", _image("AveragePooling2D", Conversion(), pool_size=[3, 1], padding="valid"),
         _averaged, where="it"),
    Case("dense-of-image", _dense_on((3, 2)), _dense_on((6,)), where="it"),
    Case("convolution-reuse", _reused(16), _reused(8), where="it"),
    Case("convolution-reuse", _reused(16), _reused(16, "io_stream"), where="it"),
    Case("pointwise-reuse", _reused(3, "io_stream", 1), _reused(2, "io_stream", 1), where="it"),
    Case("pointwise-reuse", _reused(32, "io_parallel", 1), _reused(1, "io_parallel", 1), where="it"),
    Case("channels-first", _convolution(data_format="channels_first"), _convolution(data_format="channels_last"),
         where="it", also=_BUT_CLASS),
    Case("dilated-convolution", _convolution(dilation_rate=[2, 2]), _convolution(dilation_rate=[1, 1]), where="it",
         also=_BUT_CLASS),
    Case("accumulator-beyond-float64", _wide(30), _wide(18),
         also=frozenset({"dsp-input-wasted", "accumulator-beyond-float32"})),
    Case("accumulator-beyond-float32", _wide(16), _wide(8)),
    Case("score-beyond-float32", lambda: real(mu_quantized=lambda: quantizer("mu_quantized", _14_BITS)),
         where="score"),
    Case("sum-below-step", _small_sums("quantized_bits(4,2,0,alpha=1)"), _small_sums("quantized_bits(5,2,0,alpha=1)"),
         where="rounded"),
    Case("dsp-input-wasted", _wide(19), _wide(18), also=frozenset({"accumulator-beyond-float32"})),
    Case("dsp-input-wasted", _wide(19), _wide(19, "distributed_arithmetic"),
         also=frozenset({"accumulator-beyond-float32"})),
    Case("reloadable-zeros", lambda: _with_zeros(RELOADABLE), lambda: real(RELOADABLE), where="",
         also=frozenset({"reloadable-not-traced"})),
    Case("reloadable-not-traced", lambda: real(RELOADABLE), lambda: real(Conversion()), where=""),
    Case("reloadable-zeros", lambda: _with_zeros(RELOADABLE), lambda: _with_zeros(Conversion()), where="",
         also=frozenset({"reloadable-not-traced"})),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
def test_a_model_that_breaks_the_rule_is_found(case: Case) -> None:
    findings = case.broken().findings
    assert [f.layer for f in findings if f.rule == case.rule and f.layer == case.where] == [case.where], findings
    assert {f.rule for f in findings} - case.also == {case.rule}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
def test_a_model_that_keeps_the_rule_is_not_found(case: Case) -> None:
    findings = case.sound().findings
    assert case.rule not in {f.rule for f in findings}
    assert {f.rule for f in findings} <= case.also, findings


def test_every_rule_has_both_tests() -> None:
    in_run_folders = {"events-at-largest-code", "threshold-few-events"}  # of which test_lint_command has a test
    assert {case.rule for case in CASES} | _IN_PROJECTS | _IN_FILES | in_run_folders == set(RULES)


def test_a_testbench_that_never_compares_is_found(tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    (tmp_path / VECTORS_FOLDER).mkdir()
    testbench = tmp_path / "autoencoder_test.cpp"
    assert lint_project(tmp_path)[0].rule == "testbench-never-compares"
    generated = (
        'std::ifstream fin("tb_data/tb_input_features.dat");\nstd::ifstream fpr("tb_data/tb_output_predictions.dat");'
    )
    testbench.write_text(generated)
    assert {f.rule for f in lint_project(tmp_path)} == _IN_PROJECTS
    testbench.write_text((REPOSITORY / "firmware" / "csim" / "testbench.cpp").read_text())
    for name in (STIMULUS_FILE, EXPECTED_FILE):
        assert lint_project(tmp_path)[0].rule == "golden-vectors-missing"
        (tmp_path / VECTORS_FOLDER / name).write_text("")
        assert any(f.found.endswith(name) for f in lint_project(tmp_path)), "an empty file means zeros, too"
        (tmp_path / VECTORS_FOLDER / name).write_text("1 2\n")
    assert lint_project(tmp_path) == ()


def test_the_rules_have_stable_names_and_whole_texts() -> None:
    for name, rule in RULES.items():
        assert name == rule.name
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(rule.cause) > 20
        assert len(rule.cure) > 5
        assert not rule.cause.endswith(".")
        assert not rule.cure.endswith(".")


def test_the_page_is_in_step_with_the_table() -> None:
    assert (REPOSITORY / "docs" / "lint.md").read_text(encoding="utf-8") == rules_page()


def test_errors_come_first_and_nothing_twice() -> None:
    findings = real(
        mu_quantized=lambda: quantizer("mu_quantized", "quantized_bits(20,2,1,alpha=1)"), encoder_1_relu=lambda: None
    ).findings
    order = list(Severity)
    severities = [order.index(f.severity) for f in findings]
    assert severities == sorted(severities)
    assert len(set(severities)) == 3
    assert len(set(findings)) == len(findings)
