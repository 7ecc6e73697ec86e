"""What a design of reused multipliers takes, from the layers alone: no synthesis is needed for these numbers.

What a synthesis finds does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpgaae.golden.layers.weighted import Convolution, Dense
from fpgaae.runs.results.convert import ConvertedLayer, ReuseEstimate


def reuse_estimate(layers: Sequence[ConvertedLayer], clock_ns: float) -> ReuseEstimate | None:
    """Give the multipliers (a DSP each) and the clocks of dense layers and a score, one behind the other.

    A layer of `n` products with the reuse factor `R` has `ceil(n / R)` multipliers, each used in `R` clocks, and takes
    the next event after them. hls4ml's resource strategy keeps the weights in memories, so that products with zeros
    count as others do. The latency is the sum of the factors: to it come a few clocks a layer for sums and copies.

    Parameters
    ----------
    layers
        Of `convert.json`.

    Returns
    -------
    None for a network with convolutions, whose kernels are used again at each place.

    Notes
    -----
    J. Duarte et al., JINST 13 (2018) P07027, section 2.3, for the reuse factor.
    """
    if any(layer.kind == Convolution.kind for layer in layers):
        return None
    found = [(products, layer.reuse_factor or 1) for layer in layers if (products := _products(layer))]
    factors = [factor for _, factor in found]
    clocks = sum(factors)
    return ReuseEstimate(
        multipliers=sum(-(-n // factor) for n, factor in found),
        latency_clocks=clocks,
        latency_ns=clocks * clock_ns,
        interval_clocks=max(factors, default=1),
        interval_ns=max(factors, default=1) * clock_ns,
    )


def _products(layer: ConvertedLayer) -> int:
    return layer.weights if layer.kind == Dense.kind else layer.multiplications
