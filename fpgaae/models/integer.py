"""The deployed network in exact integers (NumPy only): the golden codes that firmware is compared with.

Every tensor is an array of int64 codes with one number of fraction bits. No float rounds: a matrix product
runs in float64 only where the sum of all |products| stays below 2**53, where float64 is exact, and else in int64.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import (
    Codes,
    FixedPointType,
    parse_type,
    requantize,
    shift_left_exact,
    type_for_range,
)
from fpgaae.models.windows import Window, convolve, enlarge, exact_product, largest, mean, read_window, surround

GOLDEN_FILE = "golden.npz"
_NEVER_EXACT = 2**62


class LayerKind(str, Enum):
    """What a layer computes."""

    INPUT = "input"
    DENSE = "dense"
    RELU = "relu"  # max(x, 0), then rounded and saturated
    QUANTIZE = "quantize"  # rounded and saturated
    SQUARED_ERROR = "squared_error"  # sum over the features of (x - x')^2
    MU_SQUARED = "mu_squared"  # sum over the latents of mu^2
    CONVOLUTION = "convolution"
    AVERAGE_POOLING = "average_pooling"  # cut off towards zero where the mean has no finite binary form
    MAX_POOLING = "max_pooling"
    UPSAMPLING = "upsampling"  # nearest neighbour
    ZERO_PADDING = "zero_padding"
    RESHAPE = "reshape"

    @property
    def has_weights(self) -> bool:
        """Whether it has a kernel and a bias."""
        return self in {LayerKind.DENSE, LayerKind.CONVOLUTION}


@dataclass(frozen=True)
class IntegerLayer:
    """One layer: its inputs by name, its output type, and the weight codes of a dense layer or convolution.

    For these, `type` is derived: the narrowest that holds every sum which inputs of their types can give. Values are
    flat, (n_events, size); `shape` says which image they stand for, empty for none.
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
    shape: tuple[int, ...] = ()  # (height, width, channels)
    window: Window | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether its codes are the true values cut off towards zero: a mean that does not come out even."""
        n_values = self.window.n_values if self.window else 1
        return self.kind is LayerKind.AVERAGE_POOLING and n_values & (n_values - 1) != 0


class Tensor(NamedTuple):
    """Codes (n_events, size) and their bits behind the point."""

    codes: Codes
    fraction: int


def squared_error_type(a: FixedPointType, b: FixedPointType, n: int) -> FixedPointType:
    """Give the narrowest type that holds every sum of n squared differences of values of two types."""
    fraction = max(a.fraction, b.fraction)
    up_a, up_b = fraction - a.fraction, fraction - b.fraction
    largest = max((a.max_code << up_a) - (b.min_code << up_b), (b.max_code << up_b) - (a.min_code << up_a))
    return type_for_range(0, n * largest**2, 2 * fraction)


def squared_type(a: FixedPointType, n: int) -> FixedPointType:
    """Give the narrowest type that holds every sum of n squares of values of a type."""
    return type_for_range(0, n * max(abs(a.min_code), a.max_code) ** 2, 2 * a.fraction)


def dense_layer(
    name: str,
    source: IntegerLayer,
    kernel: tuple[Codes, FixedPointType],
    bias: tuple[Codes, FixedPointType],
) -> IntegerLayer:
    """Make a dense layer and derive the type of its exact sums from the range of its input."""
    (kernel_codes, kernel_type), (bias_codes, bias_type) = kernel, bias
    fraction = max(source.type.fraction + kernel_type.fraction, bias_type.fraction)
    up_product = fraction - source.type.fraction - kernel_type.fraction
    positive, negative = np.maximum(kernel_codes, 0).sum(axis=0), np.minimum(kernel_codes, 0).sum(axis=0)
    offset = bias_codes << (fraction - bias_type.fraction)
    low, high = source.type.min_code, source.type.max_code
    largest = int(((positive * high + negative * low << up_product) + offset).max())
    smallest = int(((positive * low + negative * high << up_product) + offset).min())
    return IntegerLayer(
        name, LayerKind.DENSE, (source.name,), kernel_codes.shape[1],
        type_for_range(min(smallest, 0), max(largest, 0), fraction),
        kernel_codes, bias_codes, kernel_type, bias_type,
    )  # fmt: skip


@dataclass(frozen=True)
class IntegerNetwork:
    """The layers in graph order; the last one is the score."""

    layers: tuple[IntegerLayer, ...]

    @property
    def input_type(self) -> FixedPointType:
        """Type of the network's inputs."""
        return self.layers[0].type

    @property
    def score(self) -> IntegerLayer:
        """The layer that the firmware puts out."""
        return self.layers[-1]

    def __getitem__(self, name: str) -> IntegerLayer:
        """Give a layer by name."""
        return {layer.name: layer for layer in self.layers}[name]

    def run(self, input_codes: Codes) -> dict[str, Tensor]:
        """Compute every layer's codes, by layer name in graph order.

        Parameters
        ----------
        input_codes
            (n_events, n_features) codes of the input type.
        """
        tensors: dict[str, Tensor] = {}
        for layer in self.layers:
            if layer.kind is LayerKind.INPUT:
                tensors[layer.name] = Tensor(input_codes, layer.type.fraction)
            else:
                tensors[layer.name] = _apply(layer, [tensors[name] for name in layer.inputs])
        return tensors

    def float32_holds(self) -> dict[str, bool]:
        """Tell for each layer whether single precision can't round: no sum of |products| on the way passes 2**24.

        Where it is False, a float32 prediction of the Keras model may differ from the exact codes.
        """
        exact: dict[str, bool] = {}
        for layer in self.layers:
            here = _largest_sum(layer, [self[name] for name in layer.inputs]) <= 2**24
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
                "shape": layer.shape, "window": layer.window,
            }
            for layer in self.layers
        ]  # fmt: skip
        arrays: dict[str, Any] = {"layers": np.array(json.dumps(description))}
        for layer in self.layers:
            if layer.kind.has_weights:
                arrays |= {f"{layer.name}/kernel": layer.kernel, f"{layer.name}/bias": layer.bias}
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
        }
    return IntegerLayer(entry["name"], kind, tuple(entry["inputs"]), entry["size"], parse_type(entry["type"]), **others)


def _apply(layer: IntegerLayer, inputs: list[Tensor]) -> Tensor:
    first = inputs[0]
    if layer.kind.has_weights:
        return _weighted_sums(layer, first)
    if layer.kind is LayerKind.RESHAPE or layer.window is not None:
        return Tensor(_pool_or_move(layer, layer.window, first), layer.type.fraction)
    if layer.kind is LayerKind.RELU:
        return Tensor(requantize(np.maximum(first.codes, 0), first.fraction, layer.type), layer.type.fraction)
    if layer.kind is LayerKind.QUANTIZE:
        return Tensor(requantize(first.codes, first.fraction, layer.type), layer.type.fraction)
    if layer.kind is LayerKind.SQUARED_ERROR:
        fraction = max(tensor.fraction for tensor in inputs)
        a, b = (shift_left_exact(tensor.codes, fraction - tensor.fraction) for tensor in inputs)
        difference = a - b
        return Tensor((difference * difference).sum(axis=1, keepdims=True), 2 * fraction)
    return Tensor((first.codes * first.codes).sum(axis=1, keepdims=True), 2 * first.fraction)


def _weighted_sums(layer: IntegerLayer, x: Tensor) -> Tensor:
    """Compute a dense layer or a convolution."""
    if layer.kernel_type is None or layer.bias_type is None:
        raise InputError(f"the layer {layer.name} of the golden network has no weight types")
    if layer.window is None:
        products = exact_product(x.codes, layer.kernel)
    else:
        products = convolve(x.codes, layer.kernel, layer.window)
    fraction = layer.type.fraction
    codes = shift_left_exact(products, fraction - x.fraction - layer.kernel_type.fraction)
    bias = layer.bias << (fraction - layer.bias_type.fraction)
    return Tensor(codes + np.tile(bias, layer.size // len(bias)), fraction)


def _pool_or_move(layer: IntegerLayer, window: Window | None, x: Tensor) -> Codes:
    if window is None:
        return x.codes
    if layer.kind is LayerKind.AVERAGE_POOLING:
        return mean(x.codes, window, layer.type.fraction - x.fraction)
    if layer.kind is LayerKind.MAX_POOLING:
        return largest(x.codes, window)
    return enlarge(x.codes, window) if layer.kind is LayerKind.UPSAMPLING else surround(x.codes, window)


def _largest_sum(layer: IntegerLayer, inputs: list[IntegerLayer]) -> int:
    """Bound every partial sum of a layer, in units of its LSB."""
    if layer.is_cut_off:
        return _NEVER_EXACT
    if layer.kind is LayerKind.AVERAGE_POOLING and layer.window:
        return layer.window.n_values * max(abs(inputs[0].type.min_code), inputs[0].type.max_code)
    if layer.kind.has_weights and layer.kernel_type is not None and layer.bias_type is not None:
        source = inputs[0].type
        fraction = layer.type.fraction
        kernel = np.abs(layer.kernel).reshape(-1, layer.kernel.shape[-1])
        products = kernel.sum(axis=0) * max(abs(source.min_code), source.max_code)
        products = products << (fraction - source.fraction - layer.kernel_type.fraction)
        return int((products + (np.abs(layer.bias) << (fraction - layer.bias_type.fraction))).max())
    return max(abs(layer.type.min_code), layer.type.max_code)
