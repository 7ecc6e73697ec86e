"""Networks whose weights are loaded at run time: types that hold any weights, and other weights for them (NumPy only).

How the firmware takes them does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import ChannelTypes, Codes, Types
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork, refuse_wide
from fpgaae.golden.scores.base import ScoreLayer

NOT_TRACED = (  # why there is no Verilog of such a network
    "the RTL makes adders of the digits of each weight, and these are loaded at run time: each would be a multiplier "
    "of lookup tables, and the pipeline would carry the weights of every later layer along with the events; set "
    "firmware.reloadable_weights to false, or synthesize the HLS project"
)


class Weights(NamedTuple):
    """Codes of a layer's kernel and bias, in the types that the layer has for them."""

    kernel: Codes
    bias: Codes


def make_reloadable(network: IntegerNetwork) -> IntegerNetwork:
    """Give every layer with weights the type that holds its sums for any weights of their types.

    What stands behind such a layer gets its type from it, up to the next quantizer.

    Raises
    ------
    InputError
        If a sum becomes too wide, or a score reads one that no quantizer bounds.
    """
    made: dict[str, Layer] = {}
    for layer in network.layers:
        sources = [made[name] for name in layer.inputs]
        if isinstance(layer, ScoreLayer) and any(source.type != network[source.name].type for source in sources):
            raise InputError(
                f"the score {layer.name} reads sums of reloadable weights; put a QActivation between the two"
            )
        made[layer.name] = layer.with_any_weights(sources)
    return refuse_wide(IntegerNetwork(tuple(made.values())))


def with_random_weights(network: IntegerNetwork, seed: int) -> IntegerNetwork:
    """Load codes over the full range of every weight's type: see `random_weights`."""
    return with_weights(network, random_weights(network, seed))


def random_weights(network: IntegerNetwork, seed: int) -> dict[str, Weights]:
    """Draw codes for every layer with weights, uniform over the full range of their types, both ends among them."""
    rng = np.random.default_rng([seed, len(network.layers)])
    return {
        layer.name: Weights(_drawn(layer.kernel, layer.kernel_types, rng), _drawn(layer.bias, layer.bias_types, rng))
        for layer in network.weighted
    }


def _drawn(like: Codes, types: Types, rng: np.random.Generator) -> Codes:
    if isinstance(types, ChannelTypes):
        each = [_drawn(like[..., i], types.channel(i), rng) for i in range(like.shape[-1])]
        ups = [types.fraction - types.channel(i).fraction for i in range(like.shape[-1])]
        return np.stack([codes << up for codes, up in zip(each, ups, strict=True)], axis=-1)
    codes = rng.integers(types.min_code, types.max_code, size=like.shape, endpoint=True)
    ends = rng.permutation(codes.size)[:2]
    codes.flat[ends] = np.array([types.min_code, types.max_code])[: len(ends)]
    return codes


def with_weights(network: IntegerNetwork, weights: Mapping[str, Weights]) -> IntegerNetwork:
    """Load other weights into a reloadable network; its types stay.

    Raises
    ------
    InputError
        If a layer is not reloadable, or its weights have another shape or do not fit their types.
    """
    return IntegerNetwork(tuple(_loaded(layer, weights.get(layer.name)) for layer in network.layers))


def _loaded(layer: Layer, weights: Weights | None) -> Layer:
    if weights is None:
        return layer
    if not isinstance(layer, Weighted) or not layer.reloadable:
        raise InputError(f"the weights of the layer {layer.name} can't be reloaded; set `reloadable_weights`")
    pairs = zip(weights, (layer.kernel, layer.bias), (layer.kernel_types, layer.bias_types), strict=True)
    for codes, now, types in pairs:
        if codes.shape != now.shape or not _fits(codes, types):
            raise InputError(f"the layer {layer.name} takes {now.shape} codes of {types}, not {codes.shape} as given")
    return replace(layer, kernel=weights.kernel, bias=weights.bias)


def _fits(codes: Codes, types: Types) -> bool:
    """Tell whether codes lie in the range of their types, and on the grid of each."""
    low, high = types.ends(codes.shape[-1])
    steps = [1 << (types.fraction - types.channel(i).fraction) for i in range(codes.shape[-1])]
    return bool(((codes >= low) & (codes <= high) & (codes % steps == 0)).all())
