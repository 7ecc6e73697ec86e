"""Rules about single quantizers."""

from __future__ import annotations

from collections.abc import Iterator

from fpgaae.hls.lint.description import LayerDescription, ModelDescription
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.quantizers import Quantizer


def check_quantizers(model: ModelDescription) -> Iterator[Finding]:
    """Look at every quantizer of every layer."""
    for layer in model.layers:
        for role, quantizer in layer.quantizers.items():
            if quantizer is not None:
                for rule in dict.fromkeys(_broken(role, quantizer)):
                    yield finding(rule, layer.name, f"{role}: {quantizer}")
            elif role == "activation":
                yield finding("quantizer-unsupported", layer.name, f"{role}: {layer.config.get('activation')}")
            else:
                yield finding("bias-not-quantized" if role == "bias" else "kernel-not-quantized", layer.name, role)
        yield from _inside(layer)


def _inside(layer: LayerDescription) -> Iterator[Finding]:
    """Look at what a quantized layer has besides its quantizers."""
    if not layer.is_weighted_sum:
        return
    activation = layer.config.get("activation")
    if activation not in {None, "linear"} if isinstance(activation, str | None) else True:
        yield finding("activation-inside-layer", layer.name, str(activation))
    if not layer.config.get("use_bias", True):
        yield finding("bias-missing", layer.name)


def _broken(role: str, quantizer: Quantizer) -> Iterator[str]:
    """Give the rules that a quantizer breaks."""
    kind, options = quantizer.kind, quantizer.options
    if "po2" in kind:
        yield "power-of-two-weights"
    elif kind == "softmax":
        yield "softmax"
    elif kind in {"tanh", "sigmoid"} or options.get("use_real_tanh") or options.get("use_real_sigmoid"):
        yield "real-tanh-sigmoid"
    elif quantizer.type is None:
        yield "quantizer-unsupported"
    else:
        yield from _broken_fixed_point(role, quantizer)


def _broken_fixed_point(role: str, quantizer: Quantizer) -> Iterator[str]:
    options, of = quantizer.options, quantizer.type
    if options.get("use_stochastic_rounding") or options.get("use_sigmoid") or quantizer.number("qnoise_factor") != 1:
        yield "quantizer-option"
    if quantizer.kind == "quantized_bits":
        yield from _broken_bits(role, quantizer)
    else:
        if options.get("negative_slope"):
            yield "leaky-slope"
        if options.get("relu_upper_bound") is not None or not options.get("is_quantized_clip", True):
            yield "relu-upper-bound"
    # weights get the narrowest type of their values, so that only activations become ap_int
    if role == "activation" and of is not None and of.fraction <= 0:
        yield "no-fraction-bits"


def _broken_bits(role: str, quantizer: Quantizer) -> Iterator[str]:
    options = quantizer.options
    alpha = options.get("alpha")
    if alpha is None:
        yield "alpha-missing"
    elif isinstance(alpha, str):
        yield "alpha-auto"
    elif quantizer.number("alpha") != 1:
        yield "alpha-scaled"
    if role == "activation" and options.get("symmetric"):
        yield "activation-symmetric"
    if not options.get("keep_negative", True):
        yield "activation-keep-negative" if role == "activation" else "quantizer-unsupported"
    if quantizer.whole("bits") == 1:
        yield "one-bit-quantizer"
