"""The golden network as C++ of a stand-alone library: constants, and a call of a hand-written kernel for each layer.

A convolution is a dense layer most of whose weights are zero, and zeros cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fpgaae.emulator.loading import LoadedLayer
from fpgaae.emulator.words import INTEGERS, WORDS, bits_of, read_integers
from fpgaae.errors import InputError
from fpgaae.fixedpoint import ChannelTypes, Codes, FixedPointType
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Moved
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantize, Quantizer, Relu
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Convolution, Dense, Weighted
from fpgaae.golden.registry import entry_of
from fpgaae.golden.scores.absolute_error import AbsoluteError
from fpgaae.golden.scores.kl_divergence import KlDivergence
from fpgaae.golden.scores.masked_squared_error import MaskedSquaredError
from fpgaae.golden.scores.max_absolute_error import MaxAbsoluteError
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.mu_squared_over_variance import MuSquaredOverVariance
from fpgaae.golden.scores.regression import Regression
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.golden.windows import places_under

_INT16_BITS, _INT32_BITS = 15, 31  # of a magnitude
_INT32 = 2**_INT32_BITS
_WIDEST_INTEGER = 2**17  # what becomes of a word of 16 bits, or less
_LINE = 100  # numbers are wrapped there
_STACK_ROWS = 4096  # of 32 codes each: beyond, a thread's stack may be too small


class EmulatorSource:
    """Writes the C++ of one network.

    Parameters
    ----------
    trigger
        Features, network and thresholds.

    Raises
    ------
    InputError
        If it has codes that do not fit 32 bits where a score or an activation reads or writes them.
    """

    def __init__(self, trigger: GoldenTrigger) -> None:
        network = trigger.network
        self._network = network
        self._features = trigger.features
        self._constants: list[str] = []
        self._body: list[str] = []
        self._held: dict[str, str] = {}  # the C++ type of each layer's codes
        self.loaded: list[LoadedLayer] = []  # whose weights are loaded
        rows = sum(layer.size + sum(network[name].size for name in layer.inputs[:1]) for layer in network.layers[1:])
        self._storage = "static thread_local " if rows > _STACK_ROWS else ""
        for layer in network.layers:
            self._write(layer)

    @property
    def constants(self) -> str:
        """C++ of the constants."""
        return "\n".join(self._constants)

    @property
    def n_latents(self) -> int:
        """Number of values on the port of the latents; 0 for none."""
        return sum(port.size for port in self._network.ports)

    @property
    def body(self) -> str:
        """C++ of the calls."""
        return "\n".join(f"    {line}" for line in self._body)

    def _rows(self, layer: Layer, held: str) -> str:
        """Declare what a layer puts out, and give its name."""
        self._held[layer.name] = held
        self._body.append(f"{self._storage}Row<{held}> {_name(layer)}[{layer.size}];")
        return _name(layer)

    def _write(self, layer: Layer) -> None:
        writer = entry_of(WRITERS, type(layer))
        if writer is None:
            raise InputError(
                f"the emulator can't have the layer {layer.name} of kind {layer.kind} yet; make the model without it"
            )
        writer(self, layer, self._network.sources(layer))

    def _inputs(self, layer: Input, sources: Sequence[Layer]) -> None:
        del sources
        hardware, n = [feature.hardware for feature in self._features.features], len(self._features)
        self._body.append(f"Row<int16_t> {WORDS}[{n}];")
        self._body.append(f"Kernels::read_words(objects, {n}, n, {WORDS});")
        read = WORDS
        if self._features.has_words:
            read = INTEGERS
            self._body += read_integers(hardware)
        how = []
        for index, feature in enumerate(self._features.features):
            to = layer.types.channel(index)
            bits = bits_of(hardware[index]) if read == WORDS else -1
            how.append((index, bits, feature.offset, feature.shift - to.fraction, to.min_code, to.max_code))
        name = self._rows(layer, _held_codes(layer))
        wide = max(
            ((_WIDEST_INTEGER + abs(offset)) << max(-drop, 0)) + (1 << max(drop, 0)) for _, _, offset, drop, *_ in how
        )
        self._array("int32_t" if wide < _INT32 else "int64_t", f"{name}_scales", np.array(how).ravel(), line=6)
        self._body.append(f"Kernels::scale({read}, {n}, {name}_scales, {name});")
        for index in range(n):
            self._to_grid(layer, index)

    def _to_grid(self, layer: Layer, place: int) -> None:
        """Bring a value of a channel with fewer bits behind the point than others to the grid of its layer."""
        of = layer.types.channel(place)
        up, row = layer.types.fraction - of.fraction, f"{_name(layer)} + {place}"
        if up:
            self._body.append(
                f"Kernels::quantize({row}, 1, {-up}, {of.min_code << up}LL, {of.max_code << up}LL, {row});"
            )

    def _dense(self, layer: Dense, sources: Sequence[Layer]) -> None:
        if layer.reloadable:
            self._loaded_sums(layer, sources[0], np.arange(sources[0].size)[None])
            return
        rows = [np.flatnonzero(layer.kernel[:, unit]) for unit in range(layer.size)]
        self._weighted_sums(layer, sources[0], rows, [layer.kernel[row, unit] for unit, row in enumerate(rows)])

    def _convolution(self, layer: Convolution, sources: Sequence[Layer]) -> None:
        if layer.reloadable:
            places = places_under(layer.window).reshape(-1, layer.kernel[..., 0].size)
            self._loaded_sums(layer, sources[0], places)
            return
        filters = layer.kernel.reshape(-1, layer.kernel.shape[-1]).T
        rows, weights = [], []
        for places in places_under(layer.window).reshape(-1, filters.shape[1]):
            for kernel in filters:
                used = (places >= 0) & (kernel != 0)
                rows.append(places[used])
                weights.append(kernel[used])
        self._weighted_sums(layer, sources[0], rows, weights)

    def _weighted_sums(self, layer: Weighted, source: Layer, rows: Sequence[Codes], weights: Sequence[Codes]) -> None:
        """Write a layer of which each value is a sum over some inputs: their places and weights, by value."""
        up = layer.types.fraction - source.types.fraction - layer.kernel_types.fraction
        bias = np.tile(layer.bias << (layer.types.fraction - layer.bias_types.fraction), layer.size // len(layer.bias))
        name, x, held = _name(layer), _name(source), _held(layer)
        in_32_bits = held == "int32_t" and layer.largest_sum([source]) < _INT32
        codes = [of << up for of in weights]
        in_pairs = in_32_bits and self._held[source.name] == "int16_t" and all(fits_16_bits(of) for of in codes)
        sum_type = "int32_t" if in_32_bits else "int64_t"
        weight_type = "int16_t" if in_pairs else sum_type
        if in_pairs:
            rows, codes = map(list, zip(*(_pairs(*pair) for pair in zip(rows, codes, strict=True)), strict=True))
        self._array("int", f"{name}_first", np.concatenate([[0], np.cumsum([len(row) for row in rows])]))
        self._array("int", f"{name}_input", np.concatenate(rows))
        self._array(weight_type, f"{name}_weight", np.concatenate(codes))
        self._array(sum_type, f"{name}_bias", bias)
        self._constants.append(
            f"const Sparse<{weight_type}> {name}_kernel = {{{name}_first, {name}_input, {name}_weight}};\n"
        )
        self._rows(layer, held)
        constants = f"{layer.size}, {name}_kernel, {name}_bias"
        if in_pairs:
            self._body.append(f"{self._storage}Pairs {name}_buffer[{(source.size + 1) // 2}];")
            self._body.append(f"Kernels::dense_pairs({x}, {source.size}, {constants}, {name}_buffer, {name});")
        else:
            self._body.append(f"Kernels::dense_wide({x}, {constants}, {name});")

    def _loaded_sums(self, layer: Weighted, source: Layer, places: Codes) -> None:
        """Write a layer of weights that are loaded: which places (positions, inputs) the sums of each position read."""
        up_kernel = layer.types.fraction - source.types.fraction - layer.kernel_types.fraction
        up_bias = layer.types.fraction - layer.bias_types.fraction
        ends = [np.abs(end) << up_kernel for end in layer.kernel_types.ends(len(layer.bias))]
        in_32_bits = max(layer.largest_sum([source]), int(np.max(ends))) < _INT32
        number = "int32_t" if in_32_bits and _held(layer) == "int32_t" else "int64_t"
        name = self._rows(layer, _held(layer))
        self._array("int", f"{name}_input", places.ravel())
        self._array(number, f"{name}_weight", layer.kernel.ravel() << up_kernel)
        self._array(number, f"{name}_bias", layer.bias << up_bias)
        self.loaded.append(LoadedLayer(layer, name, number, up_kernel, up_bias))
        sizes = f"{len(places)}, {places.shape[1]}, {len(layer.bias)}"
        weights = f"weights.{name}_weight, weights.{name}_bias"
        self._body.append(f"Kernels::loaded_sums({_name(source)}, {sizes}, {name}_input, {weights}, {name});")

    def _pooled(
        self, layer: MaxPooling | AveragePooling, held: str, kernel: str, source: Layer, more: str = ""
    ) -> None:
        """Write a maximum or a mean over the pixels of a window, channel by channel."""
        places = places_under(layer.window).transpose(0, 2, 1)  # (positions, channels, pixels)
        name = _name(layer)
        self._array("int", f"{name}_input", places.ravel())
        self._rows(layer, held)
        arguments = f"{_name(source)}, {layer.size}, {layer.window.n_values}, {name}_input{more}"
        self._body.append(f"Kernels::{kernel}({arguments}, {name});")

    def _max_pooling(self, layer: MaxPooling, sources: Sequence[Layer]) -> None:
        self._pooled(layer, self._held[sources[0].name], "largest", sources[0])

    def _average_pooling(self, layer: AveragePooling, sources: Sequence[Layer]) -> None:
        up = layer.type.fraction - sources[0].type.fraction
        self._pooled(layer, _held(layer), "mean", sources[0], f", {up}")

    def _move(self, layer: Moved, sources: Sequence[Layer]) -> None:
        """Write a layer whose values are those of its source, or zero."""
        source = sources[0]
        self._array("int", f"{_name(layer)}_input", layer.places(source.size))
        name = self._rows(layer, self._held[source.name])
        self._body.append(f"Kernels::move({_name(source)}, {layer.size}, {name}_input, {name});")

    def _relu(self, layer: Relu, sources: Sequence[Layer]) -> None:
        self._requantize(layer, sources[0], "relu", lambda of: f"{of.max_code}LL")

    def _leaky_relu(self, layer: LeakyRelu, sources: Sequence[Layer]) -> None:
        name = self._rows(layer, _held(layer))
        self._body.append(f"Kernels::leaky_relu({_name(sources[0])}, {layer.size}, {layer.shift}, {name});")

    def _table(self, layer: Tabulated, sources: Sequence[Layer]) -> None:
        self._check_held(*sources, reader=f"table {layer.name}")
        _check_32_bits(layer)
        name = self._rows(layer, _held_codes(layer))
        self._array("int32_t", f"{name}_table", layer.table)
        self._body.append(
            f"Kernels::tabulated({_name(sources[0])}, {layer.size}, {name}_table, {len(layer.table)}, {name});"
        )

    def _quantize(self, layer: Quantize, sources: Sequence[Layer]) -> None:
        self._requantize(layer, sources[0], "quantize", lambda of: f"{of.min_code}LL, {of.max_code}LL")

    def _requantize(
        self, layer: Quantizer, source: Layer, kernel: str, limits: Callable[[FixedPointType], str]
    ) -> None:
        _check_32_bits(layer)
        self._rows(layer, _held_codes(layer))
        if not isinstance(layer.types, ChannelTypes):
            drop = self._drop(layer, source, layer.types)
            call = f"Kernels::{kernel}({_name(source)}, {layer.size}, {drop}, {limits(layer.types)}, {_name(layer)});"
            self._body.append(call)
            return
        for place in range(layer.size):
            of = layer.types.channel(place)
            rows = (
                f"{_name(source)} + {place}, 1, {self._drop(layer, source, of)}, {limits(of)}, {_name(layer)} + {place}"
            )
            self._body.append(f"Kernels::{kernel}({rows});")
            self._to_grid(layer, place)

    def _drop(self, layer: Quantizer, source: Layer, to: FixedPointType) -> int:
        """Give the bits that are rounded off, which the kernel must be able to do in the type that holds the source."""
        drop = source.type.fraction - to.fraction
        held = self._held[source.name]
        if held != "int64_t" and (source.type.width + max(-drop, 0) + 1 > _INT32_BITS or drop >= _INT32_BITS):
            raise InputError(
                f"the emulator can't round the layer {source.name} by {drop} bits in 32; give {layer.name} fewer bits"
            )
        return drop

    def _score(self, layer: Layer, sources: Sequence[Layer], arguments: str, held: str = "") -> None:
        """Declare the score in a type that holds it, and call its kernel."""
        self._check_held(*sources)
        held = held or ("int32_t" if layer.type.width <= _INT32_BITS else "int64_t")
        self._body.append(f"Row<{held}> score;")
        kernel = layer.kind.removeprefix("masked_")
        self._body.append(f"Kernels::{kernel}({', '.join(map(_name, sources))}{arguments}, score);")

    def _error(self, layer: Layer, sources: Sequence[Layer], more: str = "") -> None:
        x, y = sources
        fraction = max(x.type.fraction, y.type.fraction)
        self._score(layer, sources, f", {x.size}, {fraction - x.type.fraction}, {fraction - y.type.fraction}{more}")

    def _squared_error(self, layer: SquaredError, sources: Sequence[Layer]) -> None:
        self._error(layer, sources, ", nullptr, 1")

    def _masked_squared_error(self, layer: MaskedSquaredError, sources: Sequence[Layer]) -> None:
        codes = layer.empty.codes
        self._array("int32_t", "score_empty", codes)
        self._error(layer, sources, f", score_empty, {sources[0].size // len(codes)}")

    def _mu_squared(self, layer: MuSquared, sources: Sequence[Layer]) -> None:
        self._score(layer, sources, f", {sources[0].size}")

    def _tabulated(self, layer: MuSquaredOverVariance | KlDivergence, sources: Sequence[Layer], ups: str = "") -> None:
        codes = layer.table.codes
        self._array("int64_t", "score_table", codes)
        self._score(layer, sources, f", {sources[0].size}{ups}, score_table, {len(codes)}", "int64_t")

    def _kl_divergence(self, layer: KlDivergence, sources: Sequence[Layer]) -> None:
        fraction, of_table = 2 * sources[0].type.fraction, layer.table.type.fraction
        common = max(fraction, of_table)
        self._tabulated(layer, sources, f", {common - fraction}, {common - of_table}")

    def _regression(self, layer: Regression, sources: Sequence[Layer]) -> None:
        self._score(layer, sources, "")

    def _cell(self, layer: Cell, sources: Sequence[Layer]) -> None:
        """Write the sums over the hardware integers, and count the edges below each."""
        del sources
        self._body.append("Row<int32_t> cell = {};")
        for index, of in enumerate(layer.sums):
            self._array("int64_t", f"edges_{index}", np.array(of.edges))
            self._body.append(f"Row<int64_t> cell_sum_{index} = {{}};")
            kernel = "count_filled" if of.counts else "add_codes"
            for place in of.places:
                bits = bits_of(self._features.features[place].hardware)
                read = f"{INTEGERS}[{place}], -1" if self._features.has_words else f"{WORDS}[{place}], {bits}"
                self._body.append(f"Kernels::{kernel}({read}, cell_sum_{index});")
            self._body.append(f"Kernels::count_edges(cell_sum_{index}, {len(of.edges)}, edges_{index}, cell);")

    def _accept(self, layer: Accept, sources: Sequence[Layer]) -> None:
        del sources
        self._array("int64_t", "thresholds", layer.by_cell.ravel())

    def _check_held(self, *sources: Layer, reader: str = "score") -> None:
        wide = next((source for source in sources if self._held[source.name] == "int64_t"), None)
        if wide is not None:
            raise InputError(
                f"the {reader} reads codes of {wide.type.width} bits of the layer {wide.name}, but the emulator holds "
                f"{_INT32_BITS - 1}; use fewer"
            )

    def _array(self, of: str, name: str, values: Codes, line: int | None = None) -> None:
        """Write a constant array, `line` numbers a line or as many as one holds."""
        numbers = values.tolist() or [0]
        lines = ",\n".join(
            part.rstrip(", ")
            for first in range(0, len(numbers), line or len(numbers))
            for part in _wrapped(numbers[first : first + (line or len(numbers))])
        )
        self._constants.append(f"const {of} {name}[{max(len(values), 1)}] = {{\n{lines}}};\n")


def _wrapped(values: list[int]) -> Iterator[str]:
    line = "    "
    for value in values:
        if len(line) > _LINE:
            yield line.rstrip()
            line = "    "
        line += f"{value}, "
    yield line.rstrip(", ")


def _name(layer: Layer) -> str:
    return f"{layer.name}_codes"


def _pairs(places: Codes, weights: Codes) -> tuple[Codes, Codes]:
    """Give the pairs of inputs 2 i and 2 i + 1 of which one has a weight, and both weights of each, in a row."""
    pairs, of = np.unique(places // 2, return_inverse=True)
    both = np.zeros((len(pairs), 2), dtype=np.int64)
    both[of, places % 2] = weights
    return pairs, both.ravel()


def fits_16_bits(codes: Codes) -> bool:
    """Tell whether codes are integers of 16 bits."""
    return bool((codes >= -(1 << _INT16_BITS)).all() and (codes < 1 << _INT16_BITS).all())


def _held(layer: Layer) -> str:
    """Give the C++ type that holds a layer's sums, with a bit to spare for rounding."""
    return "int32_t" if layer.type.width < _INT32_BITS else "int64_t"


def _held_codes(layer: Layer) -> str:
    """Give the C++ type that holds what a layer has rounded or looked up."""
    return "int16_t" if fits_16_bits(np.array([layer.type.min_code, layer.type.max_code])) else "int32_t"


def _check_32_bits(layer: Layer) -> None:
    if layer.type.width > _INT32_BITS:
        raise InputError(
            f"the layer {layer.name} has codes of {layer.type.width} bits, but the emulator holds {_INT32_BITS}; "
            "use fewer"
        )


WRITERS: dict[type, Callable[[EmulatorSource, Any, Sequence[Layer]], None]] = {
    Input: EmulatorSource._inputs,
    Dense: EmulatorSource._dense,
    Convolution: EmulatorSource._convolution,
    AveragePooling: EmulatorSource._average_pooling,
    MaxPooling: EmulatorSource._max_pooling,
    Moved: EmulatorSource._move,
    Relu: EmulatorSource._relu,
    LeakyRelu: EmulatorSource._leaky_relu,
    Tabulated: EmulatorSource._table,
    Quantize: EmulatorSource._quantize,
    SquaredError: EmulatorSource._squared_error,
    MaskedSquaredError: EmulatorSource._masked_squared_error,
    AbsoluteError: EmulatorSource._error,
    MaxAbsoluteError: EmulatorSource._error,
    MuSquared: EmulatorSource._mu_squared,
    MuSquaredOverVariance: EmulatorSource._tabulated,
    KlDivergence: EmulatorSource._kl_divergence,
    Regression: EmulatorSource._regression,
    Cell: EmulatorSource._cell,
    Accept: EmulatorSource._accept,
}
