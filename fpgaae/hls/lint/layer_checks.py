"""Rules about layers and how they are joined."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpgaae.config.model import Score
from fpgaae.golden.scores.base import MAX_TABLE_BITS
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import SCORES, Role, refused_settings
from fpgaae.names import CPP_KEYWORDS, clashes_with

_RULE_OF_ACTIVATION = {"softmax": "softmax", "tanh": "real-tanh-sigmoid", "sigmoid": "real-tanh-sigmoid"}
# What `import` takes of a float model, or leaves out
_MENDED = frozenset(
    {
        Role.SUM,
        Role.ACTIVATE,
        Role.RECTIFY,
        Role.FUNCTION,
        Role.NORMALIZE,
        Role.TRAINING,
        Role.TRANSPOSED,
        Role.DEPTHWISE,
        Role.CROP,
    }
)


def check_layers(model: NetworkDescription) -> Iterator[Finding]:
    """Look at every layer by itself."""
    for name in dict.fromkeys(layer.within[0] for layer in model.layers if layer.within):
        yield finding("nested-model", name)
    not_free = {"", *(layer.name for layer in model.layers)}
    for layer in model.layers:
        yield from _check_layer(layer)
        is_name = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,99}", layer.name) and layer.name not in CPP_KEYWORDS
        if not is_name or clashes_with(layer.name) in not_free:
            yield finding("layer-name", layer.name)
    yield from check_settings(model)


def check_strangers(model: NetworkDescription) -> Iterator[Finding]:
    """Look for layers that not even `import` can bring into a form with exact firmware."""
    for layer in model.layers:
        yield from _check_layer(layer, is_mended=layer.role in _MENDED)


def _check_layer(layer: LayerDescription, *, is_mended: bool = False) -> Iterator[Finding]:
    if layer.is_wrapped_for_pruning:
        yield finding("pruning-wrapper", layer.name)
    if not is_mended and (rule := _rule_of_kind(layer)) is not None:
        yield finding(rule, layer.name, _shown_kind(layer))
    if layer.n_calls > 1:
        yield finding("shared-layer", layer.name, f"{layer.n_calls} calls")


def check_settings(model: NetworkDescription, *, is_mended: bool = False) -> Iterator[Finding]:
    """Look at every setting of every layer.

    Parameters
    ----------
    is_mended
        Whether the model is going to be imported, which brings some into another form.
    """
    for layer in model.layers:
        for refused in refused_settings(layer.kind, layer.settings, is_mended=is_mended):
            yield finding(refused.rule, layer.name, str(refused))


def _rule_of_kind(layer: LayerDescription) -> str | None:
    if layer.role is Role.ACTIVATE:
        return _RULE_OF_ACTIVATION.get(str(layer.activation), layer.row.rule)
    if "Sampling" in layer.kind and layer.role is Role.UNKNOWN:
        return "sampling-layer"
    if layer.role is Role.MERGE and len(layer.inputs) < 2:  # an operation of Keras 3 with a constant
        return "unsupported-layer"
    return layer.row.rule


def _shown_kind(layer: LayerDescription) -> str:
    return f"{layer.kind}('{layer.activation}')" if layer.role is Role.ACTIVATE else layer.kind


def check_graph(model: NetworkDescription) -> Iterator[Finding]:
    """Look at how the layers are joined."""
    inputs = [layer for layer in model.layers if layer.role is Role.INPUT]
    if len(inputs) != 1 or len(model.outputs) > 1:
        yield finding("several-inputs-or-outputs", "", f"{len(inputs)} inputs, {len(model.outputs)} outputs")
    for layer in inputs:
        for reader in model.readers(layer.name):
            quantizer = reader.quantizers["activation"] if reader.role is Role.ROUND else None
            if quantizer is None:
                yield finding("input-not-quantized", reader.name, f"a {reader.kind} reads {layer.name}")
            elif quantizer.kind == "quantized_relu":
                yield finding("input-not-quantized", reader.name, f"{quantizer} reads {layer.name}")
    for layer in model.layers:
        yield from _check_scored(model, layer) if layer.is_score else _check_summed(model, layer)
        quantizer = layer.quantizers.get("activation") if layer.role is Role.ROUND else None
        if quantizer is not None and quantizer.kind == "quantized_bits":
            for name in layer.inputs:
                if model[name].role is Role.ROUND:
                    yield finding("quantizer-after-quantizer", layer.name, f"behind {name}")


def _check_summed(model: NetworkDescription, layer: LayerDescription) -> Iterator[Finding]:
    for name in layer.inputs if layer.is_quantized_sum else ():
        if _behind(model, name).is_quantized_sum:
            yield finding("unquantized-sum", layer.name, f"reads {name}")


def _check_scored(model: NetworkDescription, layer: LayerDescription) -> Iterator[Finding]:
    """Look at what a score reads; log sigma^2 is the second input of those that need it."""
    has_table = SCORES[layer.kind].needs_variance
    if SCORES[layer.kind] is Score.REGRESSION:
        yield from _check_output(model, layer)
    if layer.inputs and (why := _strange_slot(layer, _behind(model, layer.inputs[0]))):
        yield finding("score-empty-slot", layer.name, why)
    for index, name in enumerate(layer.inputs):
        source = _behind(model, name)
        if not (has_table and index == 1):
            if source.is_quantized_sum:
                yield finding("score-input-not-quantized", layer.name, f"reads {name}")
            continue
        quantizer = source.quantizers.get("activation") if source.role is Role.ROUND else None
        if quantizer is None or quantizer.type is None:
            yield finding("score-exp-table", layer.name, f"{name} is not quantized")
        elif quantizer.type.width > MAX_TABLE_BITS:
            entries = f"{2**quantizer.type.width:,} entries"
            yield finding("score-exp-table", layer.name, f"{name}: {quantizer}, {entries}")
    if has_table and len(layer.inputs) < 2:
        yield finding("score-exp-table", layer.name, "log sigma^2 is not an input")


def _strange_slot(score: LayerDescription, source: LayerDescription) -> str:
    """Say which value of an empty slot lies between the codes of a masked score's inputs, or beyond them."""
    quantizer, empty = source.quantizers.get("activation"), score.settings.get("empty")
    if quantizer is None or quantizer.type is None or not isinstance(empty, list | tuple):
        return ""
    for value in empty:
        scaled = float(value) * 2.0**quantizer.type.fraction
        if not (scaled.is_integer() and quantizer.type.min_code <= scaled <= quantizer.type.max_code):
            return f"{value} as {quantizer}"
    return ""


def _check_output(model: NetworkDescription, score: LayerDescription) -> Iterator[Finding]:
    for name in score.inputs:
        quantizer = _behind(model, name).quantizers.get("activation")
        if quantizer is not None and quantizer.type is not None and quantizer.type.signed:
            yield finding("score-may-be-negative", score.name, f"reads {name}: {quantizer}")


def _behind(model: NetworkDescription, name: str) -> LayerDescription:
    """Give the layer whose values arrive with all their bits, going back over those that pass them on."""
    layer = model[name]
    while layer.role.passes_bits and layer.inputs:
        layer = model[layer.inputs[0]]
    return layer
