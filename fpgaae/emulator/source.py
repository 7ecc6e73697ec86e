"""The golden network as C++ of a stand-alone library: constants, and a call of a hand-written kernel for each layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.models.integer import IntegerLayer, IntegerNetwork, LayerKind, largest_sum

_FLOAT_EXACT = 2**24
_INT32_BITS = 31
_LINE = 100  # numbers are wrapped there


def network_hash(network: IntegerNetwork, features: FeatureMap) -> str:
    """Give the SHA-256 of all that decides the answer: layers, types, weights, thresholds, scaling."""
    digest = hashlib.sha256(json.dumps(features.to_json(), sort_keys=True).encode())
    for layer in network.layers:
        entry = [layer.name, layer.kind.value, layer.inputs, layer.size, str(layer.type)]
        entry += [str(of) for of in (layer.kernel_type, layer.bias_type, layer.table and layer.table.type)]
        digest.update(json.dumps(entry).encode())
        for codes in (layer.kernel, layer.bias, *((layer.table.codes,) if layer.table else ())):
            digest.update(np.ascontiguousarray(codes, dtype="<i8").tobytes())
    return digest.hexdigest()


class EmulatorSource:
    """Writes the C++ of one network.

    Parameters
    ----------
    network
        With its thresholds.

    Raises
    ------
    InputError
        If it has a layer that the emulator does not know, or codes that do not fit 32 bits between layers.
    """

    def __init__(self, network: IntegerNetwork, features: FeatureMap) -> None:
        self._network = network
        self._features = features
        self._constants: list[str] = []
        self._body: list[str] = []
        self._inputs()
        for layer in network.layers[1:]:
            writer = _WRITERS.get(layer.kind)
            if writer is None:
                raise InputError(
                    f"the emulator has no layer of kind {layer.kind.value} (layer {layer.name}); give a dense network"
                )
            writer(self, layer, [network[name] for name in layer.inputs])

    @property
    def constants(self) -> str:
        """C++ of the constants."""
        return "\n".join(self._constants)

    @property
    def body(self) -> str:
        """C++ of the calls."""
        return "\n".join(f"    {line}" for line in self._body)

    def _inputs(self) -> None:
        to, n = self._network.input_type, len(self._features)
        self._body.append(f"Row<int32_t> {_name(self._network.layers[0])}[{n}];")
        for index, feature in enumerate(self._features.features):
            drop = feature.shift - to.fraction
            codes = "(const uint16_t *)objects" if feature.hardware.max_code >= 2**15 else "objects"
            self._body.append(
                f"scale({codes} + {index}, {n}, n, {feature.offset}, {drop}, {to.min_code}, {to.max_code}, "
                f"{_name(self._network.layers[0])}[{index}]);"
            )

    def _dense(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        (source,), kernel_type, bias_type = sources, layer.kernel_type, layer.bias_type
        if kernel_type is None or bias_type is None:
            raise InputError(f"the dense layer {layer.name} of the golden network has no weight types")
        _check_32_bits(source)
        kernel = layer.kernel << (layer.type.fraction - source.type.fraction - kernel_type.fraction)
        bias = layer.bias << (layer.type.fraction - bias_type.fraction)
        in_float = largest_sum(layer, [source]) <= _FLOAT_EXACT
        number, name = "float" if in_float else "int64_t", _name(layer)
        columns = [np.flatnonzero(kernel[:, unit]) for unit in range(layer.size)]
        first = np.concatenate([[0], np.cumsum([len(rows) for rows in columns])])
        weights = np.concatenate([kernel[rows, unit] for unit, rows in enumerate(columns)])
        self._array("int", f"{name}_first", first)
        self._array("int", f"{name}_input", np.concatenate(columns))
        self._array(number, f"{name}_weight", weights)
        self._array(number, f"{name}_bias", bias)
        self._constants.append(
            f"const Sparse<{number}> {name}_kernel = {{{name}_first, {name}_input, {name}_weight}};\n"
        )
        self._body.append(f"Row<{_held(layer)}> {name}[{layer.size}];")
        if in_float:
            self._body.append(f"Row<float> {name}_buffer[{source.size}];")
            call = (
                f"dense_float({_name(source)}, {source.size}, {layer.size}, {name}_kernel, {name}_bias, {name}_buffer"
            )
        else:
            call = f"dense_integer({_name(source)}, {layer.size}, {name}_kernel, {name}_bias"
        self._body.append(f"{call}, {name});")

    def _relu(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        self._requantize(layer, sources[0], "relu", f"{layer.type.max_code}LL")

    def _quantize(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        self._requantize(layer, sources[0], "quantize", f"{layer.type.min_code}LL, {layer.type.max_code}LL")

    def _requantize(self, layer: IntegerLayer, source: IntegerLayer, kernel: str, limits: str) -> None:
        _check_32_bits(layer)
        drop = source.type.fraction - layer.type.fraction
        held = _held(source)
        if held == "int32_t" and (source.type.width + max(-drop, 0) + 1 > _INT32_BITS or drop >= _INT32_BITS):
            raise InputError(
                f"the emulator can't round the layer {source.name} by {drop} bits in 32; give {layer.name} fewer bits"
            )
        self._body.append(f"Row<int32_t> {_name(layer)}[{layer.size}];")
        self._body.append(f"{kernel}({_name(source)}, {layer.size}, {drop}, {limits}, {_name(layer)});")

    def _error(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        x, y = sources
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

    def _accept(self, layer: IntegerLayer, sources: Sequence[IntegerLayer]) -> None:
        del sources
        if layer.table is not None:
            self._array("int64_t", "thresholds", layer.table.codes)

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
            f"the layer {layer.name} hands on codes of {layer.type.width} bits, but the emulator holds 31; use fewer"
        )


_Writer = Callable[[EmulatorSource, IntegerLayer, Sequence[IntegerLayer]], Any]
_WRITERS: dict[LayerKind, _Writer] = {
    LayerKind.DENSE: EmulatorSource._dense,
    LayerKind.RELU: EmulatorSource._relu,
    LayerKind.QUANTIZE: EmulatorSource._quantize,
    LayerKind.SQUARED_ERROR: EmulatorSource._error,
    LayerKind.MASKED_SQUARED_ERROR: EmulatorSource._error,
    LayerKind.ABSOLUTE_ERROR: EmulatorSource._error,
    LayerKind.MU_SQUARED: EmulatorSource._latent,
    LayerKind.MU_SQUARED_OVER_VARIANCE: EmulatorSource._latent,
    LayerKind.KL_DIVERGENCE: EmulatorSource._latent,
    LayerKind.ACCEPT: EmulatorSource._accept,
}
