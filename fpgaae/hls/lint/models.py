"""Linting a described model: as it is going to be deployed, or as `fpgaae import` is going to take it."""

from __future__ import annotations

from collections.abc import Iterable

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.conversion_checks import check_conversion, check_interfaces
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.layer_checks import check_graph, check_layers, check_settings, check_strangers
from fpgaae.hls.lint.quantizer_checks import check_quantizers
from fpgaae.hls.lint.rules import finding
from fpgaae.hls.lint.width_checks import check_widths
from fpgaae.models.calibrate import Quantizers, quantized, quantizer_sites
from fpgaae.models.cut import cuts_before, refuse_several_outputs
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import score_kind
from fpgaae.models.qkeras_form import quantized_form
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.models.simplify import fold_normalization, simplify, without_quantizers
from fpgaae.models.weights import weight_faults

_ORDER = list(Severity)
_ANY_WIDTH = ResolvedWidth(8, 2)  # stands for widths that only the data tell; nothing that depends on them is looked at


def lint_model(model: NetworkDescription, conversion: Conversion) -> tuple[Finding, ...]:
    """Find what would make the firmware of a model differ, errors first."""
    return by_severity([
        *check_conversion(model, conversion),
        *check_layers(model),
        *check_graph(model),
        *check_quantizers(model),
        *check_interfaces(model, conversion),
        *check_widths(model, conversion),
    ])  # fmt: skip


def lint_import(model: NetworkDescription, conversion: Conversion, *, quantize: bool = False) -> tuple[Finding, ...]:
    """Find what would keep a model of a file from being imported, or make its firmware differ, errors first.

    What `import` mends is no finding: it gives activations layers of their own, adds zeros for missing biases, takes
    nested models apart, folds normalizations, leaves out what only works in training, and quantizes a float model.

    Parameters
    ----------
    quantize
        Whether a QKeras model is quantized anew, as a float one is.
    """
    found = [*check_settings(model, is_mended=True), *_with_cut(model, check_strangers(model))]
    found += [finding("weights-damaged", fault.layer, fault.reason) for fault in weight_faults(model)]
    if found:
        return by_severity(found)
    try:
        refuse_several_outputs(model)
        simple = simplify(model)
        if simple.is_quantized and not quantize:
            return lint_model(_with_score_of_two(quantized_form(simple, _ANY_WIDTH.signed()).network), conversion)
        planned = _planned(simple)
    except InputError as error:
        return (finding("not-importable", "", str(error)),)
    return by_severity([*check_layers(planned), *check_graph(planned), *check_interfaces(planned, conversion)])


def _with_score_of_two(network: NetworkDescription) -> NetworkDescription:
    """Put a score behind mu and log sigma^2, where a model puts out both: its table is over the codes of the second."""
    if len(network.outputs) != 2:
        return network
    score = LayerDescription("score", score_kind(Score.KL_DIVERGENCE), network.outputs, {"fraction_bits": 0})
    return NetworkDescription((*network.layers, score), ("score",))


def _with_cut(model: NetworkDescription, found: Iterable[Finding]) -> Iterable[Finding]:
    """Add to what is said of a layer behind which layers the model could be cut instead."""
    known = {layer.name: layer for layer in model.layers}
    for one in found:
        names = cuts_before(model, known[one.layer]) if one.layer in known else ()
        if names:
            cut = " or ".join(f"`--output {name}`" for name in names)
            one = one._replace(cure=f"{one.cure}; or import the part in front of it, by {cut}")  # noqa: PLW2901
        yield one


def _planned(simple: NetworkDescription) -> NetworkDescription:
    """Give a simplified network with quantizers of any width where it is going to get them."""
    twin = fold_normalization(without_quantizers(simple)[0] if simple.is_quantized else simple)
    sites = quantizer_sites(twin)
    types = Quantizers(
        _ANY_WIDTH.signed(),
        {site.quantizer: _ANY_WIDTH.signed() if site.signed else _ANY_WIDTH.rectified() for site in sites},
        {layer.name: _ANY_WIDTH.signed() for layer in twin.layers if layer.has_weights},
    )
    return quantized(NetworkDescription(twin.layers, twin.outputs[:1]), sites, types)


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give findings once each, errors first."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda found: _ORDER.index(found.severity)))
