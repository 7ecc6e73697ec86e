"""The golden network as C++ of a stand-alone library: constants, and a call of a hand-written kernel for each layer.

A convolution is a dense layer most of whose weights are zero, and zeros cost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.network import IntegerLayer, IntegerNetwork, LayerKind, largest_sum
from fpgaae.golden.windows import enlarge, places_under, surround
from fpgaae.runs.record import as_json

_FLOAT_EXACT = 2**24
_INT32_BITS = 31
_LINE = 100  # numbers are wrapped there
_STACK_ROWS = 4096  # of 32 codes each: beyond, a thread's stack may be too small


class NetworkHashes(NamedTuple):
    """SHA-256 of what decides the answer."""

    weights: str  # kernels, biases, tables, thresholds
    types: str  # layers, how they are connected, their types and windows, and the scaling of the inputs

    @property
    def network(self) -> str:
        """Both in one."""
        return hashlib.sha256((self.weights + self.types).encode()).hexdigest()


def network_hashes(network: IntegerNetwork, features: FeatureMap) -> NetworkHashes:
    """Identify a network by its content."""
    weights = hashlib.sha256()
    entries: list[Any] = [[as_json(entry) for entry in features.entries()]]
    for layer in network.layers:
        of = (layer.type, layer.kernel_type, layer.bias_type, layer.table and layer.table.type)
        entries.append([layer.name, layer.kind.value, layer.inputs, layer.size, layer.shape, layer.window])
        entries.append([layer.kernel.shape, *(str(kind) for kind in of)])
        for codes in (layer.kernel, layer.bias, *((layer.table.codes,) if layer.table else ())):
            weights.update(np.ascontiguousarray(codes, dtype="<i8").tobytes())
    types = hashlib.sha256(json.dumps(entries, sort_keys=True).encode())
    return NetworkHashes(weights.hexdigest(), types.hexdigest())


class EmulatorSource:
    """Writes the C++ of one network.

    Parameters
    ----------
    network
        With its thresholds.

    Raises
    ------
    InputError
        If it has codes that do not fit 32 bits where a score or an activation reads or writes them.
    """

    def __init__(self, network: IntegerNetwork, features: FeatureMap) -> None:
        if network.reloadable:
            raise InputError(
                "the emulator holds weights as constants, and these are loaded at run time; set "
                "firmware.reloadable_weights to false"
            )
        self._network = network
        self._features = features
        self._constants: list[str] = []
        self._body: list[str] = []
        self._held: dict[str, str] = {}  # the C++ type of each layer's codes
        rows = sum(layer.size + network[layer.inputs[0]].size for layer in network.layers[1:])
        self._storage = "static thread_local " if rows > _STACK_ROWS else ""
        self._inputs()
        for layer in network.layers[1:]:
            _WRITERS[layer.kind](self, layer, [network[name] for name in layer.inputs])

    @property
    def constants(self) -> str:
        """C++ of the constants."""
        return "\n".join(self._constants)

    @property
    def n_latents(self) -> int:
        """Number of values on the port of the latents; 0 for none."""
        return sum(layer.size for layer in self._network.layers if layer.kind is LayerKind.PORT)

    @property
    def body(self) -> str:
        """C++ of the calls."""
        return "\n".join(f"    {line}" for line in self._body)

    def _rows(self, layer: IntegerLayer, held: str) -> str:
        """Declare what a layer puts out, and give its name."""
        self._held[layer.name] = held
        self._body.append(f"{self._storage}Row<{held}> {_name(layer)}[{layer.size}];")
        return _name(layer)

    def _inputs(self) -> None:
        to, n = self._network.input_type, len(self._features)
        name = self._rows(self._network.layers[0], "int32_t")
        for index, feature in enumerate(self._features.features):
            drop = feature.shift - to.fraction
            codes = "(const uint16_t *)objects" if feature.hardware.max_code >= 2**15 else "objects"
            self._body.append(
                f"scale({codes} + {index}, {n}, n, {feature.offset}, {drop}, {to.min_code}, {to.max_code}, "
                f"{name}[{index}]);"
            )

    def _dense(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        rows = [np.flatnonzero(layer.kernel[:, unit]) for unit in range(layer.size)]
        self._weighted_sums(layer, sources[0], rows, [layer.kernel[row, unit] for unit, row in enumerate(rows)])

    def _convolution(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        if layer.window is None:
            raise InputError(f"the convolution {layer.name} of the golden network has no window; run `convert` again")
        filters = layer.kernel.reshape(-1, layer.kernel.shape[-1]).T
        rows, weights = [], []
        for places in places_under(layer.window).reshape(-1, filters.shape[1]):
            for kernel in filters:
                used = (places >= 0) & (kernel != 0)
                rows.append(places[used])
                weights.append(kernel[used])
        self._weighted_sums(layer, sources[0], rows, weights)

    def _weighted_sums(
        self, layer: IntegerLayer, source: IntegerLayer, rows: Sequence[Codes], weights: Sequence[Codes]
    ) -> None:
        """Write a layer of which each value is a sum over some inputs: their places and weights, by value."""
        kernel_type, bias_type = layer.kernel_type, layer.bias_type
        if kernel_type is None or bias_type is None:
            raise InputError(f"the layer {layer.name} of the golden network has no weight types; run `convert` again")
        up = layer.type.fraction - source.type.fraction - kernel_type.fraction
        bias = np.tile(layer.bias << (layer.type.fraction - bias_type.fraction), layer.size // len(layer.bias))
        in_float = largest_sum(layer, [source]) <= _FLOAT_EXACT
        number, name, x = "float" if in_float else "int64_t", _name(layer), _name(source)
        self._array("int", f"{name}_first", np.concatenate([[0], np.cumsum([len(row) for row in rows])]))
        self._array("int", f"{name}_input", np.concatenate(rows))
        self._array(number, f"{name}_weight", np.concatenate(weights) << up)
        self._array(number, f"{name}_bias", bias)
        self._constants.append(
            f"const Sparse<{number}> {name}_kernel = {{{name}_first, {name}_input, {name}_weight}};\n"
        )
        self._rows(layer, _held(layer))
        if in_float:
            self._body.append(f"{self._storage}Row<float> {name}_buffer[{source.size}];")
            call = f"dense_float({x}, {source.size}, {layer.size}, {name}_kernel, {name}_bias, {name}_buffer"
        else:
            call = f"dense_integer({x}, {layer.size}, {name}_kernel, {name}_bias"
        self._body.append(f"{call}, {name});")

    def _pooling(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        """Write a maximum or a mean over the pixels of a window, channel by channel."""
        source, window = sources[0], layer.window
        if window is None:
            raise InputError(f"the pooling {layer.name} of the golden network has no window; run `convert` again")
        places = places_under(window).transpose(0, 2, 1)  # (positions, channels, pixels)
        name, x = _name(layer), _name(source)
        self._array("int", f"{name}_input", places.ravel())
        if layer.kind is LayerKind.MAX_POOLING:
            self._rows(layer, self._held[source.name])
            call = f"largest({x}, {layer.size}, {window.n_values}, {name}_input"
        else:
            self._rows(layer, _held(layer))
            up = layer.type.fraction - source.type.fraction
            call = f"mean({x}, {layer.size}, {window.n_values}, {name}_input, {up}"
        self._body.append(f"{call}, {name});")

    def _move(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        """Write a layer whose values are those of its source, or zero."""
        source, window = sources[0], layer.window
        places = np.arange(source.size)
        if window is not None and layer.kind is LayerKind.UPSAMPLING:
            places = enlarge(places[None], window)[0]
        elif window is not None:
            places = surround(places[None] + 1, window)[0] - 1
        self._array("int", f"{_name(layer)}_input", places)
        name = self._rows(layer, self._held[source.name])
        self._body.append(f"move({_name(source)}, {layer.size}, {name}_input, {name});")

    def _relu(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        self._requantize(layer, sources[0], "relu", f"{layer.type.max_code}LL")

    def _quantize(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        self._requantize(layer, sources[0], "quantize", f"{layer.type.min_code}LL, {layer.type.max_code}LL")

    def _requantize(self, layer: IntegerLayer, source: IntegerLayer, kernel: str, limits: str) -> None:
        _check_32_bits(layer)
        drop = source.type.fraction - layer.type.fraction
        held = self._held[source.name]
        if held == "int32_t" and (source.type.width + max(-drop, 0) + 1 > _INT32_BITS or drop >= _INT32_BITS):
            raise InputError(
                f"the emulator can't round the layer {source.name} by {drop} bits in 32; give {layer.name} fewer bits"
            )
        self._rows(layer, "int32_t")
        self._body.append(f"{kernel}({_name(source)}, {layer.size}, {drop}, {limits}, {_name(layer)});")

    def _error(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        x, y = sources
        self._check_held(x, y)
        fraction = max(x.type.fraction, y.type.fraction)
        ups = f"{x.size}, {fraction - x.type.fraction}, {fraction - y.type.fraction}"
        self._body.append("Row<int64_t> score;")
        if layer.kind is LayerKind.ABSOLUTE_ERROR:
            self._body.append(f"absolute_error({_name(x)}, {_name(y)}, {ups}, score);")
            return
        empty, slot_size = "nullptr", 1
        if layer.table is not None:
            empty, slot_size = "score_empty", x.size // len(layer.table.codes)
            self._array("int32_t", empty, layer.table.codes)
        held = "int32_t" if layer.type.width <= _INT32_BITS else "int64_t"
        self._body.append(f"squared_error<{held}>({_name(x)}, {_name(y)}, {ups}, {empty}, {slot_size}, score);")

    def _latent(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        mu = sources[0]
        self._check_held(*sources)
        self._body.append("Row<int64_t> score;")
        if layer.table is None:
            self._body.append(f"mu_squared({_name(mu)}, {mu.size}, score);")
            return
        table = layer.table
        self._array("int64_t", "score_table", table.codes)
        arguments = f"{_name(mu)}, {_name(sources[1])}, {mu.size}"
        if layer.kind is LayerKind.KL_DIVERGENCE:
            common = max(2 * mu.type.fraction, table.type.fraction)
            arguments += f", {common - 2 * mu.type.fraction}, {common - table.type.fraction}"
        self._body.append(f"{layer.kind.value}({arguments}, score_table, {len(table.codes)}, score);")

    def _output(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        self._check_held(*sources)
        self._body.append(f"Row<int64_t> score;\n    {layer.kind.value}({_name(sources[0])}, score);")

    def _accept(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        del sources
        if layer.table is not None:
            self._array("int64_t", "thresholds", layer.table.codes)

    def _check_held(self, *sources: IntegerLayer) -> None:
        wide = next((source for source in sources if self._held[source.name] != "int32_t"), None)
        if wide is not None:
            raise InputError(
                f"the score reads codes of {wide.type.width} bits of the layer {wide.name}, but the emulator holds "
                f"{_INT32_BITS - 1}; use fewer"
            )

    def _array(self, of: str, name: str, values: Codes) -> None:
        lines = "\n".join(_wrapped(values.tolist() or [0]))
        self._constants.append(f"const {of} {name}[{max(len(values), 1)}] = {{\n{lines}}};\n")


def _wrapped(values: list[int]) -> Iterator[str]:
    line = "    "
    for value in values:
        if len(line) > _LINE:
            yield line.rstrip()
            line = "    "
        line += f"{value}, "
    yield line.rstrip(", ")


def _name(layer: IntegerLayer) -> str:
    return f"{layer.name}_codes"


def _held(layer: IntegerLayer) -> str:
    """Give the C++ type that holds a layer's codes, with a bit to spare for rounding."""
    return "int32_t" if layer.type.width < _INT32_BITS else "int64_t"


def _check_32_bits(layer: IntegerLayer) -> None:
    if layer.type.width > _INT32_BITS:
        raise InputError(
            f"the layer {layer.name} has codes of {layer.type.width} bits, but the emulator holds {_INT32_BITS}; "
            "use fewer"
        )


_Writer = Callable[[EmulatorSource, IntegerLayer, Sequence[IntegerLayer]], Any]
_WRITERS: dict[LayerKind, _Writer] = {
    LayerKind.DENSE: EmulatorSource._dense,
    LayerKind.CONVOLUTION: EmulatorSource._convolution,
    LayerKind.AVERAGE_POOLING: EmulatorSource._pooling,
    LayerKind.MAX_POOLING: EmulatorSource._pooling,
    LayerKind.UPSAMPLING: EmulatorSource._move,
    LayerKind.ZERO_PADDING: EmulatorSource._move,
    LayerKind.RESHAPE: EmulatorSource._move,
    LayerKind.PORT: EmulatorSource._move,
    LayerKind.RELU: EmulatorSource._relu,
    LayerKind.QUANTIZE: EmulatorSource._quantize,
    LayerKind.SQUARED_ERROR: EmulatorSource._error,
    LayerKind.MASKED_SQUARED_ERROR: EmulatorSource._error,
    LayerKind.ABSOLUTE_ERROR: EmulatorSource._error,
    LayerKind.MU_SQUARED: EmulatorSource._latent,
    LayerKind.MU_SQUARED_OVER_VARIANCE: EmulatorSource._latent,
    LayerKind.KL_DIVERGENCE: EmulatorSource._latent,
    LayerKind.REGRESSION: EmulatorSource._output,
    LayerKind.ACCEPT: EmulatorSource._accept,
}
