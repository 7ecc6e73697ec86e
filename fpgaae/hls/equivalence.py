"""Proofs that a damaged project computes the same as the sound one on every input: no check could tell them apart.

Three kinds: the compiler makes the same machine code; the damaged table holds the same numbers; the damaged type holds
every value that can reach it, shown from the exact ranges of the golden network or by trying every code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpgaae.data.features import Feature, FeatureMap
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, requantize
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.rounding import Input, Quantizer
from fpgaae.golden.layers.weighted import Dense, Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Mutant
from fpgaae.hls.project_sources import Damage, ProjectSources

_MOST_CODES = 2**24  # of a type, to try each


@dataclass(frozen=True)
class Original:
    """The sound project, as the proofs need it."""

    sources: ProjectSources
    trigger: GoldenTrigger
    golden_names: dict[str, str]  # recorded layer -> golden layer

    @property
    def network(self) -> IntegerNetwork:
        """The golden network."""
        return self.trigger.network

    def layer(self, recorded: str) -> Layer:
        """Give the golden layer behind a recorded one."""
        return self.network[self.golden_names[recorded]]


def prove_equivalent(mutant: Mutant, original: Original) -> str | None:
    """Give the proof that a mutant computes the same on every input, or None where none was found."""
    if mutant.new_type is not None:
        return _same_type(mutant, mutant.new_type, original)
    if mutant.damage is Damage.TRUNCATED_FILE:
        return _same_table(mutant, original)
    if mutant.damage is Damage.SCALING:
        return _same_scaling(mutant, original)
    return None


def _same_type(mutant: Mutant, new: FixedPointType, original: Original) -> str | None:
    layer, old = original.layer(mutant.layer), original.sources.types[mutant.name]
    if isinstance(layer, Weighted) and layer.reloadable and mutant.name.endswith(("_weight_t", "_bias_t")):
        same = old[:3] == new[:3]
        return f"codes are loaded into {mutant.name} bit by bit, so that it never rounds or overflows" if same else None
    if arrays := [array for array in original.sources.arrays if array.type_name == mutant.name]:
        return _same_constants(arrays[0].values, old, new)
    if mutant.name.endswith("accum_t"):
        return _same_sum(layer, original.network, new)
    if isinstance(layer, Quantizer):
        return _same_rounding(layer, original.network[layer.inputs[0]], old, new)
    if not isinstance(layer, Input) and _holds(new, layer, original.network):
        low, high = _range(layer, original.network)
        return (
            f"the layer puts out codes from {low} to {high} with {layer.type.fraction} bits behind the point, and "
            f"{new} holds each of them"
        )
    return None


def _range(layer: Layer, network: IntegerNetwork) -> tuple[int, int]:
    """Give the codes between which a layer's output lies."""
    if isinstance(layer, Dense):
        return layer.range(network.sources(layer))
    return layer.type.min_code, layer.type.max_code


def _holds(of: FixedPointType, layer: Layer, network: IntegerNetwork) -> bool:
    """Tell whether a type has every value that a layer can put out."""
    up = of.fraction - layer.type.fraction
    low, high = _range(layer, network)
    return up >= 0 and low << up >= of.min_code and high << up <= of.max_code


def _same_constants(values: tuple[float, ...], old: FixedPointType, new: FixedPointType) -> str | None:
    codes = np.array([round(value * 2.0**old.fraction) for value in values], dtype=np.int64)
    if _equal_values(requantize(codes, old.fraction, old), old, requantize(codes, old.fraction, new), new):
        return f"each of the {len(values)} constants has the same value in {new}"
    return None


def _same_sum(layer: Layer, network: IntegerNetwork, new: FixedPointType) -> str | None:
    """Compare accumulators: no partial sum is rounded, and none that matters overflows."""
    if new.fraction < layer.type.fraction:
        return None
    up = new.fraction - layer.type.fraction
    low, high = layer.partial_sums(network.sources(layer))
    if low << up >= new.min_code and high << up <= new.max_code:
        return f"every partial sum lies between {low << up} and {high << up} LSB, and {new} holds that without rounding"
    if new.overflow is Overflow.WRAP and _holds(new, layer, network):
        return f"sums wrap modulo 2**{new.width}, and {new} holds every final sum without rounding"
    return None


def _same_rounding(layer: Quantizer, source: Layer, old: FixedPointType, new: FixedPointType) -> str | None:
    """Try every code that the layer before can put out."""
    if source.type.width > _MOST_CODES.bit_length() - 1:
        return None
    codes = layer.activate(np.arange(source.type.min_code, source.type.max_code + 1, dtype=np.int64))
    before = requantize(codes, source.type.fraction, old)
    if _equal_values(before, old, requantize(codes, source.type.fraction, new), new):
        return f"each of the {len(codes):,} codes that {source.name} can put out gives the same value in {new}"
    return None


def _equal_values(a: Codes, of_a: FixedPointType, b: Codes, of_b: FixedPointType) -> bool:
    fraction = max(of_a.fraction, of_b.fraction)
    return bool(np.array_equal(a << (fraction - of_a.fraction), b << (fraction - of_b.fraction)))


def _same_table(mutant: Mutant, original: Original) -> str | None:
    """Compare tables of which the last values are left out: those count as zero, in an array of C++ as in ours."""
    array = next(array for array in original.sources.arrays if array.name == mutant.name)
    kept = mutant.edits[array.file].partition("#endif\n")[2].partition("}")
    if not kept[1]:
        return None
    left = [float(number) for number in kept[0].split(",") if number.strip()]
    if [*left, *[0.0] * (len(array.values) - len(left))] == list(array.values):
        return f"the {len(array.values) - len(left)} values that are left out are zero, and so are missing ones in C++"
    return None


def _same_scaling(mutant: Mutant, original: Original) -> str | None:
    """Try every code of the hardware integer."""
    index = int(mutant.name)
    old = original.trigger.features.features[index]
    line = next(text for text in mutant.edits.values()).split("fpgaae::scale<")[index + 1]
    shift, rest = line.split(">(", 1)
    new = Feature(old.hardware, int(rest.split(");")[0].rsplit(", ", 1)[1]), int(shift))
    codes = np.arange(old.hardware.min_code, old.hardware.max_code + 1)[:, None]
    before, after = (FeatureMap((f,)).input_codes(codes, original.network.input_type) for f in (old, new))
    if np.array_equal(before, after):
        return f"each of the {len(codes)} codes of {old.hardware.name} gives the same input"
    return None
