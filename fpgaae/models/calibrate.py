"""Post-training quantization of a described float network: where its quantizers go, and the network with them.

A quantizer stands straight behind the Input and behind everything that computes: dense, convolution, mean. A ReLU
behind such a layer becomes its quantizer. What only moves values (maximum, reshaping, enlarging, zeros) needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from fpgaae.fixedpoint import FixedPointType
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role


class Site(NamedTuple):
    """A place at which a value is quantized."""

    layer: str  # the layer that the config knows it by: the one that computes
    tensor: str  # the float layer whose output is quantized
    quantizer: str  # name of the QActivation
    signed: bool


class Quantizers(NamedTuple):
    """Types by name of the quantizer's or the weights' layer."""

    inputs: FixedPointType
    activations: Mapping[str, FixedPointType]
    weights: Mapping[str, FixedPointType]
    biases: Mapping[str, FixedPointType] = MappingProxyType({})  # that of the weights where there is none


def quantizer_sites(network: NetworkDescription) -> tuple[Site, ...]:
    """Give every quantizer of a simplified float network in graph order, but that of the input."""
    positive: set[str] = set()
    sites = []
    for layer in network.layers:
        keeps_sign = layer.moves_values or layer.role is Role.MEAN
        if layer.role is Role.RECTIFY or (keeps_sign and layer.inputs[0] in positive):
            positive.add(layer.name)
        if layer.role is Role.RECTIFY:
            sites.append(Site(_owner(network, layer), layer.name, layer.name, False))
        elif layer.computes and [reader.role.is_activation for reader in network.readers(layer.name)] != [True]:
            quantizer = f"{layer.name}_quantized"
            sites.append(Site(_owner(network, layer), layer.name, quantizer, layer.name not in positive))
    return tuple(sites)


def _owner(network: NetworkDescription, layer: LayerDescription) -> str:
    """Give the layer that the config knows a quantizer by: the sum or mean, also in front of an activation."""
    source = network[layer.inputs[0]]
    is_behind = layer.role.is_activation and source.computes and len(network.readers(source.name)) == 1
    return source.name if is_behind else layer.name


def quantized(network: NetworkDescription, sites: Sequence[Site], quantizers: Quantizers) -> NetworkDescription:
    """Put the quantizers into a simplified float network; names of layers stay."""
    source = network.layers[0]
    inputs = LayerDescription(
        f"{source.name}_quantized", "QActivation", (source.name,), {"activation": quantizers.inputs}
    )
    at = {site.tensor: site for site in sites}
    layers = [source, inputs]
    instead = {source.name: inputs.name}
    for layer in network.layers[1:]:
        moved = layer.changed(inputs=tuple(instead.get(name, name) for name in layer.inputs))
        site = at.get(layer.name)
        if layer.is_float_sum:
            weights = quantizers.weights[layer.name]
            bias = quantizers.biases.get(layer.name, weights)
            moved = moved.changed(kind=f"Q{layer.kind}").with_settings(kernel_quantizer=weights, bias_quantizer=bias)
        if site is None:
            layers.append(moved)
            continue
        activation = {"activation": quantizers.activations[site.quantizer]}
        if layer.role is Role.RECTIFY:
            layers.append(moved.changed(kind="QActivation", settings=activation))
            continue
        layers += [moved, LayerDescription(site.quantizer, "QActivation", (layer.name,), activation)]
        instead[layer.name] = site.quantizer
    return NetworkDescription(tuple(layers), tuple(instead.get(name, name) for name in network.outputs))
