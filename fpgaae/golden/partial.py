"""The deployed network with only some of its parts quantized (NumPy only): what each of them costs.

With every part quantized it gives the values of `IntegerNetwork`, with none those of the same weights unrounded.
Which events it is run on, and what is made of the scores, does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, nearest_codes, values_of
from fpgaae.golden.network import IntegerLayer, IntegerNetwork, LayerKind
from fpgaae.golden.scores.values import float_score
from fpgaae.golden.windows import average, convolve, enlarge, largest, surround

Values: TypeAlias = NDArray[np.float64]


class Part(str, Enum):
    """What can be quantized by itself."""

    INPUTS = "inputs"  # rounded to the input type; outside its range they saturate in either case
    WEIGHTS = "weights"  # kernels and biases
    ACTIVATIONS = "activations"  # what quantizers and means put out, the reconstruction among it
    SCORE = "score"  # its tables, and its type


@dataclass(frozen=True)
class PartialNetwork:
    """A golden network and the weights that its own were rounded from.

    Parameters
    ----------
    network
        Without decisions.
    weights
        Kernel and bias by layer, before their quantization.
    """

    network: IntegerNetwork
    weights: Mapping[str, tuple[Values, Values]]

    def run(self, features: Values, quantized: frozenset[Part]) -> dict[str, Values]:
        """Compute every layer's values, (n_events, size) each, by layer name in graph order.

        Parameters
        ----------
        features
            (n_events, n_features): exact network inputs, not rounded.
        quantized
            The parts that are.
        """
        tensors: dict[str, Values] = {}
        for layer in self.network.layers:
            inputs = [tensors[name] for name in layer.inputs] or [features]
            tensors[layer.name] = self._apply(layer, inputs, quantized)
        return tensors

    def _apply(self, layer: IntegerLayer, inputs: list[Values], quantized: frozenset[Part]) -> Values:
        x = inputs[0]
        if layer.kind is LayerKind.INPUT:
            if Part.INPUTS in quantized:
                return rounded(x, layer.type)
            return np.clip(x, layer.type.min_code * layer.type.lsb, layer.type.max_code * layer.type.lsb)
        if layer.kind.has_weights:
            return self._weighted_sums(layer, x, Part.WEIGHTS in quantized)
        if layer.kind.is_score:
            return self._score(layer, inputs, Part.SCORE in quantized)
        if layer.kind in {LayerKind.RELU, LayerKind.QUANTIZE}:
            positive = np.maximum(x, 0) if layer.kind is LayerKind.RELU else x
            return rounded(positive, layer.type) if Part.ACTIVATIONS in quantized else positive
        return _pooled(layer, x, Part.ACTIVATIONS in quantized)

    def _weighted_sums(self, layer: IntegerLayer, x: Values, quantized: bool) -> Values:
        kernel, bias = self.weights[layer.name]
        if quantized and layer.kernel_type is not None and layer.bias_type is not None:
            kernel = values_of(layer.kernel, layer.kernel_type.fraction)
            bias = values_of(layer.bias, layer.bias_type.fraction)
        sums = x @ kernel if layer.window is None else convolve(x, kernel, layer.window)
        return np.asarray(sums + np.tile(bias, layer.size // len(bias)), dtype=np.float64)

    def _score(self, layer: IntegerLayer, inputs: list[Values], quantized: bool) -> Values:
        score, x = Score(layer.kind.value), inputs[0]
        if quantized and score.needs_variance:
            return rounded(_tabulated(layer, score, inputs, self.network[layer.inputs[1]].type), layer.type)
        empty = np.zeros(0)
        if score is Score.MASKED_SQUARED_ERROR and layer.table is not None:
            empty = values_of(layer.table.codes, layer.table.type.fraction)
        output = inputs[-1] if len(inputs) < 2 or score.of_reconstruction else np.concatenate(inputs, axis=1)
        found = float_score(score, x, output, empty)[:, None]
        return rounded(found, layer.type) if quantized else found


def rounded(values: Values, to: FixedPointType) -> Values:
    """Round values to a type, and saturate them where it does."""
    return values_of(nearest_codes(values, to), to.fraction)


def shadow_weights(model: Any, network: IntegerNetwork) -> dict[str, tuple[Values, Values]]:  # noqa: ANN401
    """Give kernel and bias of every layer of a QKeras model as they are before their quantizers.

    Parameters
    ----------
    model
        What `network` was extracted from.
    """
    return {
        layer.name: tuple(np.asarray(array, dtype=np.float64) for array in model.get_layer(layer.name).get_weights())  # type: ignore[misc]
        for layer in network.layers
        if layer.kind.has_weights
    }


def _pooled(layer: IntegerLayer, x: Values, quantized: bool) -> Values:
    """Compute a layer that pools or moves values."""
    if layer.window is None:
        return x
    if layer.kind is LayerKind.AVERAGE_POOLING:
        mean = average(x, layer.window)
        return np.trunc(mean * 2.0**layer.type.fraction) * layer.type.lsb if quantized else mean
    work: Any = {
        LayerKind.MAX_POOLING: largest, LayerKind.UPSAMPLING: enlarge, LayerKind.ZERO_PADDING: surround
    }[layer.kind]  # fmt: skip
    return np.asarray(work(x, layer.window), dtype=np.float64)


def _tabulated(layer: IntegerLayer, score: Score, inputs: list[Values], argument: FixedPointType) -> Values:
    """Compute a score whose exponential comes from its table."""
    if layer.table is None:
        raise InputError(f"the layer {layer.name} of the golden network has no table; run the stage `convert` again")
    indices = nearest_codes(inputs[1], argument) & (len(layer.table.codes) - 1)
    entries = values_of(layer.table.codes[indices], layer.table.type.fraction)
    squares = inputs[0] * inputs[0]
    terms = (squares + entries) / 2 if score is Score.KL_DIVERGENCE else squares * entries
    return np.asarray(terms.sum(axis=1, keepdims=True))
