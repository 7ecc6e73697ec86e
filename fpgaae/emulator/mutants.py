"""Mutants of an emulator of which a number is wrong: weights, tables, thresholds, the scaling and places of inputs.

The self-test and its vectors stay as they are. Whether they see the damage is decided in `fpgaae.emulator.mutation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from fpgaae.data.features import Feature
from fpgaae.emulator.package_sources import Damage, PackageSources
from fpgaae.emulator.text_mutants import TEXT_KINDS
from fpgaae.fixedpoint import FixedPointType, Rounding, requantize
from fpgaae.hls.mutant import Kind, Maker, Mutant, pick

ARRAY = re.compile(r"^const (?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{(?P<values>[^}]*)\};", re.MULTILINE)
_OF_SCALE = ("place", "mask", "offset", "drop", "low", "high")  # what an input has in the array of the scales

Change = Callable[[list[int], np.random.Generator], str]  # changes values, and says how


def _array(damage: Damage, names: str, change: Change) -> Maker[PackageSources]:
    """Change values of an array whose name matches."""

    def make(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
        text = sources.text(sources.code)
        found = [match for match in ARRAY.finditer(text) if re.search(names, match["name"])]
        if not found:
            return None
        match = found[pick(rng, found)]
        values = [int(value) for value in match["values"].split(",")]
        new = list(values)
        what = f"{sources.code}: {match['name']}, {change(new, rng)}"
        if new == values:
            return None
        edited = text[: match.start("values")] + ", ".join(map(str, new)) + text[match.end("values") :]
        return Mutant(damage, sources.code, what, {sources.code: edited}, match["name"])

    return make


def _other_bit(values: list[int], rng: np.random.Generator) -> str:
    place = pick(rng, values)
    old = values[place]
    bit = int(rng.integers(max(abs(old).bit_length(), 1)))
    values[place] = (abs(old) ^ (1 << bit)) * (-1 if old < 0 else 1)
    return f"value {place} from {old} to {values[place]}"


def _by_one(values: list[int], rng: np.random.Generator) -> str:
    place, step = pick(rng, values), int(rng.choice([-1, 1]))
    values[place] += step
    return f"value {place} from {values[place] - step} to {values[place]}"


def _other_place(values: list[int], rng: np.random.Generator) -> str:
    place = pick(rng, values)
    old, values[place] = values[place], int(rng.integers(max(values) + 1))
    return f"value {place} from {old} to {values[place]}"


def _other_begin(values: list[int], rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(values)))
    step = int(rng.choice([-1, 1]))
    old, values[place] = values[place], min(max(values[place] + step, 0), values[-1])
    return f"value {place} from {old} to {values[place]}"


def _table_change(values: list[int], rng: np.random.Generator) -> str:
    how = int(rng.integers(3))
    if how == 0:
        return _other_bit(values, rng)
    place = int(rng.integers(1, len(values)))
    if how == 1:
        values[:] = values[place:] + values[:place]
        return f"begins with value {place}"
    n = len(values) - place
    values[place:] = [0] * n
    return f"the last {n} values are cut off"


def _scales(text: str) -> tuple[re.Match[str], list[list[int]]]:
    """Find the array of the scales, and give its numbers, a list for each input."""
    match = next(match for match in ARRAY.finditer(text) if match["name"].endswith("_scales"))
    numbers, n = [int(value) for value in match["values"].split(",")], len(_OF_SCALE)
    return match, [numbers[first : first + n] for first in range(0, len(numbers), n)]


def _with_scales(text: str, match: re.Match[str], scales: list[list[int]]) -> str:
    lines = ",\n    ".join(", ".join(map(str, one)) for one in scales)
    return f"{text[: match.start('values')]}\n    {lines}{text[match.end('values') :]}"


def _scaling(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
    """Let the offset, the shift or an end of an input be wrong by one."""
    text = sources.text(sources.code)
    match, scales = _scales(text)
    place = pick(rng, scales)
    part, step = str(rng.choice(_OF_SCALE[2:])), int(rng.choice([-1, 1]))
    old = dict(zip(_OF_SCALE, scales[place], strict=True))
    new = old | {part: old[part] + step}
    scales[place] = list(new.values())
    what = f"{sources.code}: {part} of the input {place} from {old[part]} to {new[part]}"
    proof = _same_scaling(sources.trigger.features.features[place], old, new)
    return Mutant(Damage.SCALING, sources.code, what, {sources.code: _with_scales(text, match, scales)}, proof=proof)


def _same_scaling(feature: Feature, old: dict[str, int], new: dict[str, int]) -> str | None:
    """Try every code of the hardware integer."""
    codes = np.arange(feature.hardware.min_code, feature.hardware.max_code + 1)

    exact = FixedPointType(48, 48, True, Rounding.HALF_EVEN)

    def scaled(of: dict[str, int]) -> list[int]:
        return [
            int(code) for code in np.clip(requantize(codes - of["offset"], of["drop"], exact), of["low"], of["high"])
        ]

    if scaled(old) == scaled(new):
        return f"each of the {len(codes)} codes of {feature.hardware.name} gives the same input"
    return None


def _exchanged(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
    """Let two inputs be read from each other's places."""
    text = sources.text(sources.code)
    match, scales = _scales(text)
    if len(scales) < 2:
        return None
    i, j = sorted(rng.choice(len(scales), size=2, replace=False).tolist())
    scales[i][:2], scales[j][:2] = scales[j][:2], scales[i][:2]
    edited = _with_scales(text, match, scales)
    what = f"{sources.code}: the inputs {i} and {j} are read from each other's places"
    return Mutant(Damage.EXCHANGED_OBJECTS, sources.code, what, {sources.code: edited})


KINDS: tuple[Kind[PackageSources], ...] = (
    Kind(Damage.WEIGHT, _array(Damage.WEIGHT, "_weight$", _other_bit), "no layer has weights"),
    Kind(Damage.BIAS, _array(Damage.BIAS, "_bias$", _other_bit), "no layer has a bias"),
    Kind(Damage.INPUT_OF_WEIGHT, _array(Damage.INPUT_OF_WEIGHT, "_input$", _other_place), "no layer has weights"),
    Kind(Damage.FIRST_WEIGHT, _array(Damage.FIRST_WEIGHT, "_first$", _other_begin), "no weights are constants"),
    Kind(Damage.TABLE, _array(Damage.TABLE, "^score_table$", _table_change), "its score reads no table"),
    Kind(Damage.THRESHOLD, _array(Damage.THRESHOLD, "^thresholds$", _other_bit), "it has no thresholds"),
    Kind(Damage.THRESHOLD_BY_ONE, _array(Damage.THRESHOLD_BY_ONE, "^thresholds$", _by_one), "it has no thresholds"),
    Kind(Damage.SCALING, _scaling, "it has no input"),
    Kind(Damage.EXCHANGED_OBJECTS, _exchanged, "it has one input"),
    *TEXT_KINDS,
)
