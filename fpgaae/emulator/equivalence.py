"""Proofs that a damaged emulator computes the same on every input: no test of its answers could tell them apart.

From the ranges of the hardware integers follow those of every value. A unit whose rectified or saturated output is the
same over the whole range, before and after, computes the same; so does one whose sums miss every tie of the rounding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.emulator.mutants import ARRAY
from fpgaae.emulator.package_sources import Damage, PackageSources
from fpgaae.fixedpoint import ChannelTypes, Codes, requantize
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.rounding import Quantizer
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.reach import Ends, reachable_ends
from fpgaae.golden.scores.kl_divergence import KlDivergence
from fpgaae.golden.scores.mu_squared_over_variance import MuSquaredOverVariance
from fpgaae.hls.mutant import Mutant

_MOST_SUMS = 2**22  # of a unit, to try each
_SWAPS = ("sums[v ^ 1]", "pairs[v ^ 1]")  # each undoes itself


class _Unit(NamedTuple):
    """One output of a layer: the places that it reads, their weights, and its bias, on its own grid."""

    places: Codes
    weights: Codes
    bias: int

    def without(self, zero: NDArray[np.bool_]) -> _Unit:
        """Leave out the places that are zero."""
        read = ~zero[self.places]
        return _Unit(self.places[read], self.weights[read], self.bias)

    def ends(self, low: Codes, high: Codes) -> tuple[int, int]:
        """Give the smallest and the largest sum."""
        a, b = low[self.places], high[self.places]
        products = self.weights * a, self.weights * b
        return int(np.minimum(*products).sum()) + self.bias, int(np.maximum(*products).sum()) + self.bias


class Prover:
    """Looks for proofs of one package."""

    def __init__(self, sources: PackageSources) -> None:
        self._sources = sources
        self._network = sources.trigger.network

    def prove(self, mutant: Mutant) -> str | None:
        """Give the proof that a mutant computes the same, or None where none was found."""
        text = mutant.edits.get(self._sources.code)
        if mutant.damage is Damage.LANES:
            return self._same_lanes(next(iter(mutant.edits.values())))
        if text is None:
            return None
        if mutant.damage is Damage.TABLE:
            return self._same_table(text)
        layer = next((one for one in self._network.weighted if mutant.name.startswith(f"{one.name}_codes_")), None)
        return None if layer is None else self._same_layer(layer, text)

    def _same_lanes(self, kernels: str) -> str | None:
        """Count the dense layers between the inputs and the score: a swap that undoes itself is undone by the next."""
        if not any(swap in kernels for swap in _SWAPS):
            return None
        code = self._sources.text(self._sources.code)
        parities: dict[str, set[int]] = {}
        for layer in self._network.layers:
            crossed = re.search(rf"\bdense_pairs\([^;]*, {layer.name}_codes\);", code) is not None
            before = set().union(*(parities[name] for name in layer.inputs)) if layer.inputs else {0}
            parities[layer.name] = {parity ^ crossed for parity in before}
        if parities[self._network.score.name] == {0}:
            return (
                "every value of the score passes an even number of these kernels, and the swap of lanes undoes itself"
            )
        return None

    @cached_property
    def _ranges(self) -> Mapping[str, Ends]:
        return reachable_ends(self._sources.trigger)

    def _units(self, layer: Layer, text: str) -> list[_Unit] | None:
        """Read the outputs of a layer out of the constants."""
        found = {match["name"]: np.array(match["values"].split(","), dtype=np.int64) for match in ARRAY.finditer(text)}
        first, places, weights, bias = (
            found.get(f"{layer.name}_codes_{name}") for name in ("first", "input", "weight", "bias")
        )
        if first is None or places is None or weights is None or bias is None:
            return None
        if f"dense_pairs({layer.inputs[0]}_codes" in text:
            places, first = np.stack([2 * places, 2 * places + 1], axis=1).ravel(), 2 * first
            weights = np.where(places < self._network[layer.inputs[0]].size, weights, 0)  # the last may be no input
            places = np.minimum(places, self._network[layer.inputs[0]].size - 1)
        ends = zip(first[:-1].tolist(), first[1:].tolist(), bias.tolist(), strict=True)
        return [_Unit(places[a:b], weights[a:b], of) for a, b, of in ends]

    def _same_layer(self, layer: Weighted, text: str) -> str | None:
        """Compare the outputs that changed, behind the one quantizer that reads them."""
        old, new = (self._units(layer, of) for of in (self._sources.text(self._sources.code), text))
        readers = [one for one in self._network.layers if layer.name in one.inputs]
        if old is None or new is None or len(readers) != 1 or not isinstance(readers[0], Quantizer):
            return None
        if isinstance(readers[0].types, ChannelTypes):
            return None
        proofs = []
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            if a.bias == b.bias and np.array_equal(a.places, b.places) and np.array_equal(a.weights, b.weights):
                continue
            proofs.append(self._same_unit(layer, readers[0], a, b))
            if proofs[-1] is None:
                return None
            proofs[-1] = f"output {index} of {layer.name} {proofs[-1]}"
        return "; ".join(proof for proof in proofs if proof) or "differs in the weight of no input"

    def _same_unit(self, layer: Weighted, reader: Quantizer, old: _Unit, new: _Unit) -> str | None:
        low, high = self._ranges[layer.inputs[0]]
        ends = np.array([*old.ends(low, high), *new.ends(low, high)])
        quantized = set(_quantized(reader, layer, ends).tolist())
        if len(quantized) == 1:
            return f"lies between {ends.min()} and {ends.max()}, of which {reader.name} makes {quantized.pop()}"
        old, new = (unit.without((low == 0) & (high == 0)) for unit in (old, new))
        if not np.array_equal(old.places, new.places):
            return None
        if np.array_equal(old.weights, new.weights) and old.bias == new.bias:
            return "differs in weights of inputs that are always zero"
        return self._same_sums(layer, reader, old, new)

    def _same_sums(self, layer: Weighted, reader: Quantizer, old: _Unit, new: _Unit) -> str | None:
        """Try every sum that an output can have, where what changed adds the same to each."""
        low, high = self._ranges[layer.inputs[0]]
        changed = old.weights != new.weights
        read = old.places[changed]
        if (low[read] != high[read]).any():
            return None
        shift = new.bias - old.bias + int(((new.weights - old.weights)[changed] * low[read]).sum())
        if not shift:
            return "reads nothing but zeros with the weight"
        step = math.gcd(*np.where(low[old.places] == high[old.places], 0, old.weights).tolist(), 0) or 1
        begin, end = old.ends(low, high)
        if (end - begin) // step > _MOST_SUMS:
            return None
        sums = np.arange(begin, end + 1, step)
        if np.array_equal(_quantized(reader, layer, sums), _quantized(reader, layer, sums + shift)):
            return f"is a multiple of {step} behind its smallest sum {begin}, and {reader.name} makes the same of each"
        return None

    def _same_table(self, text: str) -> str | None:
        """Compare the entries of the codes that the table's argument can have; those from 0 on come first."""
        score = self._network.score
        old, new = (
            next(
                np.array(m["values"].split(","), dtype=np.int64)
                for m in ARRAY.finditer(of)
                if m["name"] == "score_table"
            )
            for of in (self._sources.text(self._sources.code), text)
        )
        if not isinstance(score, MuSquaredOverVariance | KlDivergence) or len(old) != len(new):
            return None
        (mu_low, mu_high), (low, high) = (self._ranges[name] for name in score.inputs)
        # an entry is multiplied with the square of a mu, or added
        moves = mu_low.astype(bool) | mu_high.astype(bool) | isinstance(score, KlDivergence)
        read = {code % len(old) for a, b in zip(low[moves], high[moves], strict=True) for code in range(a, b + 1)}
        if read.isdisjoint(np.flatnonzero(old != new).tolist()):
            return f"no hardware integers give {score.inputs[1]} a code of the entries that changed"
        return None


def _quantized(layer: Quantizer, source: Layer, codes: Codes) -> Codes:
    return requantize(layer.activate(codes), source.type.fraction, layer.type)
