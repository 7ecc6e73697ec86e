"""Distributions of every input: hardware code, physical value and network input, with the shares at the ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.evaluation.review.quantities import UNITS, EventQuantities
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.runs.results.review import InputDistribution, InputOfProcess

_FINE_BITS = 10  # codes are counted in 1,024 bins a feature, or one by one where there are fewer
_BINS = 32  # that are written
_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_DIGITS = 6


class InputCounts:
    """Counts the codes of every input over chunks of events, by process, in bounded memory."""

    def __init__(self, data: Data, features: FeatureMap, input_types: tuple[FixedPointType, ...]) -> None:
        self._features = features.features
        self._lsb = _steps(data, features)
        self._low = features.limits[0]
        self._coarse = np.array([max(f.hardware.bits - _FINE_BITS, 0) for f in self._features])
        self._ends = [_saturating_codes(f, to) for f, to in zip(self._features, input_types, strict=True)]
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._shares: dict[str, NDArray[np.int64]] = {}
        self._events: dict[str, int] = {}

    def add(self, process: str, codes: Codes) -> None:
        """Take in events of a process: hardware codes, (n_events, n_features)."""
        n_features, size = len(self._features), 1 << _FINE_BITS
        fine = (codes - self._low) >> self._coarse
        found = np.bincount((fine + size * np.arange(n_features)).ravel(), minlength=n_features * size)
        counts = self._counts.setdefault(process, np.zeros((n_features, size), dtype=np.int64))
        counts += found.reshape(n_features, size)
        high = np.array([f.hardware.max_code for f in self._features])
        below, above = (np.array([ends[i] for ends in self._ends]) for i in (0, 1))
        shares = [(codes == 0), (codes == self._low), (codes == high), (codes <= below), (codes >= above)]
        total = self._shares.setdefault(process, np.zeros((len(shares), n_features), dtype=np.int64))
        total += np.array([np.count_nonzero(flags, axis=0) for flags in shares])
        self._events[process] = self._events.get(process, 0) + len(codes)

    def entries(self) -> tuple[InputDistribution, ...]:
        """Give an entry an input that has bits."""
        return tuple(self._entry(i, f) for i, f in enumerate(self._features) if f.hardware.bits)

    def _entry(self, index: int, feature: Feature) -> InputDistribution:
        seen = np.flatnonzero(sum(counts[index] for counts in self._counts.values()))
        first, last = int(seen[0]), int(seen[-1])
        factor = 1 << max(math.ceil(math.log2((last - first + 1) / _BINS)), 0)
        step = 1 << int(self._coarse[index])
        return InputDistribution(
            name=feature.hardware.name,
            quantity=feature.hardware.quantity,
            unit=UNITS.get(feature.hardware.quantity, ""),
            lsb=float(self._lsb[index]),
            offset=feature.offset,
            shift=feature.shift,
            first_code=int(self._low[index]) + first * step,
            codes_a_bin=factor * step,
            processes={
                process: self._of_process(process, index, first, last, factor) for process in self._counts
            },
        )  # fmt: skip

    def _of_process(self, process: str, index: int, first: int, last: int, factor: int) -> InputOfProcess:
        fine, n = self._counts[process][index], self._events[process]
        shown = fine[first : last + 1]
        padded = np.append(shown, np.zeros(-len(shown) % factor, dtype=np.int64))
        zero, smallest, largest, low, high = (round(float(c) / n, _DIGITS) for c in self._shares[process][:, index])
        feature, step = self._features[index], 1 << int(self._coarse[index])
        places = np.searchsorted(np.cumsum(fine), np.ceil(np.array(_QUANTILES) * n))
        codes = self._low[index] + places * step + (step - 1) / 2
        return InputOfProcess(
            events=n,
            counts=tuple(padded.reshape(-1, factor).sum(axis=1).tolist()),
            zero=zero,
            smallest_code=smallest,
            largest_code=largest,
            saturated_low=low,
            saturated_high=high,
            quantiles=tuple(float(v) for v in np.ldexp(codes - feature.offset, -feature.shift)),
        )


def _steps(data: Data, features: FeatureMap) -> NDArray[np.float64]:
    """Give what a step of each feature stands for, (n_features,)."""
    if (array := data.hardware.array) is not None:
        return np.full(len(features), array.lsb)
    kinds = EventQuantities(data, features).kinds
    return np.array([lsb for kind in kinds for _ in range(kind.slots) for lsb in kind.lsb])


def _saturating_codes(feature: Feature, to: FixedPointType) -> tuple[float, float]:
    """Give the largest code whose network input is at or below its type's end, and the smallest at or above."""
    low, high = (math.ldexp(end, feature.shift - to.fraction) for end in (to.min_code, to.max_code))
    return math.floor(low) + feature.offset, math.ceil(high) + feature.offset
