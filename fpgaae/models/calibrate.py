"""Post-training quantization of a described float network: where its quantizers go, and the network with them.

A quantizer stands straight behind the Input and behind everything that computes: dense, convolution, mean. A ReLU
behind such a layer becomes its quantizer, and any other function a table over the codes of the quantizer in front of
it. What only moves values (maximum, reshaping, enlarging, zeros) needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.functions import MAX_ARGUMENT_BITS, Function
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.functions import as_table, output_type
from fpgaae.models.keras_layers import Role, function_of


class Site(NamedTuple):
    """A place at which a value is quantized."""

    layer: str  # the layer that the config knows it by: the one that computes
    tensor: str  # the float layer whose output is quantized
    quantizer: str  # name of the QActivation, or of the table
    signed: bool
    read_by: tuple[Function, ...] = ()  # the tables whose argument it is, if only such read it


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
        is_function = layer.role is Role.FUNCTION
        if layer.role is Role.RECTIFY or (keeps_sign and layer.inputs[0] in positive):
            positive.add(layer.name)
        if is_function and not function_of(layer.settings).is_signed:
            positive.add(layer.name)
        if layer.role is Role.RECTIFY:
            sites.append(Site(_owner(network, layer), layer.name, layer.name, False, _tables(network, layer.name)))
        elif is_function:
            signed = layer.name not in positive
            sites.append(Site(layer.name, layer.name, layer.name, signed, _tables(network, layer.name)))
        elif layer.computes and [reader.role.is_activation for reader in network.readers(layer.name)] != [True]:
            quantizer = f"{layer.name}_quantized"
            signed = layer.name not in positive
            sites.append(Site(_owner(network, layer), layer.name, quantizer, signed, _tables(network, layer.name)))
    return tuple(sites)


def _tables(network: NetworkDescription, name: str) -> tuple[Function, ...]:
    """Give the tables that read a layer, also behind what only moves values; none where something else reads it."""
    found: list[Function] = []
    for reader in network.readers(name):
        if reader.role is Role.FUNCTION:
            found.append(function_of(reader.settings))
        elif reader.moves_values and (behind := _tables(network, reader.name)):
            found += behind
        else:
            return ()
    return tuple(found) if name not in network.outputs else ()


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
    known: dict[str, FixedPointType | None] = {inputs.name: quantizers.inputs}
    for layer in network.layers[1:]:
        moved = layer.changed(inputs=tuple(instead.get(name, name) for name in layer.inputs))
        site = at.get(layer.name)
        if layer.is_float_sum:
            weights = quantizers.weights[layer.name]
            bias = quantizers.biases.get(layer.name, weights)
            moved = moved.changed(kind=f"Q{layer.kind}").with_settings(kernel_quantizer=weights, bias_quantizer=bias)
        argument = known.get(moved.inputs[0])
        if site is None:
            layers.append(moved)
            known[moved.name] = output_type(moved, argument)
            continue
        known[site.quantizer] = quantizers.activations[site.quantizer]
        activation = {"activation": quantizers.activations[site.quantizer]}
        if layer.role is Role.FUNCTION:
            layers.append(_table(moved, argument, quantizers.activations[site.quantizer]))
            continue
        if layer.role is Role.RECTIFY:
            layers.append(moved.changed(kind="QActivation", settings=activation))
            continue
        layers += [moved, LayerDescription(site.quantizer, "QActivation", (layer.name,), activation)]
        instead[layer.name] = site.quantizer
    return NetworkDescription(tuple(layers), tuple(instead.get(name, name) for name in network.outputs))


def _table(layer: LayerDescription, argument: FixedPointType | None, result: FixedPointType) -> LayerDescription:
    """Give the table of a function over what it reads."""
    function = function_of(layer.settings)
    if argument is None or argument.width > MAX_ARGUMENT_BITS:
        bits = "unknown" if argument is None else argument.width
        raise InputError(
            f"the layer {layer.name} becomes a table of {function} over {bits} bits, and one takes at most "
            f"{MAX_ARGUMENT_BITS}; give what it reads fewer, `quantization.layers.<layer>.activations.bits` or "
            "`quantization.inputs.bits`"
        )
    return as_table(layer, function, argument, result)
