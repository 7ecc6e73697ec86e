"""Damaged copies of a written emulator: its constants, its calls, and the kernels that they call.

The self-test and its vectors stay as they are. Whether they see the damage is decided in `fpgaae.emulator.mutation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import cached_property
from pathlib import Path

import numpy as np

from fpgaae.data.features import Feature
from fpgaae.fixedpoint import FixedPointType, Rounding, requantize
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.definitions import Definition, used_definitions
from fpgaae.hls.mutant import Kind, Maker, Mutant, Slip, pick, slips

_ARRAY = re.compile(r"^const (?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{(?P<values>[^}]*)\};", re.MULTILINE)
_SCALE = re.compile(
    r"scale\((?P<cast>\(const uint16_t \*\))?objects \+ (?P<place>\d+), \d+, n, (?P<offset>-?\d+), (?P<drop>-?\d+), "
    r"(?P<low>-?\d+), (?P<high>-?\d+), (?P<to>\w+\[\d+\])\);"
)
_KERNELS = "kernels.h"
_CODE = "*_emulator.cpp"


class Damage(str, Enum):
    """What is damaged."""

    WEIGHT = "weight"
    BIAS = "bias"
    INPUT_OF_WEIGHT = "input that a weight takes"
    FIRST_WEIGHT = "where the weights of an output begin"
    TABLE = "table entry, or a table rotated or cut"
    THRESHOLD = "threshold"
    THRESHOLD_BY_ONE = "threshold off by one"
    COMPARISON = "comparison"
    ACCEPT_ORDER = "order of the accept bits"
    SCALING = "scaling of an input"
    SIGN = "sign of an input"
    EXCHANGED_OBJECTS = "exchanged objects"
    LAST_ELEMENT = "last value of a layer left out"
    ROUNDING = "rounding"
    SATURATION = "saturation"
    ARITHMETIC = "arithmetic of a kernel"
    TABLE_PLACE = "place in a table"
    LANES = "lanes of a block"
    BLOCKS = "blocks and tails of a batch"
    BATCH = "results of a batch"
    SINGLE = "single event"
    STATE = "state between events or threads"


class PackageSources:
    """The damageable files of a written package."""

    def __init__(self, project: Path, name: str, trigger: GoldenTrigger) -> None:
        self.project = project
        self.code = f"{name}_emulator.cpp"
        self.trigger = trigger

    def files(self) -> tuple[str, ...]:
        """Name the files that may be damaged."""
        return (self.code, _KERNELS)

    def text(self, file: str) -> str:
        """Read a source."""
        return (self.project / file).read_text(encoding="utf-8")

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether a kernel is called, and whether the function of the latents has any to put out."""
        if file == _KERNELS:
            return any(one.start <= place < one.end for one in self._used_kernels)
        line = self.text(file)[:place].rpartition("\n")[2]
        first, last = self._latents
        return bool(self.trigger.network.ports) or not ("latents" in line or first <= place < last)

    @cached_property
    def _used_kernels(self) -> list[Definition]:
        return used_definitions(self.text(_KERNELS), self.text(self.code))

    @cached_property
    def _latents(self) -> tuple[int, int]:
        """Where the function of the latents stands."""
        text = self.text(self.code)
        start = text.index("_latents_batch(")
        return start, text.index("\n}", start)


Change = Callable[[list[int], np.random.Generator], str]  # changes values, and says how


def _array(damage: Damage, names: str, change: Change) -> Maker[PackageSources]:
    """Change values of an array whose name matches."""

    def make(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
        text = sources.text(sources.code)
        found = [match for match in _ARRAY.finditer(text) if re.search(names, match["name"])]
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


def _scaling(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
    """Let the offset, the shift or an end of an input be wrong by one."""
    text = sources.text(sources.code)
    found = list(_SCALE.finditer(text))
    match = found[pick(rng, found)]
    part, step = str(rng.choice(["offset", "drop", "low", "high"])), int(rng.choice([-1, 1]))
    new = int(match[part]) + step
    edited = text[: match.start(part)] + str(new) + text[match.end(part) :]
    what = f"{sources.code}: {part} of the input {match['to']} from {match[part]} to {new}"
    numbers = {name: int(match[name]) for name in ("offset", "drop", "low", "high")}
    feature = sources.trigger.features.features[int(match["place"])]
    proof = _same_scaling(feature, numbers, numbers | {part: new})
    return Mutant(Damage.SCALING, sources.code, what, {sources.code: edited}, proof=proof)


def _same_scaling(feature: Feature, old: dict[str, int], new: dict[str, int]) -> str | None:
    """Try every code of the hardware integer."""
    codes = np.arange(feature.hardware.min_code, feature.hardware.max_code + 1)

    exact = FixedPointType(48, 48, True, Rounding.HALF_EVEN)

    def scaled(offset: int, drop: int, low: int, high: int) -> list[int]:
        return [int(code) for code in np.clip(requantize(codes - offset, drop, exact), low, high)]

    if scaled(**old) == scaled(**new):
        return f"each of the {len(codes)} codes of {feature.hardware.name} gives the same input"
    return None


def _exchanged(sources: PackageSources, rng: np.random.Generator) -> Mutant | None:
    """Let two inputs be read from each other's places."""
    text = sources.text(sources.code)
    found = list(_SCALE.finditer(text))
    if len(found) < 2:
        return None
    i, j = sorted(rng.choice(len(found), size=2, replace=False).tolist())
    a, b = found[i], found[j]
    edited = "".join((
        text[: a.start("place")], b["place"], text[a.end("place") : b.start("place")], a["place"], text[b.end("place") :],
    ))  # fmt: skip
    what = f"{sources.code}: the inputs {a['to']} and {b['to']} are read from each other's places"
    return Mutant(Damage.EXCHANGED_OBJECTS, sources.code, what, {sources.code: edited})


_EACH_LANE = r"for \(int e = 0; e < block_events; e\+\+\)"
_ADDED = r"\(\(T\(1\) << \(drop - 1\)\) - 1\) \+ \(\(v >> drop\) & 1\)"
_HERE = r"n - first < block_events \? \(int\)\(n - first\) : block_events"
_HALF = "(T(1) << (drop - 1))"
_TABLE = r"\[v\[i\]\.lane\[e\] & \(table_size - 1\)\]"
_DECIDED = r"accept\[e \* (?P<n>\d+) \+ i\] = score\.lane\[e\] > thresholds\[i\];"
KINDS: tuple[Kind[PackageSources], ...] = (
    Kind(Damage.WEIGHT, _array(Damage.WEIGHT, "_weight$", _other_bit), "no layer has weights"),
    Kind(Damage.BIAS, _array(Damage.BIAS, "_bias$", _other_bit), "no layer has a bias"),
    Kind(Damage.INPUT_OF_WEIGHT, _array(Damage.INPUT_OF_WEIGHT, "_input$", _other_place), "no layer has weights"),
    Kind(Damage.FIRST_WEIGHT, _array(Damage.FIRST_WEIGHT, "_first$", _other_begin), "no layer has weights"),
    Kind(Damage.TABLE, _array(Damage.TABLE, "^score_table$", _table_change), "its score reads no table"),
    Kind(Damage.THRESHOLD, _array(Damage.THRESHOLD, "^thresholds$", _other_bit), "it has no thresholds"),
    Kind(Damage.THRESHOLD_BY_ONE, _array(Damage.THRESHOLD_BY_ONE, "^thresholds$", _by_one), "it has no thresholds"),
    slips(
        Damage.COMPARISON, "nothing is compared",
        Slip(_CODE, r"(?P<a>score\.lane\[e\]) > (?P<b>thresholds)", (r"\g<a> >= \g<b>", r"\g<a> < \g<b>", r"\g<a> != \g<b>")),
        Slip(_KERNELS, r"x\[i\]\.lane\[e\] < 0 \?", ("x[i].lane[e] > 0 ?",)),
        Slip(_KERNELS, r"difference < 0 \?", ("difference > 0 ?",)),
        Slip(_KERNELS, r"error > most\.lane", ("error < most.lane",)),
        Slip(_KERNELS, r"first\.lane\[e\] > empty", ("first.lane[e] >= empty",)),
    ),
    slips(
        Damage.ACCEPT_ORDER, "it has no thresholds",
        Slip(_CODE, _DECIDED, (
            r"accept[e * \g<n> + \g<n> - 1 - i] = score.lane[e] > thresholds[i];",
            r"accept[e * \g<n> + i] = score.lane[e] > thresholds[\g<n> - 1 - i];",
            r"accept[i * n + e] = score.lane[e] > thresholds[i];",
        )),
    ),
    Kind(Damage.SCALING, _scaling, "it has no input"),
    slips(Damage.SIGN, "no input takes all 16 bits without a sign", Slip(_CODE, r"\(const uint16_t \*\)objects", ("objects",))),
    Kind(Damage.EXCHANGED_OBJECTS, _exchanged, "it has one input"),
    slips(
        Damage.LAST_ELEMENT, "it has no layer of this kind",
        Slip(_CODE, r"(?P<call>(?:relu|quantize|leaky_relu|move|largest|mean)\(\w+, )(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_CODE, r"(?P<call>dense_float\(\w+, \d+, )(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_CODE, r"(?P<call>dense_integer\(\w+, )(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_CODE, r"(?P<call>(?:error<\w+>|error|squared|divergence|variance)\(\w+, (?:\w+, )?)(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_KERNELS, r"k < kernel\.first\[j \+ 1\]", ("k + 1 < kernel.first[j + 1]",)),
        Slip(_KERNELS, r"k = kernel\.first\[j\]", ("k = kernel.first[j] + 1",)),
    ),
    slips(Damage.ROUNDING, "it rounds nothing", Slip(_KERNELS, _ADDED, (_HALF, f"({_HALF} - 1)", f"{_HALF} - 1 + (v & 1)", "0"))),
    slips(
        Damage.SATURATION, "it saturates nothing",
        Slip(_KERNELS, r"v < low \? low : v > high \? high : v", (
            "v > high ? high : v", "v < low ? low : v", "v < low ? high : v > high ? low : v", "v < low ? low : v > high ? high - 1 : v",
            "v < low ? low + 1 : v > high ? high : v",
        )),
    ),
    slips(
        Damage.ARITHMETIC, "it has no such kernel",
        Slip(_KERNELS, r"\* difference \* difference", ("* difference",)),
        Slip(_KERNELS, r"codes\[\(int64_t\)e \* stride\] - offset", ("codes[(int64_t)e * stride] + offset",)),
        Slip(_KERNELS, r"\(sum_T\(1\) << up_x\) - ", ("(sum_T(1) << up_x) + ",)),
        Slip(_KERNELS, r"\(1LL << up_x\) - ", ("(1LL << up_x) + ",)),
        Slip(_KERNELS, r"sum\.lane\[e\] \+= ", ("sum.lane[e] = ", "sum.lane[e] -= ")),
        Slip(_KERNELS, r"zero \+ bias\[j\]", ("zero - bias[j]", "zero")),
        Slip(_KERNELS, r"\(int64_t\)mu\[i\]\.lane\[e\] \* mu\[i\]\.lane\[e\]", ("(int64_t)mu[i].lane[e]",)),
    ),
    slips(
        Damage.TABLE_PLACE, "its score reads no table",
        Slip(_KERNELS, _TABLE, (
            "[v[i].lane[e] & (table_size / 2 - 1)]", "[(v[i].lane[e] ^ 1) & (table_size - 1)]", "[v[i].lane[e] & (table_size - 2)]",
            "[v[0].lane[e] & (table_size - 1)]", "[v[i].lane[0] & (table_size - 1)]",
        )),
    ),
    slips(
        Damage.LANES, "it has no lanes",
        Slip(_KERNELS, _EACH_LANE, (
            "for (int e = 0; e < block_events - 1; e++)", "for (int e = 1; e < block_events; e++)", "for (int e = 0; e < block_events; e += 2)",
        )),
        Slip(_KERNELS, r"(?P<s>[a-d]) \+= row\[(?P<i>\d)\] \* w;", (r"\g<s> += row[0] * w;", r"\g<s> += row[3] * w;", "")),
        Slip(_KERNELS, r"\{a, b, c, d\}", ("{b, a, c, d}", "{a, b, d, c}", "{a, b, c, c}", "{a, a, c, d}")),
        Slip(_KERNELS, r"\.lane\[e\] = codes\[\(int64_t\)e \* stride\]", (
            ".lane[e] = codes[(int64_t)(e ^ 1) * stride]", ".lane[e] = codes[0]", ".lane[e] = codes[(int64_t)(n - 1 - e) * stride]",
        )),
        Slip(_KERNELS, r"(?P<a>y\[j\]\.lane\[e\] = \(int32_t\)sum)\[e\]", (r"\g<a>[e ^ 1]", r"\g<a>[31 - e]")),
        Slip(_KERNELS, r"for \(int e = 0; e < n; e\+\+\)", ("for (int e = 1; e < n; e++)", "for (int e = 0; e + 1 < n; e++)")),
    ),
    slips(
        Damage.BLOCKS, "it has no blocks",
        Slip(_CODE, r"first \+= block_events", ("first += block_events + 1", "first += 2 * block_events")),
        Slip(_CODE, _HERE, (
            "n - first < block_events ? (int)(n - first) - 1 : block_events", "block_events", "n < block_events ? (int)n : block_events",
            "n - first < block_events ? (int)(n - first) : block_events - 1",
        )),
        Slip(_CODE, r"first < n;", ("first + 1 < n;", "first + block_events <= n;", "first <= n;")),
        Slip(_CODE, r"scores \+ first", ("scores", "scores + first + 1", "scores + first / 2")),
        Slip(_CODE, r"objects \+ first \*", ("objects + first / 2 *", "objects + 0 *", "objects + (first + 1) *")),
        Slip(_CODE, r"accept \+ first \*", ("accept + first / block_events *", "accept + 0 *")),
        Slip(_CODE, r"latents \+ first \*", ("latents + first / 2 *", "latents + 0 *")),
    ),
    slips(
        Damage.BATCH, "it has no batches",
        Slip(_CODE, r"scores\[e\] = score\.lane\[e\];", (
            "scores[e] = score.lane[0];", "scores[n - 1 - e] = score.lane[e];", "scores[e] = score.lane[e ^ 1];", "scores[e] = (int32_t)score.lane[e] - (e == 31);",
        )),
        Slip(_CODE, r"for \(int e = 0; e < n; e\+\+\)", ("for (int e = 0; e < block_events; e++)", "for (int e = 1; e < n; e++)", "for (int e = 0; e + 1 < n; e++)")),
        Slip(_CODE, r"accept \? (?P<a>accept \+ first \* \d+) : accept", (r"\g<a>",)),
        Slip(_CODE, r"if \(accept\)", ("if (true)",)),
        Slip(_CODE, r"if \(!scores\)", ("if (false)",)),
        Slip(_CODE, r"latents\[e \* (?P<n>\d+) \+ i\]", (r"latents[i * n + e]", r"latents[e * \g<n> + \g<n> - 1 - i]")),
    ),
    slips(
        Damage.SINGLE, "it has no function of a single event",
        Slip(_CODE, r"_score_batch\(objects, 1, &score, accept\)", (
            "_score_batch(objects, 1, &score, nullptr)", "_score_batch(objects + 1, 1, &score, accept)", "_score_batch(objects, 0, &score, accept)",
        )),
        Slip(_CODE, r"^    return score;", ("    return score + 1;", "    return (int16_t)score;")),
    ),
    slips(
        Damage.STATE, "it has no variables",
        Slip(_CODE, r"^    Row<", ("    static Row<",)),
        Slip(_KERNELS, r"^ *Row<\w+> (?:sum|most) = \{\};", (r"static \g<0>",)),
        Slip(_KERNELS, r"^        vector a = zero", (r"        static vector a = zero",)),
    ),
)  # fmt: skip
