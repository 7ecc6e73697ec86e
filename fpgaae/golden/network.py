"""The deployed network in exact integers (NumPy only): the golden codes that firmware is compared with.

Every tensor is an array of int64 codes with one number of fraction bits. No float rounds: a matrix product
runs in float64 only where the sum of all |products| stays below 2**53, where float64 is exact, and else in int64.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import (
    Codes,
    FixedPointType,
    Tensor,
    parse_type,
    requantize,
    shift_left_exact,
    type_for_range,
)
from fpgaae.golden.scores.base import Table, score_codes
from fpgaae.golden.windows import Window, convolve, enlarge, exact_product, largest, mean, read_window, surround

GOLDEN_FILE = "golden.npz"
ACCEPT_LAYER = "accept"
_NEVER_EXACT = 2**62
_FLOAT64_BITS = 53


class LayerKind(str, Enum):
    """What a layer computes."""

    INPUT = "input"
    DENSE = "dense"
    RELU = "relu"  # max(x, 0), then rounded and saturated
    QUANTIZE = "quantize"  # rounded and saturated
    SQUARED_ERROR = Score.SQUARED_ERROR.value
    MASKED_SQUARED_ERROR = Score.MASKED_SQUARED_ERROR.value
    ABSOLUTE_ERROR = Score.ABSOLUTE_ERROR.value
    MU_SQUARED = Score.MU_SQUARED.value
    MU_SQUARED_OVER_VARIANCE = Score.MU_SQUARED_OVER_VARIANCE.value
    KL_DIVERGENCE = Score.KL_DIVERGENCE.value
    REGRESSION = Score.REGRESSION.value
    ACCEPT = "accept"  # one bit a threshold: 1 where the score is above it
    CONVOLUTION = "convolution"
    AVERAGE_POOLING = "average_pooling"  # cut off towards zero where the mean has no finite binary form
    MAX_POOLING = "max_pooling"
    UPSAMPLING = "upsampling"  # nearest neighbour
    ZERO_PADDING = "zero_padding"
    RESHAPE = "reshape"
    PORT = "port"  # what a layer before it put out, on a port of the trigger block

    @property
    def is_score(self) -> bool:
        """Whether it is one of `Score`."""
        return self.value in {score.value for score in Score}

    @property
    def has_weights(self) -> bool:
        """Whether it has a kernel and a bias."""
        return self in {LayerKind.DENSE, LayerKind.CONVOLUTION}


@dataclass(frozen=True)
class IntegerLayer:
    """One layer: its inputs by name, its output type, and its constants.

    For a layer with weights and a score, `type` is derived: the narrowest that holds every sum which inputs of their
    types can give. `table` holds what a score reads (see `score_codes`), or the thresholds in the type of the score.
    Values are flat, (n_events, size); `shape` says which image they stand for, empty for none. Where the weights are
    `reloadable`, `type` holds the sums of any weights of their types, and `kernel` and `bias` are those loaded now.
    """

    name: str
    kind: LayerKind
    inputs: tuple[str, ...]
    size: int
    type: FixedPointType
    kernel: Codes = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64), repr=False)
    bias: Codes = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    kernel_type: FixedPointType | None = None
    bias_type: FixedPointType | None = None
    table: Table | None = field(default=None, repr=False)
    shape: tuple[int, ...] = ()  # (height, width, channels)
    window: Window | None = None
    reloadable: bool = False

    @property
    def is_cut_off(self) -> bool:
        """Whether its codes are the true values cut off towards zero: a mean that does not come out even."""
        n_values = self.window.n_values if self.window else 1
        return self.kind is LayerKind.AVERAGE_POOLING and n_values & (n_values - 1) != 0


def dense_layer(
    name: str,
    source: IntegerLayer,
    kernel: tuple[Codes, FixedPointType],
    bias: tuple[Codes, FixedPointType],
) -> IntegerLayer:
    """Make a dense layer and derive the type of its exact sums from the range of its input."""
    (kernel_codes, kernel_type), (bias_codes, bias_type) = kernel, bias
    fraction = max(source.type.fraction + kernel_type.fraction, bias_type.fraction)
    layer = IntegerLayer(
        name, LayerKind.DENSE, (source.name,), kernel_codes.shape[1], FixedPointType(1, 1 - fraction),
        kernel_codes, bias_codes, kernel_type, bias_type,
    )  # fmt: skip
    smallest, largest = dense_range(layer, source)
    return replace(layer, type=type_for_range(min(smallest, 0), max(largest, 0), fraction))


def dense_range(layer: IntegerLayer, source: IntegerLayer) -> tuple[int, int]:
    """Give the smallest and the largest code that a dense layer can put out for inputs of their type; both are reached.

    Raises
    ------
    InputError
        If the layer has no weight types.
    """
    smallest, largest, (low_bias, high_bias) = _sums_of_one_sign(layer, source)
    return int((smallest + low_bias).min()), int((largest + high_bias).max())


def partial_sum_range(layer: IntegerLayer, source: IntegerLayer) -> tuple[int, int]:
    """Bound every sum of some of a dense layer's terms, with or without the bias, in codes of its type.

    Each product can be 0, as 0 is a value of every input; so no sum of a part lies outside the sum of all products of
    one sign.

    Raises
    ------
    InputError
        If the layer has no weight types.
    """
    smallest, largest, (low_bias, high_bias) = _sums_of_one_sign(layer, source)
    return int((smallest + np.minimum(low_bias, 0)).min()), int((largest + np.maximum(high_bias, 0)).max())


def _sums_of_one_sign(layer: IntegerLayer, source: IntegerLayer) -> tuple[Codes, Codes, tuple[Codes, Codes]]:
    """Give the smallest and the largest sum of products of each unit of a dense layer, and its bias, on one grid.

    A bias has a smallest and a largest code, too, which differ where it is reloadable.
    """
    kernel_type, bias_type = _weight_types(layer)
    up_product = layer.type.fraction - source.type.fraction - kernel_type.fraction
    low, high = source.type.min_code, source.type.max_code
    sums = []
    for kernel, _ in extreme_weights(layer):
        positive, negative = np.maximum(kernel, 0).sum(axis=0), np.minimum(kernel, 0).sum(axis=0)
        sums.append((positive * low + negative * high, positive * high + negative * low))
    smallest, largest = np.min([s for s, _ in sums], axis=0), np.max([s for _, s in sums], axis=0)
    return smallest << up_product, largest << up_product, bias_range(layer, layer.type.fraction - bias_type.fraction)


def extreme_weights(layer: IntegerLayer) -> tuple[tuple[Codes, Codes], ...]:
    """Give kernels and biases between which those of a layer stay: its own, or the ends of their types.

    A sum of products is linear in each weight: over all of them it is smallest and largest at such ends.
    """
    if not layer.reloadable:
        return ((layer.kernel, layer.bias),)
    types = _weight_types(layer)
    highest, lowest = tuple(of.max_code for of in types), tuple(of.min_code for of in types)
    return tuple((np.full_like(layer.kernel, k), np.full_like(layer.bias, b)) for k, b in (highest, lowest))


def bias_range(layer: IntegerLayer, up: int) -> tuple[Codes, Codes]:
    """Give the smallest and the largest bias of each unit, shifted up by some bits."""
    biases = np.stack([bias for _, bias in extreme_weights(layer)]) << up
    return biases.min(axis=0), biases.max(axis=0)


def _weight_types(layer: IntegerLayer) -> tuple[FixedPointType, FixedPointType]:
    if layer.kernel_type is None or layer.bias_type is None:
        raise InputError(f"the dense layer {layer.name} of the golden network has no weight types")
    return layer.kernel_type, layer.bias_type


@dataclass(frozen=True)
class IntegerNetwork:
    """The layers in graph order; the last one is the score, or the decisions made from it."""

    layers: tuple[IntegerLayer, ...]

    @property
    def input_type(self) -> FixedPointType:
        """Type of the network's inputs."""
        return self.layers[0].type

    @property
    def reloadable(self) -> bool:
        """Whether its weights can be loaded at run time."""
        return any(layer.reloadable for layer in self.layers)

    @property
    def score(self) -> IntegerLayer:
        """The layer that holds the anomaly score; in a network without one, the last."""
        return next((layer for layer in self.layers if layer.kind.is_score), self.layers[-1])

    def with_thresholds(self, thresholds: Codes) -> IntegerNetwork:
        """Add the decisions: one bit a threshold, 1 where the score's code is above it.

        Parameters
        ----------
        thresholds
            (n_thresholds,) codes of the score's type.
        """
        table = Table(np.asarray(thresholds, dtype=np.int64), self.score.type)
        accept = IntegerLayer(
            ACCEPT_LAYER,
            LayerKind.ACCEPT,
            (self.score.name,),
            len(thresholds),
            FixedPointType(1, 1, False),
            table=table,
        )
        return IntegerNetwork((*self.layers, accept))

    def __getitem__(self, name: str) -> IntegerLayer:
        """Give a layer by name."""
        return {layer.name: layer for layer in self.layers}[name]

    def run(self, input_codes: Codes, injected: Mapping[str, Codes] | None = None) -> dict[str, Tensor]:
        """Compute every layer's codes, by layer name in graph order.

        Parameters
        ----------
        input_codes
            (n_events, n_features) codes of the input type.
        injected
            By layer: codes (n_events, size) of its type that the layers behind it get in the place of its output.
        """
        tensors: dict[str, Tensor] = {}
        passed_on: dict[str, Tensor] = {}
        for layer in self.layers:
            if layer.kind is LayerKind.INPUT:
                tensors[layer.name] = Tensor(input_codes, layer.type.fraction)
            else:
                tensors[layer.name] = _apply(layer, [passed_on[name] for name in layer.inputs])
            replaced = (injected or {}).get(layer.name)
            passed_on[layer.name] = tensors[layer.name] if replaced is None else Tensor(replaced, layer.type.fraction)
        return tensors

    def float32_holds(self) -> dict[str, bool]:
        """Tell for each layer whether single precision can't round: no sum of |products| on the way passes 2**24.

        Where it is False, a float32 prediction of the Keras model may differ from the exact codes.
        """
        exact: dict[str, bool] = {}
        for layer in self.layers:
            here = largest_sum(layer, [self[name] for name in layer.inputs]) <= 2**24
            exact[layer.name] = here and all(exact[name] for name in layer.inputs)
        return exact

    def save(self, file: Path) -> None:
        """Write the network to an npz file."""
        description = [
            {
                "name": layer.name, "kind": layer.kind.value, "inputs": layer.inputs, "size": layer.size,
                "type": str(layer.type),
                "kernel_type": layer.kernel_type and str(layer.kernel_type),
                "bias_type": layer.bias_type and str(layer.bias_type),
                "table_type": layer.table and str(layer.table.type),
                "shape": layer.shape, "window": layer.window, "reloadable": layer.reloadable,
            }
            for layer in self.layers
        ]  # fmt: skip
        arrays: dict[str, Any] = {"layers": np.array(json.dumps(description))}
        for layer in self.layers:
            if layer.kind.has_weights:
                arrays |= {f"{layer.name}/kernel": layer.kernel, f"{layer.name}/bias": layer.bias}
            if layer.table is not None:
                arrays[f"{layer.name}/table"] = layer.table.codes
        np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> IntegerNetwork:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                description = json.loads(str(content["layers"]))
                return cls(tuple(_read_layer(entry, content) for entry in description))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{file} is not a readable golden network ({error}); run the stage `convert` again"
            ) from None


def _read_layer(entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> IntegerLayer:
    kind = LayerKind(entry["kind"])
    others: dict[str, Any] = {"shape": tuple(entry.get("shape", ()))}
    if entry.get("window"):
        others["window"] = read_window(entry["window"])
    if kind.has_weights:
        others |= {
            "kernel": arrays[f"{entry['name']}/kernel"],
            "bias": arrays[f"{entry['name']}/bias"],
            "kernel_type": parse_type(entry["kernel_type"]),
            "bias_type": parse_type(entry["bias_type"]),
            "reloadable": bool(entry.get("reloadable", False)),
        }
    if entry["table_type"]:
        others["table"] = Table(arrays[f"{entry['name']}/table"], parse_type(entry["table_type"]))
    return IntegerLayer(entry["name"], kind, tuple(entry["inputs"]), entry["size"], parse_type(entry["type"]), **others)


def refuse_wide(network: IntegerNetwork) -> IntegerNetwork:
    """Give a network back whose codes float64 holds.

    Raises
    ------
    InputError
        If a layer needs more bits.
    """
    for layer in network.layers:
        if layer.type.width > _FLOAT64_BITS:
            raise InputError(
                f"the layer {layer.name} needs {layer.type.width} bits, more than the {_FLOAT64_BITS} that "
                "Keras can be compared in; use narrower inputs or weights"
            )
    return network


def _apply(layer: IntegerLayer, inputs: list[Tensor]) -> Tensor:
    first = inputs[0]
    if layer.kind.has_weights:
        return _weighted_sums(layer, first)
    if layer.kind in {LayerKind.RESHAPE, LayerKind.PORT} or layer.window is not None:
        return Tensor(_pool_or_move(layer, layer.window, first), layer.type.fraction)
    if layer.kind is LayerKind.RELU:
        return Tensor(requantize(np.maximum(first.codes, 0), first.fraction, layer.type), layer.type.fraction)
    if layer.kind is LayerKind.QUANTIZE:
        return Tensor(requantize(first.codes, first.fraction, layer.type), layer.type.fraction)
    if layer.kind is LayerKind.ACCEPT:
        return Tensor((first.codes > _table(layer).codes).astype(np.int64), 0)
    return score_codes(Score(layer.kind.value), inputs, layer.table)


def _table(layer: IntegerLayer) -> Table:
    if layer.table is None:
        raise InputError(f"the layer {layer.name} of the golden network has no table; run the stage `convert` again")
    return layer.table


def _weighted_sums(layer: IntegerLayer, x: Tensor) -> Tensor:
    """Compute a dense layer or a convolution."""
    kernel_type, bias_type = _weight_types(layer)
    if layer.window is None:
        products = exact_product(x.codes, layer.kernel)
    else:
        products = convolve(x.codes, layer.kernel, layer.window)
    fraction = layer.type.fraction
    codes = shift_left_exact(products, fraction - x.fraction - kernel_type.fraction)
    bias = layer.bias << (fraction - bias_type.fraction)
    return Tensor(codes + np.tile(bias, layer.size // len(bias)), fraction)


def _pool_or_move(layer: IntegerLayer, window: Window | None, x: Tensor) -> Codes:
    if window is None:
        return x.codes
    if layer.kind is LayerKind.AVERAGE_POOLING:
        return mean(x.codes, window, layer.type.fraction - x.fraction)
    if layer.kind is LayerKind.MAX_POOLING:
        return largest(x.codes, window)
    return enlarge(x.codes, window) if layer.kind is LayerKind.UPSAMPLING else surround(x.codes, window)


def largest_sum(layer: IntegerLayer, inputs: list[IntegerLayer]) -> int:
    """Bound every partial sum of a layer, whatever the order of its terms, in units of its LSB.

    Parameters
    ----------
    inputs
        The layers that it reads.
    """
    if layer.is_cut_off:
        return _NEVER_EXACT
    if layer.kind is LayerKind.AVERAGE_POOLING and layer.window:
        return layer.window.n_values * max(abs(inputs[0].type.min_code), inputs[0].type.max_code)
    if layer.kind.has_weights and layer.kernel_type is not None and layer.bias_type is not None:
        source = inputs[0].type
        fraction = layer.type.fraction
        up_product, up_bias = (
            fraction - source.fraction - layer.kernel_type.fraction,
            fraction - layer.bias_type.fraction,
        )
        peak = max(abs(source.min_code), source.max_code) << up_product
        return max(
            int((np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0) * peak + (np.abs(bias) << up_bias)).max())
            for kernel, bias in extreme_weights(layer)
        )
    return max(abs(layer.type.min_code), layer.type.max_code)
