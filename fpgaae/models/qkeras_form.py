"""What published QKeras models lack of the form that goes into the firmware.

That is a quantizer straight behind the input, and normalizations folded away; the widths stay those of the model (NumPy
only, unless a quantizer is searched by QKeras).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.quantized_weights import with_quantized_weights
from fpgaae.models.simplify import fold_normalization, without_quantizers

_BITS_BELOW_OUTPUT = 2  # of a bias that took an offset in


class QuantizedForm(NamedTuple):
    """A QKeras model in the form that goes into the firmware."""

    network: NetworkDescription
    is_folded: bool  # a normalization went into its weights, which are rounded anew
    inputs: FixedPointType | None  # the type that its inputs were given, None where the model says one


def quantized_form(network: NetworkDescription, inputs: FixedPointType) -> QuantizedForm:
    """Bring a simplified QKeras model into its form for the firmware.

    Parameters
    ----------
    inputs
        Type of the network's inputs, for a model that does not round them itself.

    Raises
    ------
    InputError
        If a normalization can't be folded away.
    """
    made = _with_input_quantizer(network, inputs)
    given = inputs if len(made.layers) > len(network.layers) else None
    is_folded = any(layer.role is Role.NORMALIZE for layer in network.layers)
    return QuantizedForm(_folded(made) if is_folded else made, is_folded, given)


def _with_input_quantizer(network: NetworkDescription, inputs: FixedPointType) -> NetworkDescription:
    """Let a quantizer read the input: that behind what only moves values, or one of the config's type."""
    source = network.layers[0]
    moved = tuple(_moved_first(network, source))
    readers = network.readers(moved[-1].name if moved else source.name)
    is_rounded = len(readers) == 1 and readers[0].role is Role.ROUND
    if is_rounded and not moved:
        return network
    if is_rounded:
        return _hoisted(network, readers[0], moved)
    quantizer = LayerDescription(
        f"{source.name}_quantized", "QActivation", (source.name,), {"activation": inputs}, of_file=source.of_file
    )
    instead = {source.name: quantizer.name}
    rest = [layer.changed(inputs=tuple(instead.get(n, n) for n in layer.inputs)) for layer in network.layers[1:]]
    return NetworkDescription((source, quantizer, *rest), network.outputs)


def _moved_first(network: NetworkDescription, source: LayerDescription) -> Iterator[LayerDescription]:
    """Give the layers straight behind the input that only move values, one after another."""
    readers = network.readers(source.name)
    while len(readers) == 1 and readers[0].moves_values and readers[0].name not in network.outputs:
        yield readers[0]
        readers = network.readers(readers[0].name)


def _hoisted(
    network: NetworkDescription, quantizer: LayerDescription, moved: tuple[LayerDescription, ...]
) -> NetworkDescription:
    """Let a quantizer change places with what moves values in front of it, which is the same: zero is on every grid."""
    source = network.layers[0]
    first = quantizer.changed(inputs=(source.name,), of_file=None)
    behind = [layer for layer in network.layers[1:] if layer not in (quantizer, *moved)]
    chain = [
        moved[0].changed(inputs=(first.name,), of_file=None),
        *(layer.changed(of_file=None) for layer in moved[1:]),
    ]
    chain[-1] = chain[-1].changed(of_file=quantizer.of_file)
    instead = {quantizer.name: chain[-1].name}
    rest = [layer.changed(inputs=tuple(instead.get(n, n) for n in layer.inputs)) for layer in behind]
    outputs = tuple(instead.get(name, name) for name in network.outputs)
    return NetworkDescription((source, first, *chain, *rest), outputs)


def _folded(network: NetworkDescription) -> NetworkDescription:
    """Fold normalizations into the quantized weights, and round these anew with as many bits as before."""
    exact = with_quantized_weights(network)
    opened = tuple(
        layer.changed(kind=layer.kind.removeprefix("Q")) if layer.is_quantized_sum else layer for layer in exact.layers
    )
    folded = fold_normalization(NetworkDescription(opened, network.outputs))
    closed = []
    for layer in folded.layers:
        was = next((one for one in network.layers if one.name == layer.name), layer)
        if not was.is_quantized_sum:
            closed.append(layer)
        elif layer.weights is exact[layer.name].weights:  # untouched: as it stands in the file
            closed.append(was.changed(inputs=layer.inputs, of_file=layer.of_file))
        else:
            closed.append(_rounded_anew(folded, layer.changed(kind=was.kind), was))
    return NetworkDescription(tuple(closed), folded.outputs)


def _rounded_anew(network: NetworkDescription, layer: LayerDescription, was: LayerDescription) -> LayerDescription:
    kernel = was.quantizers["kernel"]
    bits = 8 if kernel is None or kernel.whole("bits") is None else kernel.whole("bits") or 8
    integer = min(_integer_bits(layer.weights["kernel"]), max(bits - 2, 0))
    kernel_type = _signed(bits, integer)
    outputs = [r.activation.type for r in network.readers(layer.name) if r.role is Role.ROUND and r.activation]
    fraction = max([kernel_type.fraction, *(of.fraction + _BITS_BELOW_OUTPUT for of in outputs if of is not None)])
    bias_integer = _integer_bits(layer.weights["bias"])
    return layer.with_settings(
        kernel_quantizer=kernel_type, bias_quantizer=_signed(1 + bias_integer + fraction, bias_integer)
    )


def _signed(bits: int, integer_bits: int) -> FixedPointType:
    return FixedPointType(bits, integer_bits + 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)


def _integer_bits(values: NDArray[np.floating]) -> int:
    """Give the integer bits, without the sign, that the largest magnitude needs."""
    return max(0, math.ceil(math.log2(max(float(np.abs(values).max(initial=0)) * 1.001, 2.0**-20))))


def folded_twin(network: NetworkDescription) -> tuple[NetworkDescription, dict[str, str]]:
    """Give the float twin of a simplified QKeras model with its normalizations folded into its quantized weights.

    Its tensors are those of `without_quantizers`, as they are called after folding.
    """
    twin, tensors = without_quantizers(with_quantized_weights(network))
    folded = fold_normalization(twin)
    by_file = {layer.of_file: layer.name for layer in folded.layers if layer.of_file is not None}
    return folded, {name: by_file.get(twin[tensor].of_file or "", tensor) for name, tensor in tensors.items()}
