"""Integer bits from the data: what `integer_bits: auto` stands for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import EMBEDDING, Width
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT
from fpgaae.models.float_weights import FloatWeights, bounded_parts, layer_outputs
from fpgaae.models.plan import deployed_part, plan_network
from fpgaae.models.resolved_widths import ResolvedWidth, Widths

TAIL = 1e-4  # share of a layer's values in training that may saturate
_MARGIN = 1.001
_MAKE_THE_SCORE = frozenset({"mu", "log_variance", "output", EMBEDDING})


def resolve_widths(config: Config, weights: FloatWeights, blocks: Iterable[NDArray[np.float32]]) -> Widths:
    """Give every quantizer its integer bits: as the config says, or from the float network's own ranges.

    Weights: enough for the largest. Activations: enough for all but 1e-4 of their values in training, since what
    saturates is the tail, where anomalies are; mu, log sigma^2, a student's output and an embedding, which make the
    score, for the largest.

    Parameters
    ----------
    blocks
        Clipped training inputs, (n, n_features) each.
    """
    names = config.model.deployed_layers
    ranges = _activation_ranges(config, weights, blocks)
    fixed = config.quantization.inputs
    return Widths(
        ResolvedWidth(fixed.bits, fixed.integer_bits),
        {n: resolve_width(config.weight_width(n), max(float(np.abs(a).max()) for a in weights[n])) for n in names},
        {n: resolve_width(config.activation_width(n), needed) for n, needed in ranges.items()},
        config.quantization.score_table_fraction_bits,
    )


def resolve_width(width: Width, largest: float) -> ResolvedWidth:
    """Give a width its integer bits, where they are `auto`: enough for the largest magnitude, as far as bits reach."""
    if width.integer_bits != "auto":
        return ResolvedWidth(width.bits, width.integer_bits)
    needed = int(np.ceil(np.log2(max(largest * _MARGIN, 2.0**-20))))
    at_most = max(
        width.bits - 2, 0
    )  # a sign and one bit behind the point stay: hls4ml writes others as ap_int, which wraps
    return ResolvedWidth(width.bits, max(0, min(needed, at_most)))


def _activation_ranges(
    config: Config, weights: FloatWeights, blocks: Iterable[NDArray[np.float32]]
) -> dict[str, float]:
    """Give the magnitude that each layer's output needs, over the worst block, or part of one."""
    network = deployed_part(config.model, plan_network(config.model, config.data.hardware.image_shape))
    ranges = dict.fromkeys(config.model.rounded_layers, 0.0)
    for part in (part for block in blocks for part in bounded_parts(network, weights, block)):
        for name, output in layer_outputs(network, weights, part):
            magnitude = np.abs(output)
            needed = magnitude.max() if name in _MAKE_THE_SCORE else np.quantile(magnitude, 1 - TAIL)
            if name == "log_variance":
                needed = min(needed, LOG_VARIANCE_LIMIT / _MARGIN)  # where it is clipped, so that 3 bits are enough
            ranges[name] = max(ranges[name], float(needed))
    return ranges
