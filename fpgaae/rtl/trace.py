"""The trigger block, traced symbolically from the words on its ports to score and decisions (needs da4ml)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Types
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Moved
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantize, Relu
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Convolution, Dense, Weighted
from fpgaae.golden.registry import entry_of
from fpgaae.golden.reloadable import NOT_TRACED
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.arithmetic import (
    HARDWARE,
    MAX_CODE_BITS,
    Variable,
    above,
    constant,
    exact_ranges,
    is_constant,
    look_up,
    requantize,
    select_negative,
    total,
)
from fpgaae.rtl.scores import Signal, trace_score
from fpgaae.rtl.windows import largest, mean, moved, pools_under, variables_under
from fpgaae.rtl.words import hardware_integers, port_type

_SOLVER = {"hard_dc": 2}  # adders that a constant matrix may add to the depth for the sake of fewer in all


class Traced(NamedTuple):
    """The whole trigger block as da4ml's logic between two registers."""

    logic: CombLogic  # words in, score code, one bit a threshold, and the codes of the latents of a port out
    inputs: tuple[FixedPointType, ...]  # a feature each
    score: FixedPointType
    n_thresholds: int
    latents: FixedPointType | None = None  # of each latent, where they are a port
    n_latents: int = 0

    @classmethod
    def of(cls, logic: CombLogic, trigger: GoldenTrigger) -> Traced:
        """Describe the logic of a trigger block."""
        types = tuple(port_type(feature.hardware) for feature in trigger.features.features)
        port = next(iter(trigger.network.ports), None)
        latents = (None, 0) if port is None else (port.type, port.size)
        return cls(logic, types, trigger.network.score.type, trigger.accept.size, *latents)


def trace_trigger(trigger: GoldenTrigger) -> Traced:
    """Trace the front end, the network, its score, its decisions, and its latents where they are a port.

    Raises
    ------
    InputError
        If the network has a layer that can't be traced, or no thresholds, or codes wider than da4ml holds.
    """
    network, outputs = trigger.network, trigger.outputs
    if network.reloadable:
        raise InputError(NOT_TRACED)
    wide = next((layer for layer in network.layers if layer.type.width > MAX_CODE_BITS), None)
    if wide is not None:
        raise InputError(
            f"the layer {wide.name} has {wide.type.width} bits, and the RTL holds at most {MAX_CODE_BITS}; give it or "
            "the layers before it fewer bits"
        )
    return Traced.of(trace_layers(trigger, [layer.name for layer in outputs]), trigger)


def trace_layers(trigger: GoldenTrigger, names: Sequence[str]) -> CombLogic:
    """Trace a network from its hardware integers to the codes of some layers, one behind the other.

    Raises
    ------
    InputError
        If the network has a layer that can't be traced.
    """
    network = trigger.network
    with exact_ranges():
        ports = FixedVariableArrayInput((len(trigger.features),), HARDWARE)
        codes = hardware_integers(ports._vars, [feature.hardware for feature in trigger.features.features])
        front_end = _front_end(codes, trigger)
        signals: dict[str, Signal] = {}
        for layer in network.layers:
            inputs = [signals[name] for name in layer.inputs] or [front_end]
            if isinstance(layer, Cell):  # it reads the hardware integers themselves
                inputs = [Signal(codes, layer.type)]
            signals[layer.name] = Signal(_trace(layer, inputs), layer.type)
        outputs = [variable for name in names for variable in signals[name].variables]
        return comb_trace(ports, FixedVariableArray(np.array(outputs, dtype=object)))


def _front_end(codes: Sequence[Variable], trigger: GoldenTrigger) -> Signal:
    """Offset, shift, round and saturate each hardware integer."""
    inputs, features = trigger.network.layers[0], trigger.features.features
    found = [
        _rounded(code - feature.offset, feature.shift, inputs.types, place)
        for place, (code, feature) in enumerate(zip(codes, features, strict=True))
    ]
    return Signal(found, inputs.type)


def _rounded(code: Variable, fraction: int, types: Types, place: int) -> Variable:
    """Round to the type of a channel, on the grid of the layer."""
    of = types.channel(place)
    rounded, up = requantize(code, fraction, of), types.fraction - of.fraction
    return rounded * 2.0**up if up else rounded


def _trace(layer: Layer, inputs: Sequence[Signal]) -> list[Variable]:
    tracer = entry_of(TRACERS, type(layer))
    if tracer is None:
        raise InputError(
            f"the layer {layer.name} of kind {layer.kind} can't be traced to RTL yet; use a model of dense layers"
        )
    return tracer(layer, inputs)


def _dense(layer: Dense, inputs: Sequence[Signal]) -> list[Variable]:
    return _sums(layer, inputs[0], layer.kernel)


def _sums(layer: Weighted, x: Signal, kernel: Codes) -> list[Variable]:
    """Trace a matrix (inputs, outputs) and the biases of a layer."""
    up_product = layer.types.fraction - x.type.fraction - layer.kernel_types.fraction
    offsets = layer.bias << (layer.types.fraction - layer.bias_types.fraction)
    fixed = np.array([is_constant(variable) for variable in x.variables])
    if fixed.any():  # an input that never varies is part of the bias
        known = np.array([int(v.low) for v, f in zip(x.variables, fixed, strict=True) if f])
        offsets = offsets + (known @ kernel[fixed] << up_product)
    if fixed.all() or not kernel[~fixed].any():
        return [constant(int(offset)) for offset in offsets]
    varying = [v for v, f in zip(x.variables, fixed, strict=True) if not f]
    array = FixedVariableArray(np.array(varying, dtype=object), _SOLVER)
    products = (array @ kernel[~fixed].astype(np.float64))._vars
    return [product * 2**up_product + int(offset) for product, offset in zip(products, offsets, strict=True)]


def _convolution(layer: Convolution, inputs: Sequence[Signal]) -> list[Variable]:
    """Trace a matrix at each position of the window."""
    x, kernel = inputs[0], layer.kernel.reshape(-1, layer.kernel.shape[-1])
    positions = variables_under(x.variables, layer.window)
    return [variable for position in positions for variable in _sums(layer, Signal(position, x.type), kernel)]


def _max_pooling(layer: MaxPooling, inputs: Sequence[Signal]) -> list[Variable]:
    return [largest(pool) for pool in pools_under(inputs[0].variables, layer.window)]


def _average_pooling(layer: AveragePooling, inputs: Sequence[Signal]) -> list[Variable]:
    more_bits = layer.type.fraction - inputs[0].type.fraction
    return [mean(pool, more_bits) for pool in pools_under(inputs[0].variables, layer.window)]


def _move(layer: Moved, inputs: Sequence[Signal]) -> list[Variable]:
    return moved(inputs[0].variables, layer.places(len(inputs[0].variables)))


def _relu(layer: Relu, inputs: Sequence[Signal]) -> list[Variable]:
    x = inputs[0]
    return [_rounded(v.relu(), x.type.fraction, layer.types, place) for place, v in enumerate(x.variables)]


def _leaky_relu(layer: LeakyRelu, inputs: Sequence[Signal]) -> list[Variable]:
    up = 2.0**layer.shift
    return [v * up if v.low >= 0 else select_negative(v, v, v * up) for v in inputs[0].variables]


def _tabulated(layer: Tabulated, inputs: Sequence[Signal]) -> list[Variable]:
    return [look_up(v, layer.table) for v in inputs[0].variables]


def _quantize(layer: Quantize, inputs: Sequence[Signal]) -> list[Variable]:
    x = inputs[0]
    return [_rounded(v, x.type.fraction, layer.types, place) for place, v in enumerate(x.variables)]


def _score(layer: ScoreLayer, inputs: Sequence[Signal]) -> list[Variable]:
    return [trace_score(layer, inputs)]


def _cell(layer: Cell, inputs: Sequence[Signal]) -> list[Variable]:
    """Compare each sum with its edges, and count the cells."""
    codes = inputs[0].variables
    counted: list[Variable] = []  # what the cell is the sum of
    for of in layer.sums:
        own = total(above(codes[place], 0) if of.counts else codes[place] for place in of.places)
        before = [total(counted)] if counted else []
        bits = [bit for bit in range(of.n_bins.bit_length()) if of.n_bins >> bit & 1]
        counted = [*(found * 2.0**bit for found in before for bit in bits), *(above(own, edge) for edge in of.edges)]
    return [total(counted)]


def _accept(layer: Accept, inputs: Sequence[Signal]) -> list[Variable]:
    score = inputs[0].variables[0]
    if len(inputs) == 1:
        return [above(score, int(threshold)) for threshold in layer.thresholds]
    cell, n_codes = inputs[1].variables[0], 1 << inputs[1].type.width
    tables = [np.pad(codes, (0, n_codes - len(codes)), mode="edge") for codes in layer.thresholds]
    return [select_negative(look_up(cell, table) - score, constant(1), constant(0)) for table in tables]


def _inputs(layer: Input, inputs: Sequence[Signal]) -> list[Variable]:
    del layer
    return inputs[0].variables


TRACERS: dict[type, Callable[[Any, Sequence[Signal]], list[Variable]]] = {
    Input: _inputs,
    Dense: _dense,
    Convolution: _convolution,
    AveragePooling: _average_pooling,
    MaxPooling: _max_pooling,
    Moved: _move,
    Relu: _relu,
    LeakyRelu: _leaky_relu,
    Tabulated: _tabulated,
    Quantize: _quantize,
    ScoreLayer: _score,
    Cell: _cell,
    Accept: _accept,
}
