"""Widths of an imported float network that is quantized after training: what each layer needs of its bits.

A network from elsewhere has biases and offsets of any size beside its weights, above all where a normalization was
folded away. So biases have a type of their own, and a layer whose values lie far from zero gets the bits that hold the
offset on top of those of the config.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import Width
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.functions import MAX_ARGUMENT_BITS, Function
from fpgaae.models.calibrate import Quantizers, Site
from fpgaae.models.description import NetworkDescription
from fpgaae.models.rebuild import weighted_layers
from fpgaae.models.resolved_widths import ResolvedWidth, Widths
from fpgaae.runs.results.train import RoundingError
from fpgaae.training.widths import resolve_width

_MARGIN = 1.001
_WIDEST = 24  # of an activation
_WIDEST_BIAS = 32
_BITS_BELOW_OUTPUT = 2  # of a bias, behind those of the layer's output: its rounding is then no part of the error
LEAST_DB = 10.0  # of a layer, below which it is named
MOST_SATURATED = 0.01


class LayerRange(NamedTuple):
    """The magnitudes that a layer's output needs."""

    largest: float
    spread: float  # around the mean of each of its values


def range_of(values: NDArray[np.floating], share: float) -> LayerRange:
    """Give the range of one layer's output, (n_events, ...), of which a share may lie beyond."""
    wide = values.reshape(len(values), -1).astype(np.float64)
    largest, spread = (np.quantile(np.abs(x), 1 - share) for x in (wide, wide - wide.mean(axis=0)))
    return LayerRange(float(largest), float(spread))


def resolve_activation(width: Width, found: LayerRange) -> ResolvedWidth:
    """Give an activation its integer bits and, where its values lie far from zero, more bits for the offset."""
    resolved = resolve_width(width, found.largest)
    if width.integer_bits != "auto" or found.largest <= 0:
        return resolved
    spread = max(found.spread, found.largest * 2.0**-8)
    integer_bits, needed = _integer_bits(found.largest), _integer_bits(spread)
    if (more := integer_bits - needed - 1) <= 0:
        return resolved
    return ResolvedWidth(max(resolved.bits, min(width.bits + more, _WIDEST)), max(integer_bits, 0))


def resolve_argument(width: Width, found: LayerRange, functions: Sequence[Function]) -> ResolvedWidth:
    """Give the argument of tables its type: what lies where all of them are flat may saturate.

    Parameters
    ----------
    functions
        Those that are tabulated over its codes.
    """
    limits = [function.flat_beyond for function in functions]
    known = [limit for limit in limits if limit is not None]
    if len(known) == len(limits):
        found = LayerRange(min(found.largest, max(known)), min(found.spread, max(known)))
    return at_most(resolve_activation(width, found), width, MAX_ARGUMENT_BITS)


def at_most(resolved: ResolvedWidth, width: Width, most: int) -> ResolvedWidth:
    """Give what a table is over no more bits than it takes, unless the config asks for them."""
    return ResolvedWidth(min(resolved.bits, max(width.bits, most)), resolved.integer_bits)


def resolve_bias(
    width: Width, weights: ResolvedWidth, bias: NDArray[np.floating], output: FixedPointType | None
) -> ResolvedWidth:
    """Give a bias its type: as fine as the layer's output, as wide as it is large; that of the weights if it is fixed.

    Parameters
    ----------
    output
        Type that the layer's output is rounded to, where it is known.
    """
    if width.integer_bits != "auto":
        return weights
    fraction = weights.bits - 1 - weights.integer_bits
    if output is not None:
        fraction = max(fraction, output.fraction + _BITS_BELOW_OUTPUT)
    integer_bits = max(0, _integer_bits(float(np.abs(bias).max(initial=0))))
    return ResolvedWidth(min(1 + integer_bits + fraction, _WIDEST_BIAS), integer_bits)


def _integer_bits(largest: float) -> int:
    return math.ceil(math.log2(max(largest * _MARGIN, 2.0**-20)))


def resolve_imported(
    config: Config, network: NetworkDescription, sites: Sequence[Site], activations: Mapping[str, ResolvedWidth]
) -> tuple[Widths, Quantizers]:
    """Give every width of a float network, and the types at its sites.

    Parameters
    ----------
    activations
        By quantizer.
    """
    inputs = ResolvedWidth(config.quantization.inputs.bits, config.quantization.inputs.integer_bits)
    types = {s.quantizer: activations[s.quantizer].signed() if s.signed else activations[s.quantizer].rectified()
             for s in sites}  # fmt: skip
    outputs = {site.layer: types[site.quantizer] for site in sites}
    weights, biases = {}, {}
    for name in weighted_layers(network):
        width, arrays = config.weight_width(name), network[name].weights
        weights[name] = resolve_width(width, float(np.abs(arrays["kernel"]).max()))
        biases[name] = resolve_bias(width, weights[name], arrays["bias"], outputs.get(name))
    quantizers = Quantizers(
        inputs.signed(),
        types,
        {name: width.signed() for name, width in weights.items()},
        {name: width.signed() for name, width in biases.items()},
    )
    return Widths(inputs, weights, activations, biases=biases), quantizers


def poor_layers(
    errors: Mapping[str, RoundingError],
    sites: Iterable[Site],
    is_reconstruction: Mapping[str, bool],
    wanted_db: float | None = None,
) -> Iterator[str]:
    """Name the layers whose quantized values say little of the float ones, with the key to change.

    Parameters
    ----------
    errors
        By quantizer.
    is_reconstruction
        By quantizer, whether its type is that of the inputs.
    wanted_db
        What a layer is to keep; by default 10 dB.
    """
    least_db = LEAST_DB if wanted_db is None else wanted_db
    keys = {
        site.quantizer: (
            "quantization.inputs.bits"
            if is_reconstruction.get(site.quantizer)
            else f"quantization.layers.{site.layer}.activations.bits"
        )
        for site in sites
    }
    # what saturates in front of a function that is flat there makes no error behind it
    may_saturate = {
        site.quantizer
        for site in sites
        if site.read_by and all(function.flat_beyond is not None for function in site.read_by)
    }
    for name, error in errors.items():
        if name in may_saturate:
            continue
        key = keys.get(name, "quantization.inputs.bits")
        own = "the type is that of the model, which `--quantize` gives others"
        if error.saturated > MOST_SATURATED:
            advice = f"give more integer bits: `{key.removesuffix('bits')}integer_bits`" if keys else own
            yield f"{error.saturated:.1%} of the values of {name} lie beyond its type {error.type}; {advice}"
        elif error.sqnr_db is not None and error.sqnr_db < least_db:
            advice = f"give more bits: `{key}`" if keys else own
            yield f"{name} keeps only {error.sqnr_db:.1f} dB of signal to noise; {advice}"
