"""Rules about layers and how they are joined."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpgaae.golden.scores.base import MAX_TABLE_BITS
from fpgaae.hls.lint.description import LayerDescription, ModelDescription
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.extract import SUPPORTED_LAYERS

_WITH_TABLE = frozenset({"MuSquaredOverVarianceScore", "KlDivergenceScore"})
_REGRESSION = "RegressionScore"
_RULE_OF_KIND = {
    "Lambda": "lambda-layer",
    "SlicingOpLambda": "lambda-layer",
    "TFOpLambda": "lambda-layer",
    "Conv1DTranspose": "transposed-convolution",
    "Conv2DTranspose": "transposed-convolution",
    "QConv2DTranspose": "transposed-convolution",
    "Softmax": "softmax",
    "BatchNormalization": "batch-normalization",
    "QBatchNormalization": "quantized-batch-normalization",
    "QConv2DBatchnorm": "quantized-batch-normalization",
    "QDenseBatchnorm": "quantized-batch-normalization",
    "QDepthwiseConv2DBatchnorm": "quantized-batch-normalization",
    "LeakyReLU": "leaky-slope",
    "PReLU": "leaky-slope",
    "Functional": "nested-model",
    "Model": "nested-model",
    "Sequential": "nested-model",
    "GaussianNoise": "sampling-layer",
    "GaussianDropout": "sampling-layer",
    "Dense": "layer-not-quantized",
    "Conv1D": "layer-not-quantized",
    "Conv2D": "layer-not-quantized",
    "DepthwiseConv2D": "layer-not-quantized",
    "SeparableConv1D": "layer-not-quantized",
    "SeparableConv2D": "layer-not-quantized",
    "ReLU": "layer-not-quantized",
    "ELU": "layer-not-quantized",
}
_RULE_OF_ACTIVATION = {"softmax": "softmax", "tanh": "real-tanh-sigmoid", "sigmoid": "real-tanh-sigmoid"}


def check_layers(model: ModelDescription) -> Iterator[Finding]:
    """Look at every layer by itself."""
    for layer in model.layers:
        if layer.is_wrapped_for_pruning:
            yield finding("pruning-wrapper", layer.name)
        if (rule := _rule_of_kind(layer)) is not None:
            yield finding(rule, layer.name, _shown_kind(layer))
        if layer.n_calls > 1:
            yield finding("shared-layer", layer.name, f"{layer.n_calls} calls")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", layer.name):
            yield finding("layer-name", layer.name)
        if layer.config.get("data_format") == "channels_first":
            yield finding("channels-first", layer.name)
        if any(rate != 1 for rate in _as_list(layer.config.get("dilation_rate"))):
            yield finding("dilated-convolution", layer.name, f"dilation_rate {layer.config['dilation_rate']}")


def _rule_of_kind(layer: LayerDescription) -> str | None:
    kind = layer.kind
    if kind == "InputLayer" or kind in SUPPORTED_LAYERS:
        return None
    if kind == "Activation":
        return _RULE_OF_ACTIVATION.get(str(layer.config.get("activation")), "layer-not-quantized")
    if "Sampling" in kind and not kind.startswith("UpSampling"):
        return "sampling-layer"
    return _RULE_OF_KIND.get(kind, "unsupported-layer")


def _shown_kind(layer: LayerDescription) -> str:
    return f"{layer.kind}({layer.config.get('activation')!r})" if layer.kind == "Activation" else layer.kind


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def check_graph(model: ModelDescription) -> Iterator[Finding]:
    """Look at how the layers are joined."""
    inputs = [layer for layer in model.layers if layer.kind == "InputLayer"]
    if len(inputs) != 1 or len(model.outputs) > 1:
        yield finding("several-inputs-or-outputs", "", f"{len(inputs)} inputs, {len(model.outputs)} outputs")
    for layer in inputs:
        for reader in model.readers(layer.name):
            if reader.kind != "QActivation" or reader.quantizers["activation"] is None:
                yield finding("input-not-quantized", reader.name, f"a {reader.kind} reads {layer.name}")
    for layer in model.layers:
        yield from _check_scored(model, layer) if layer.is_score else _check_summed(model, layer)
        quantizer = layer.quantizers.get("activation") if layer.kind == "QActivation" else None
        if quantizer is not None and quantizer.kind == "quantized_bits":
            for name in layer.inputs:
                if model[name].kind == "QActivation":
                    yield finding("quantizer-after-quantizer", layer.name, f"behind {name}")


def _check_summed(model: ModelDescription, layer: LayerDescription) -> Iterator[Finding]:
    for name in layer.inputs if layer.is_weighted_sum else ():
        if _behind(model, name).is_weighted_sum:
            yield finding("unquantized-sum", layer.name, f"reads {name}")


def _check_scored(model: ModelDescription, layer: LayerDescription) -> Iterator[Finding]:
    """Look at what a score reads; log sigma^2 is the second input of those that need it."""
    has_table = layer.kind in _WITH_TABLE
    if layer.kind == _REGRESSION:
        yield from _check_output(model, layer)
    for index, name in enumerate(layer.inputs):
        source = _behind(model, name)
        if not (has_table and index == 1):
            if source.is_weighted_sum:
                yield finding("score-input-not-quantized", layer.name, f"reads {name}")
            continue
        quantizer = source.quantizers.get("activation") if source.kind == "QActivation" else None
        if quantizer is None or quantizer.type is None:
            yield finding("score-exp-table", layer.name, f"{name} is not quantized")
        elif quantizer.type.width > MAX_TABLE_BITS:
            entries = f"{2**quantizer.type.width:,} entries"
            yield finding("score-exp-table", layer.name, f"{name}: {quantizer}, {entries}")
    if has_table and len(layer.inputs) < 2:
        yield finding("score-exp-table", layer.name, "log sigma^2 is not an input")


def _check_output(model: ModelDescription, score: LayerDescription) -> Iterator[Finding]:
    for name in score.inputs:
        quantizer = _behind(model, name).quantizers.get("activation")
        if quantizer is not None and quantizer.type is not None and quantizer.type.signed:
            yield finding("score-may-be-negative", score.name, f"reads {name}: {quantizer}")


def _behind(model: ModelDescription, name: str) -> LayerDescription:
    """Give the layer whose values arrive, going back over those that only move values."""
    layer = model[name]
    while layer.kind in {"Flatten", "Reshape", "ZeroPadding1D", "ZeroPadding2D"} and layer.inputs:
        layer = model[layer.inputs[0]]
    return layer
