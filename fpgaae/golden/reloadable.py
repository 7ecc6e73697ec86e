"""Networks whose weights are loaded at run time: types that hold any weights, and other weights for them (NumPy only).

How the firmware takes them does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, type_for_range
from fpgaae.golden.layers.moved import convolution_range
from fpgaae.golden.network import IntegerLayer, IntegerNetwork, LayerKind, dense_range, refuse_wide

_OF_ITS_SOURCE = frozenset({LayerKind.MAX_POOLING, LayerKind.UPSAMPLING, LayerKind.ZERO_PADDING, LayerKind.RESHAPE})


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
    made: dict[str, IntegerLayer] = {}
    for layer in network.layers:
        sources = [made[name] for name in layer.inputs]
        if layer.kind.is_score and any(source.type != network[source.name].type for source in sources):
            raise InputError(
                f"the score {layer.name} reads sums of reloadable weights; put a QActivation between the two"
            )
        made[layer.name] = _widened(layer, sources)
    return refuse_wide(IntegerNetwork(tuple(made.values())))


def _widened(layer: IntegerLayer, sources: list[IntegerLayer]) -> IntegerLayer:
    if layer.kind.has_weights:
        open_layer = replace(
            layer, reloadable=True, kernel_type=_plain(layer.kernel_type), bias_type=_plain(layer.bias_type)
        )
        range_of = dense_range if layer.kind is LayerKind.DENSE else convolution_range
        low, high = range_of(open_layer, sources[0])
        return replace(open_layer, type=type_for_range(min(low, 0), max(high, 0), layer.type.fraction))
    if layer.kind in _OF_ITS_SOURCE:
        return replace(layer, type=sources[0].type)
    if layer.kind is LayerKind.AVERAGE_POOLING:
        source = sources[0].type
        return replace(layer, type=FixedPointType(source.integer + layer.type.fraction, source.integer, source.signed))
    return layer


def _plain(of: FixedPointType | None) -> FixedPointType | None:
    """Give the type of a port: any bits may be loaded, also the code that a symmetric quantizer leaves out."""
    return of and FixedPointType(of.width, of.integer, of.signed)


def with_random_weights(network: IntegerNetwork, seed: int) -> IntegerNetwork:
    """Load codes over the full range of every weight's type: see `random_weights`."""
    return with_weights(network, random_weights(network, seed))


def random_weights(network: IntegerNetwork, seed: int) -> dict[str, Weights]:
    """Draw codes for every layer with weights, uniform over the full range of their types, both ends among them.

    Raises
    ------
    InputError
        If a layer has no weight types.
    """
    rng = np.random.default_rng([seed, len(network.layers)])
    return {
        layer.name: Weights(_drawn(layer.kernel, layer.kernel_type, rng), _drawn(layer.bias, layer.bias_type, rng))
        for layer in network.layers
        if layer.kind.has_weights
    }


def _drawn(like: Codes, of: FixedPointType | None, rng: np.random.Generator) -> Codes:
    if of is None:
        raise InputError("the golden network has no weight types; run the stage `convert` again")
    codes = rng.integers(of.min_code, of.max_code, size=like.shape, endpoint=True)
    ends = rng.permutation(codes.size)[:2]
    codes.flat[ends] = np.array([of.min_code, of.max_code])[: len(ends)]
    return codes


def with_weights(network: IntegerNetwork, weights: Mapping[str, Weights]) -> IntegerNetwork:
    """Load other weights into a reloadable network; its types stay.

    Raises
    ------
    InputError
        If a layer is not reloadable, or its weights have another shape or do not fit their types.
    """
    return IntegerNetwork(tuple(_loaded(layer, weights.get(layer.name)) for layer in network.layers))


def _loaded(layer: IntegerLayer, weights: Weights | None) -> IntegerLayer:
    if weights is None:
        return layer
    for codes, now, of in zip(weights, (layer.kernel, layer.bias), (layer.kernel_type, layer.bias_type), strict=True):
        if not layer.reloadable or of is None:
            raise InputError(f"the weights of the layer {layer.name} can't be reloaded; set `reloadable_weights`")
        if codes.shape != now.shape or codes.min() < of.min_code or codes.max() > of.max_code:
            raise InputError(f"the layer {layer.name} takes {now.shape} codes of {of}, not {codes.shape} as given")
    return replace(layer, kernel=weights.kernel, bias=weights.bias)
