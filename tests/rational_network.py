"""Small integer networks with each score, made without Keras, and any network in rational numbers."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, parse_type
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


# ---- the same network in rational numbers, value by value, out of what golden.npz says of it ----


def rational_values(network: IntegerNetwork, codes: list[int]) -> dict[str, list[Fraction]]:
    """Give every value of every layer for one event, from the definitions alone; the cut of a mean included.

    Parameters
    ----------
    codes
        Of the inputs, on the grid of their finest type.
    """
    values: dict[str, list[Fraction]] = {}
    for layer in network.layers:
        entry = json.loads(json.dumps(layer.entry()))
        arrays, types = layer.arrays(), _listed(entry["type"])
        sources = [values[name] for name in entry["inputs"]]
        if entry["kind"] == "input":
            found = [value_of(code, _grid(types)) for code in codes]
        elif entry["kind"] in {"dense", "convolution"}:
            found = _weighted_sums(entry, arrays, sources[0])
        elif entry["kind"] in {"relu", "quantize"}:
            kept = [max(x, Fraction(0)) if entry["kind"] == "relu" else x for x in sources[0]]
            found = [round_to(x, types[i % len(types)]) for i, x in enumerate(kept)]
        elif entry["kind"] in {"reshape", "port"}:
            found = sources[0]
        elif entry["kind"] == "accept":
            threshold = [value_of(code, parse_type(entry["table_type"]).fraction) for code in arrays["table"]]
            found = [Fraction(sources[0][0] > value) for value in threshold]
        elif entry["kind"] == "squared_error":
            found = [sum(((a - b) ** 2 for a, b in zip(*sources, strict=True)), start=Fraction(0))]
        elif entry["kind"] == "mu_squared":
            found = [sum((x * x for x in sources[0]), start=Fraction(0))]
        else:
            found = _of_images(entry, sources[0])
        values[layer.name] = found
    return values


def value_of(code: int, fraction: int) -> Fraction:
    """Give the value of a code."""
    return Fraction(int(code)) / Fraction(2) ** fraction


def round_to(value: Fraction, to: FixedPointType) -> Fraction:
    """Round a value, and saturate or wrap it, as `ap_fixed` of the type does."""
    scaled = value * Fraction(2) ** to.fraction
    half_up, down = math.floor(scaled + Fraction(1, 2)), math.floor(scaled)
    code = {Rounding.HALF_EVEN: round(scaled), Rounding.HALF_UP: half_up, Rounding.TRUNCATE: down}[to.rounding]
    low, high = (-(2 ** (to.width - 1)), 2 ** (to.width - 1) - 1) if to.signed else (0, 2**to.width - 1)
    if to.overflow is Overflow.WRAP:
        code = (code - low) % 2**to.width + low
    low += to.overflow is Overflow.SATURATE_SYMMETRIC and to.signed
    return value_of(max(low, min(high, code)), to.fraction)


def _listed(entry: str | list[str]) -> list[FixedPointType]:
    return [parse_type(name) for name in ([entry] if isinstance(entry, str) else entry)]


def _grid(types: list[FixedPointType]) -> int:
    return max(of.width - of.integer for of in types)


def _weighted_sums(entry: dict[str, Any], arrays: dict[str, np.ndarray], x: list[Fraction]) -> list[Fraction]:
    kernel, bias = (_grid(_listed(entry[key])) for key in ("kernel_type", "bias_type"))
    n = len(arrays["bias"])
    pixels = [x] if entry["window"] is None else _under(entry["window"], x)
    rows = arrays["kernel"].reshape(-1, n).tolist()
    return [
        sum((a * value_of(row[unit], kernel) for a, row in zip(under, rows, strict=True)), value_of(b, bias))
        for under in pixels
        for unit, b in enumerate(arrays["bias"].tolist())
    ]


def _under(window: list[Any], x: list[Fraction]) -> list[list[Fraction]]:
    """Give the values under a window at each of its positions, pixel by pixel, zeros outside of the image."""
    (height, width, channels), size, strides, (top, bottom, left, right) = window
    found = []
    for row in range(0, height + top + bottom - size[0] + 1, strides[0]):
        for column in range(0, width + left + right - size[1] + 1, strides[1]):
            under = []
            for y in range(row - top, row - top + size[0]):
                for z in range(column - left, column - left + size[1]):
                    inside = 0 <= y < height and 0 <= z < width
                    under += x[(y * width + z) * channels :][:channels] if inside else [Fraction(0)] * channels
            found.append(under)
    return found


def _of_images(entry: dict[str, Any], x: list[Fraction]) -> list[Fraction]:
    kind, window, channels = entry["kind"], entry["window"], entry["window"][0][2]
    if kind == "zero_padding":
        return [value for under in _under(window, x) for value in under]
    if kind == "upsampling":
        (height, width, _), size = window[0], window[1]
        places = [(y // size[0], z // size[1]) for y in range(height * size[0]) for z in range(width * size[1])]
        return [value for y, z in places for value in x[(y * width + z) * channels :][:channels]]
    pools = [under[channel::channels] for under in _under(window, x) for channel in range(channels)]
    if kind == "max_pooling":
        return [max(pool) for pool in pools]
    assert kind == "average_pooling"
    fraction = _grid(_listed(entry["type"]))
    return [value_of(int(sum(pool) / len(pool) * Fraction(2) ** fraction), fraction) for pool in pools]  # cuts off
