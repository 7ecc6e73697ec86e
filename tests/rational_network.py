"""Small integer networks with each score, made without Keras."""

from __future__ import annotations

import numpy as np

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.rounding import Input, Quantize, Relu
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import Table, function_table, score_class

N_FEATURES = 6


def quantized(width: int, integer: int, signed: bool = True) -> FixedPointType:
    """Give the type of a quantizer."""
    return FixedPointType(width, integer, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def whole_network(score: Score, seed: int = 1) -> IntegerNetwork:
    """Make a network of two or three dense layers, the score, and four thresholds, the last at the largest code."""
    rng = np.random.default_rng(seed)

    def dense(name: str, source: Layer, units: int) -> Layer:
        kernel, bias = quantized(6, 2), quantized(6, 3)
        kernel_codes = rng.integers(kernel.min_code, kernel.max_code + 1, size=(source.size, units))
        kernel_codes[0, 0] = 0
        return Dense.of(name, source, (kernel_codes, kernel), (rng.integers(-32, 32, units), bias))

    def after(source: Layer, name: str, of: FixedPointType) -> Layer:
        return (Quantize if of.signed else Relu).of(name, source, of)

    features = Input("features", (), N_FEATURES, quantized(8, 4))
    layers: list[Layer] = [features, dense("encoder_1", features, 4)]
    hidden = after(layers[-1], "encoder_1_relu", quantized(6, 3, signed=False))
    layers.append(hidden)
    read: list[Layer] = []
    if score.of_reconstruction:
        layers.append(dense("reconstruction", hidden, N_FEATURES))
        layers.append(after(layers[-1], "reconstruction_quantized", quantized(8, 4)))
        read = [features, layers[-1]]
    elif score is Score.REGRESSION:
        layers.append(dense("output", hidden, 1))
        read = [after(layers[-1], "output_relu", quantized(7, 4, signed=False))]
        layers += read
    else:
        heads = ("mu", "log_variance") if score.needs_variance else ("mu",)
        layers += [dense(name, hidden, 2) for name in heads]
        read = [after(layer, f"{layer.name}_quantized", quantized(6, 3)) for layer in layers[-len(heads) :]]
        layers += read
    tables = []
    if score.needs_variance:
        tables = [function_table(score, read[1].type, 5)]
    elif score is Score.MASKED_SQUARED_ERROR:
        tables = [Table(np.array([-3, 7]), features.type)]
    layers.append(score_class(score).of("score", read, *tables))
    largest = layers[-1].type.max_code
    return IntegerNetwork(tuple(layers)).with_thresholds(np.array([0, 17, largest // 3, largest]))
