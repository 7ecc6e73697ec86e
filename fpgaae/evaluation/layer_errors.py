"""Where precision is lost: the error of each layer against the same weights unrounded, channel by channel.

Saturation is that of the firmware's own values: a code at an end of its type. Sums have types that hold each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import FixedPointType, Overflow, values_of
from fpgaae.golden.network import IntegerLayer
from fpgaae.golden.partial import Part, PartialNetwork, rounded
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.runs.record import as_json

_DIGITS = 6
Values = NDArray[np.float64]


class LayerErrors:
    """Accumulates every layer's error, ranges, saturation and zeros over chunks of events, by process."""

    def __init__(self, network: PartialNetwork) -> None:
        self._network = network
        self._layers = {layer.name: _LayerError(layer) for layer in network.network.layers}

    def add(self, process: str, features: Values) -> None:
        """Take in events of a process: exact network inputs, (n_events, n_features)."""
        exact = self._network.run(features, frozenset())
        quantized = self._network.run(features, frozenset(Part))
        for name, layer in self._layers.items():
            layer.add(process, exact[name], quantized[name])

    def to_json(self) -> list[dict[str, Any]]:
        """Give an entry a layer, in graph order."""
        return [{**layer.to_json(), **self._weights(layer.layer)} for layer in self._layers.values()]

    def _weights(self, layer: IntegerLayer) -> dict[str, Any]:
        """Describe how a layer's weights lie in their type."""
        if layer.kernel_type is None or not layer.kind.has_weights:
            return {}
        kernel = self._network.weights[layer.name][0]
        error = QuantizationError(layer.kernel_type)
        error.add(kernel, rounded(kernel, layer.kernel_type))
        zero = float(np.mean(layer.kernel == 0))
        return {
            "weights": {**as_json(error.entry()), "zero": round(zero, _DIGITS), **_range(kernel, layer.kernel_type)}
        }


class _LayerError:
    def __init__(self, layer: IntegerLayer) -> None:
        self.layer = layer
        self._saturates = layer.type.overflow is not Overflow.WRAP
        self._errors: dict[str, QuantizationError] = {}
        self._events: dict[str, int] = {}
        self._saturated: dict[str, Values] = {}
        self._zero: dict[str, Values] = {}
        self._low, self._high = np.inf, -np.inf

    def add(self, process: str, exact: Values, quantized: Values) -> None:
        to = self.layer.type
        self._errors.setdefault(process, QuantizationError(to)).add(exact, quantized)
        self._low, self._high = min(self._low, float(exact.min())), max(self._high, float(exact.max()))
        codes = np.ldexp(quantized, to.fraction)
        at_end = (codes >= to.max_code) | ((codes <= to.min_code) if to.signed else False)
        channels = self.layer.shape[-1] if self.layer.shape else self.layer.size
        for counts, flags in ((self._saturated, at_end & self._saturates), (self._zero, codes == 0)):
            found = flags.reshape(-1, channels).mean(axis=0) * len(exact)
            counts[process] = counts.get(process, np.zeros(channels)) + found
        self._events[process] = self._events.get(process, 0) + len(exact)

    def to_json(self) -> dict[str, Any]:
        found = {process: error.entry() for process, error in self._errors.items()}
        result = {
            "name": self.layer.name,
            "kind": self.layer.kind.value,
            "type": str(self.layer.type),
            "sqnr_db": {process: own.sqnr_db for process, own in found.items()},
            "rms": {process: own.rms for process, own in found.items()},
            **_ends(self._low, self._high, self.layer.type),
        }
        for name, counts in (("saturated", self._saturated), ("zero", self._zero)):
            shares = {process: own / self._events[process] for process, own in counts.items()}
            result[name] = {process: round(float(own.mean()), _DIGITS) for process, own in shares.items()}
            result[f"{name}_channels"] = {
                process: [round(float(share), _DIGITS) for share in own] for process, own in shares.items()
            }
        return result


def _range(values: Values, of: FixedPointType) -> dict[str, Any]:
    return _ends(float(values.min()), float(values.max()), of)


def _ends(low: float, high: float, of: FixedPointType) -> dict[str, Any]:
    """Give the range of unrounded values beside that of their type."""
    ends = values_of(np.array([of.min_code, of.max_code]), of.fraction)
    return {"range": [low, high], "type_range": [float(end) for end in ends]}
