"""Where precision is lost: the error of each layer against the same weights unrounded, channel by channel.

Saturation is that of the firmware's own values: a code at an end of its type. Sums have types that hold each of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import FixedPointType, Overflow, values_of
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.partial import PartialNetwork
from fpgaae.golden.parts import Part, rounded
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.runs.results.metrics import LayerLoss, WeightLoss

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

    def entries(self) -> tuple[LayerLoss, ...]:
        """Give an entry a layer, in graph order."""
        return tuple(layer.entry(self._weights(layer.layer)) for layer in self._layers.values())

    def _weights(self, layer: Layer) -> WeightLoss | None:
        """Describe how a layer's weights lie in their type."""
        if not isinstance(layer, Weighted):
            return None
        kernel = self._network.weights[layer.name][0]
        error = QuantizationError(layer.kernel_type)
        error.add(kernel, rounded(kernel, layer.kernel_types))
        found = error.entry()
        return WeightLoss(
            type=found.type,
            rms=found.rms,
            sqnr_db=found.sqnr_db,
            saturated=found.saturated,
            zero=round(float(np.mean(layer.kernel == 0)), _DIGITS),
            range=(float(kernel.min()), float(kernel.max())),
            type_range=_type_range(layer.kernel_type),
        )


class _LayerError:
    def __init__(self, layer: Layer) -> None:
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

    def entry(self, weights: WeightLoss | None) -> LayerLoss:
        found = {process: error.entry() for process, error in self._errors.items()}
        saturated, zero = (self._shares(counts) for counts in (self._saturated, self._zero))
        return LayerLoss(
            name=self.layer.name,
            kind=self.layer.kind,
            type=str(self.layer.type),
            sqnr_db={process: own.sqnr_db for process, own in found.items()},
            rms={process: own.rms for process, own in found.items()},
            range=(self._low, self._high),
            type_range=_type_range(self.layer.type),
            saturated=_means(saturated),
            saturated_channels=_rounded(saturated),
            zero=_means(zero),
            zero_channels=_rounded(zero),
            weights=weights,
        )

    def _shares(self, counts: Mapping[str, Values]) -> dict[str, Values]:
        return {process: own / self._events[process] for process, own in counts.items()}


def _means(shares: Mapping[str, Values]) -> dict[str, float]:
    return {process: round(float(own.mean()), _DIGITS) for process, own in shares.items()}


def _rounded(shares: Mapping[str, Values]) -> dict[str, tuple[float, ...]]:
    return {process: tuple(round(float(share), _DIGITS) for share in own) for process, own in shares.items()}


def _type_range(of: FixedPointType) -> tuple[float, float]:
    low, high = values_of(np.array([of.min_code, of.max_code]), of.fraction)
    return float(low), float(high)
