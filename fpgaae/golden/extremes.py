"""An event for which a value is as large as any can make it: a mixed-integer linear program (NumPy and SciPy).

Inputs and sums are variables; for each end of a quantizer's range that a sum can leave, there is one that is 0 or 1.
Rounding is left out, so that what is found is an event and no bound. Searches that change a few integers at a time
hardly ever get there through several layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import QUANTITIES
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.rounding import Input, Quantize, Quantizer, Relu
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.reach import Ends, reachable_ends
from fpgaae.golden.trigger import GoldenTrigger

_MOST_CHOICES = 400  # variables that are 0 or 1
_WORDS = 4096  # of a port that are tried
_NODES = 1  # of the search, so that it ends where it always ends, hardly below the optimum
_GAP = 0.02


def extreme_event(trigger: GoldenTrigger, layer: str, place: int, sign: int) -> Codes | None:
    """Look for an event that makes a value of a layer as large as possible (or as small, for a sign of -1).

    Returns
    -------
    Words of the ports, (n_features,), or None: the layer stands behind one that is neither dense nor a quantizer, the
    program is too large, or nothing was found in time.
    """
    network = trigger.network
    path = [network[layer]]
    while path[0].inputs:
        path.insert(0, network[path[0].inputs[0]])
    program = _Program()
    limits = _code_limits(trigger.features)
    low, high = trigger.behind_words.input_codes(np.stack(limits))
    ends = dict(reachable_ends(trigger)) | {path[0].name: (low, high)}
    for of in path:
        if not program.add(of, network.sources(of), ends):
            return None
    inputs = program.solution(program.first[layer] + place, sign)
    if inputs is None:
        return None
    features = trigger.features
    steps = np.ldexp(inputs[: len(features)], features.shifts - path[0].types.fraction)
    codes = np.clip(np.rint(steps).astype(np.int64) + features.offsets, *limits)
    return np.asarray(np.clip(features.words_of_codes(codes[None])[0], *features.port_limits), dtype=np.int64)


def _code_limits(features: FeatureMap) -> Ends:
    """Give the smallest and the largest hardware integer that words of each port become in a slot that is not empty."""
    low, high = (ends.copy() for ends in features.limits)
    first, last = features.port_limits
    for place, feature in enumerate(features.features):
        if feature.hardware.word is None:
            continue
        words = np.unique(np.linspace(first[place], last[place], _WORDS).astype(np.int64))
        events = np.tile((first + last) // 2, (len(words), 1))
        events[:, place] = words
        codes = features.codes_of_words(events)[:, place]
        if place % len(QUANTITIES) == 0:  # a pT is 0 where its word empties the slot
            codes = codes[codes > 0]
        if len(codes):
            low[place], high[place] = codes.min(), codes.max()
    return low, high


@dataclass
class _Program:
    """Variables with their ends, and linear constraints."""

    first: dict[str, int] = field(default_factory=dict)  # the variable of a layer's first value
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    is_choice: list[bool] = field(default_factory=list)
    rows: list[dict[int, float]] = field(default_factory=list)  # coefficients by variable
    least: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)

    def add(self, layer: Layer, sources: tuple[Layer, ...], ends: Mapping[str, Ends]) -> bool:
        """Add the values of a layer; tell whether its kind is known."""
        self.first[layer.name] = len(self.low)
        for low, high in zip(*ends[layer.name], strict=True):
            self._variable(float(low), float(high))
        if isinstance(layer, Dense):
            self._sums(layer, sources[0])
        elif isinstance(layer, Quantize | Relu):
            self._clipped(layer, sources[0], ends)
        return isinstance(layer, Input | Dense | Quantize | Relu)

    def _variable(self, low: float, high: float, *, is_choice: bool = False) -> int:
        self.low.append(low)
        self.high.append(high)
        self.is_choice.append(is_choice)
        return len(self.low) - 1

    def _row(self, coefficients: dict[int, float], least: float, most: float) -> None:
        self.rows.append(coefficients)
        self.least.append(least)
        self.most.append(most)

    def _sums(self, layer: Dense, source: Layer) -> None:
        up = layer.types.fraction - source.types.fraction - layer.kernel_types.fraction
        bias = np.ldexp(layer.bias, layer.types.fraction - layer.bias_types.fraction)
        first, own = self.first[source.name], self.first[layer.name]
        for out in range(layer.size):
            weights = {first + i: -float(by << up) for i, by in enumerate(layer.kernel[:, out].tolist()) if by}
            self._row({own + out: 1.0} | weights, float(bias[out]), float(bias[out]))

    def _clipped(self, layer: Quantizer, source: Layer, ends: Mapping[str, Ends]) -> None:
        """Let each value be its sum, in units of its own grid, between the ends of its type."""
        step = 2.0 ** (layer.types.fraction - source.types.fraction)
        lowest, highest = layer.ends if isinstance(layer, Quantize) else (np.zeros(layer.size), layer.ends[1])
        sums = zip(*(of * step for of in ends[source.name]), lowest.tolist(), highest.tolist(), strict=True)
        for place, (low, high, least, most) in enumerate(sums):
            value, of = self.first[layer.name] + place, self.first[source.name] + place
            above, below = {value: 1.0, of: -step}, {value: 1.0, of: -step}
            if low < least:  # 1: the sum lies below the range
                choice = self._variable(0, 1, is_choice=True)
                below[choice] = low - least
                self._row({value: 1.0, choice: most - least}, -np.inf, most)
            if high > most:  # 1: the sum lies above the range
                choice = self._variable(0, 1, is_choice=True)
                above[choice] = high - most
                self._row({value: 1.0, choice: least - most}, least, np.inf)
            self._row(above, 0, np.inf)
            self._row(below, -np.inf, 0)

    def solution(self, variable: int, sign: int) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
        """Make a variable as large as possible; give all of them."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - takes long to import
        from scipy.sparse import coo_array  # noqa: PLC0415

        if sum(self.is_choice) > _MOST_CHOICES:
            return None
        entries = [(row, column, by) for row, of in enumerate(self.rows) for column, by in of.items()]
        rows, columns, by = zip(*entries, strict=True) if entries else ((), (), ())
        matrix = coo_array((by, (rows, columns)), shape=(len(self.rows), len(self.low))).tocsr()
        cost = np.zeros(len(self.low))
        cost[variable] = -sign
        found = milp(
            cost, integrality=self.is_choice, bounds=Bounds(self.low, self.high),
            constraints=LinearConstraint(matrix, self.least, self.most),
            options={"node_limit": _NODES, "mip_rel_gap": _GAP},
        )  # fmt: skip
        return None if found.x is None else np.asarray(found.x)
