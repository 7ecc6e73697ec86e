"""Rules about single quantizers."""

from __future__ import annotations

from collections.abc import Iterator

from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.quantizers import Quantizer


def check_quantizers(model: NetworkDescription) -> Iterator[Finding]:
    """Look at every quantizer of every layer."""
    for layer in model.layers:
        for role, quantizer in layer.quantizers.items():
            if quantizer is not None:
                for rule in dict.fromkeys(_broken(role, quantizer)):
                    yield finding(rule, layer.name, f"{role}: {quantizer}")
            elif role == "activation":
                yield finding("quantizer-unsupported", layer.name, f"{role}: {layer.settings.get('activation')}")
            else:
                yield finding("bias-not-quantized" if role == "bias" else "kernel-not-quantized", layer.name, role)
        yield from _inside(layer)


def _inside(layer: LayerDescription) -> Iterator[Finding]:
    """Look at what a quantized layer has besides its quantizers."""
    if not layer.is_quantized_sum:
        return
    if layer.activation is not None:
        yield finding("activation-inside-layer", layer.name, str(layer.activation))
    if not layer.settings.get("use_bias", True):
        yield finding("bias-missing", layer.name)


def _broken(role: str, quantizer: Quantizer) -> Iterator[str]:
    """Give the rules that a quantizer breaks: its own faults, and what hls4ml can't do where it quantizes this."""
    is_activation, of = role == "activation", quantizer.type
    for fault in quantizer.faults:
        if fault != "keep-negative":
            yield fault
        else:
            yield "activation-keep-negative" if is_activation else "quantizer-unsupported"
    if of is None or not is_activation:
        return
    if quantizer.kind == "quantized_bits" and quantizer.options.get("symmetric"):
        yield "activation-symmetric"
    # weights get the narrowest type of their values, so that only activations become ap_int
    if of.fraction <= 0:
        yield "no-fraction-bits"
