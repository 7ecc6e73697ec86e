"""The trigger block, traced symbolically from its hardware integers to score and decisions (needs da4ml)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.config.model import Score
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.network import ACCEPT_LAYER, IntegerLayer, IntegerNetwork, LayerKind
from fpgaae.golden.windows import Window, enlarge, surround
from fpgaae.rtl.arithmetic import (
    HARDWARE,
    MAX_CODE_BITS,
    Variable,
    above,
    constant,
    exact_ranges,
    is_constant,
    requantize,
)
from fpgaae.rtl.scores import Signal, trace_score
from fpgaae.rtl.windows import largest, mean, moved, pools_under, variables_under

_SOLVER = {"hard_dc": 2}  # adders that a constant matrix may add to the depth for the sake of fewer in all


class Traced(NamedTuple):
    """The whole trigger block as da4ml's logic between two registers."""

    logic: CombLogic  # hardware integers in, score code and one bit a threshold out
    inputs: tuple[FixedPointType, ...]  # a feature each
    score: FixedPointType
    n_thresholds: int


def trace_trigger(network: IntegerNetwork, features: FeatureMap) -> Traced:
    """Trace the front end, the network, its score and its decisions.

    Parameters
    ----------
    network
        With thresholds.

    Raises
    ------
    InputError
        If the network has a layer that can't be traced, or no thresholds, or codes wider than da4ml holds.
    """
    if network.layers[-1].name != ACCEPT_LAYER:
        raise InputError("the golden network has no thresholds; run the stage `convert` again")
    if network.reloadable:
        raise InputError(
            "the RTL folds weights into adders, and these are loaded at run time; set firmware.reloadable_weights to "
            "false, or synthesize the HLS project"
        )
    if any(layer.kind is LayerKind.PORT for layer in network.layers):
        raise InputError(
            "the RTL puts out the score and the accept bits only; set firmware.output_latents to false, or synthesize "
            "the HLS project"
        )
    wide = next((layer for layer in network.layers if layer.type.width > MAX_CODE_BITS), None)
    if wide is not None:
        raise InputError(
            f"the layer {wide.name} has {wide.type.width} bits, and the RTL holds at most {MAX_CODE_BITS}; give it or "
            "the layers before it fewer bits"
        )
    logic = trace_layers(network, features, [network.score.name, ACCEPT_LAYER])
    types = tuple(
        FixedPointType(feature.hardware.bits, feature.hardware.bits, feature.hardware.signed)
        for feature in features.features
    )
    return Traced(logic, types, network.score.type, network[ACCEPT_LAYER].size)


def trace_layers(network: IntegerNetwork, features: FeatureMap, names: Sequence[str]) -> CombLogic:
    """Trace a network from its hardware integers to the codes of some layers, one behind the other.

    Raises
    ------
    InputError
        If the network has a layer that can't be traced.
    """
    with exact_ranges():
        ports = FixedVariableArrayInput((len(features),), HARDWARE)
        signals = {network.layers[0].name: _front_end(ports, features, network.layers[0])}
        for layer in network.layers[1:]:
            signals[layer.name] = Signal(_trace(layer, [signals[name] for name in layer.inputs]), layer.type)
        outputs = [variable for name in names for variable in signals[name].variables]
        return comb_trace(ports, FixedVariableArray(np.array(outputs, dtype=object)))


def _front_end(ports: FixedVariableArrayInput, features: FeatureMap, layer: IntegerLayer) -> Signal:
    """Offset, shift, round and saturate every hardware integer."""
    pairs = zip(ports._vars, features.features, strict=True)
    return Signal([_input(port, feature, layer.type) for port, feature in pairs], layer.type)


def _input(port: Variable, feature: Feature, to: FixedPointType) -> Variable:
    bits, signed = feature.hardware.bits, feature.hardware.signed
    code = port.quantize(signed, bits - signed, 0, "WRAP") if bits else constant(0)
    return requantize(code - feature.offset, feature.shift, to)


def _trace(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    tracer = _TRACERS.get(layer.kind)
    if tracer is None:
        raise InputError(
            f"the layer {layer.name} of kind {layer.kind.value} can't be traced to RTL yet; use a model of dense layers"
        )
    return tracer(layer, inputs)


def _dense(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    x = inputs[0]
    if layer.kernel_type is None or layer.bias_type is None:
        raise InputError(f"the dense layer {layer.name} of the golden network has no weight types")
    up_product = layer.type.fraction - x.type.fraction - layer.kernel_type.fraction
    offsets = layer.bias << (layer.type.fraction - layer.bias_type.fraction)
    fixed = np.array([is_constant(variable) for variable in x.variables])
    if fixed.any():  # an input that never varies is part of the bias
        known = np.array([int(v.low) for v, f in zip(x.variables, fixed, strict=True) if f])
        offsets = offsets + (known @ layer.kernel[fixed] << up_product)
    if fixed.all() or not layer.kernel[~fixed].any():
        return [constant(int(offset)) for offset in offsets]
    varying = [v for v, f in zip(x.variables, fixed, strict=True) if not f]
    array = FixedVariableArray(np.array(varying, dtype=object), _SOLVER)
    products = (array @ layer.kernel[~fixed].astype(np.float64))._vars
    return [product * 2**up_product + int(offset) for product, offset in zip(products, offsets, strict=True)]


def _convolution(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    """Trace a dense layer at each position of the window."""
    x, dense = inputs[0], replace(layer, kernel=layer.kernel.reshape(-1, layer.kernel.shape[-1]))
    positions = variables_under(x.variables, _window(layer))
    return [variable for position in positions for variable in _dense(dense, [Signal(position, x.type)])]


def _pooling(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    x, pools = inputs[0], pools_under(inputs[0].variables, _window(layer))
    if layer.kind is LayerKind.MAX_POOLING:
        return [largest(pool) for pool in pools]
    return [mean(pool, layer.type.fraction - x.type.fraction) for pool in pools]


def _move(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    """Trace a layer that computes nothing: enlarging, zeros around, another shape."""
    places = np.arange(len(inputs[0].variables))[None]
    if layer.kind is LayerKind.UPSAMPLING:
        places = enlarge(places, _window(layer))
    elif layer.kind is LayerKind.ZERO_PADDING:
        places = surround(places + 1, _window(layer)) - 1
    return moved(inputs[0].variables, places[0])


def _window(layer: IntegerLayer) -> Window:
    if layer.window is None:
        raise InputError(f"the layer {layer.name} of the golden network has no window; run the stage `convert` again")
    return layer.window


def _relu(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    x = inputs[0]
    return [requantize(variable.relu(), x.type.fraction, layer.type) for variable in x.variables]


def _quantize(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    x = inputs[0]
    return [requantize(variable, x.type.fraction, layer.type) for variable in x.variables]


def _score(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    return [trace_score(Score(layer.kind.value), inputs, layer.table)]


def _accept(layer: IntegerLayer, inputs: Sequence[Signal]) -> list[Variable]:
    if layer.table is None:
        raise InputError(f"the layer {layer.name} of the golden network has no table; run the stage `convert` again")
    return [above(inputs[0].variables[0], int(threshold)) for threshold in layer.table.codes]


_TRACERS: dict[LayerKind, Callable[[IntegerLayer, Sequence[Signal]], list[Variable]]] = {
    LayerKind.DENSE: _dense,
    LayerKind.CONVOLUTION: _convolution,
    LayerKind.AVERAGE_POOLING: _pooling,
    LayerKind.MAX_POOLING: _pooling,
    LayerKind.UPSAMPLING: _move,
    LayerKind.ZERO_PADDING: _move,
    LayerKind.RESHAPE: _move,
    LayerKind.RELU: _relu,
    LayerKind.QUANTIZE: _quantize,
    LayerKind.ACCEPT: _accept,
    **{LayerKind(score.value): _score for score in Score},
}
