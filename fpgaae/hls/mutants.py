"""Mutants of a written project of which a number is wrong: a weight, a type, a threshold, a table, or their order.

What is wrong in the text of a source stands in `fpgaae.hls.text_mutants`; whether the check sees it is decided in
`fpgaae.hls.mutation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.hls.mutant import Kind, Maker, Mutant, pick
from fpgaae.hls.network_ports import THRESHOLDS_FILE, WEIGHTS_FILE
from fpgaae.hls.project import VECTORS_FOLDER
from fpgaae.hls.project_sources import NO_CONSTANTS, STRUCT, TYPEDEF, VALUES, Array, Damage, ProjectSources

_SCALE = re.compile(r"fpgaae::scale<(?P<shift>-?\d+)>\((?P<code>.*?), (?P<offset>-?\d+)\);")
_THRESHOLDS = re.compile(r"thresholds\[(?:n \* )?n_thresholds\] = \{(?P<codes>[^}]*)\}")
_DECISION = "    accept = fpgaae::decide<"
_PUT_OUT = re.compile(r"fpgaae::put_out<(?P<n>\d+)>")


def _array_bit(damage: Damage, prefix: str) -> Maker[ProjectSources]:
    def make(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
        arrays = [array for array in sources.arrays if array.name.startswith(prefix)]
        if not arrays:
            return None
        array = arrays[pick(rng, arrays)]
        of = sources.types[array.type_name]
        place, bit = pick(rng, array.values), int(rng.integers(of.width))
        code = round(array.values[place] * 2.0**of.fraction)
        flipped = (code & ((1 << of.width) - 1)) ^ (1 << bit)
        if of.signed and flipped >> (of.width - 1):
            flipped -= 1 << of.width
        values = list(array.values)
        values[place] = flipped * 2.0**-of.fraction
        what = f"{array.file}: bit {bit} of value {place} flipped, code {code} to {flipped}"
        return Mutant(damage, array.layer, what, _with_values(sources, array, values), array.name)

    return make


def _with_values(sources: ProjectSources, array: Array, values: Sequence[float]) -> dict[str, str]:
    """Give the file of an array with other values."""
    text = sources.text(array.file)
    match = VALUES.match(text)
    if match is None:
        raise InputError(f"{sources.project / array.file} is not as `convert` writes it")
    body = ", ".join(f"{value!r}" for value in values)
    return {array.file: f"{match['head']}{body}{text[match.end('values') :]}"}


def _type_change(
    damage: Damage, change: Callable[[FixedPointType, np.random.Generator], FixedPointType | None]
) -> Maker[ProjectSources]:
    def make(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
        names = [name for name in sources.types if name in sources.type_layers]
        name = names[pick(rng, names)]
        old = sources.types[name]
        new = change(old, rng)
        if new is None:
            return None
        text = sources.text("firmware/defines.h")
        match = next(m for m in TYPEDEF.finditer(text) if m["name"] == name)
        edited = text[: match.start("type")] + str(new) + text[match.end("type") :]
        what = f"firmware/defines.h: {name} from {old} to {new}"
        return Mutant(damage, sources.type_layers[name], what, {"firmware/defines.h": edited}, name, new)

    return make


def _other_width(of: FixedPointType, rng: np.random.Generator) -> FixedPointType | None:
    width = of.width + int(rng.choice([-1, 1]))
    return of._replace(width=width) if width > of.signed else None


def _other_integer_bits(of: FixedPointType, rng: np.random.Generator) -> FixedPointType:
    return of._replace(integer=of.integer + int(rng.choice([-1, 1])))


def _other_rounding(of: FixedPointType, rng: np.random.Generator) -> FixedPointType:
    others = [mode for mode in Rounding if mode is not of.rounding]
    return of._replace(rounding=others[pick(rng, others)])


def _other_overflow(of: FixedPointType, rng: np.random.Generator) -> FixedPointType:
    others = [mode for mode in Overflow if mode is not of.overflow]
    return of._replace(overflow=others[pick(rng, others)])


def _score_constant(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Damage the number of terms, the start of the sum, or the factor of a half."""
    call = next(call for call in sources.calls if call["layer"] == sources.layers[-2])
    config = call["types"].split(", ")[-1]
    parameters, kernels = "firmware/parameters.h", "firmware/nnet_utils/fpgaae_scores.h"
    text = sources.text(parameters)
    body = next(m for m in STRUCT.finditer(text) if m["name"] == config)
    n_in = re.search(r"n_in = (\d+)", body["body"])
    if n_in is None:
        return None
    place = body.start("body") + n_in.start(1)
    fewer = text[:place] + str(int(n_in[1]) - 1) + text[place + len(n_in[1]) :]
    choices = [(parameters, fewer, f"n_in of {config} from {n_in[1]} to {int(n_in[1]) - 1}")]
    text = sources.text(kernels)
    for wrong in (1, 2, 3):
        edited = text.replace("accum_t sum = 0;", f"accum_t sum = {wrong};")
        choices.append((kernels, edited, f"the sum starts at {wrong}"))
    if call["kernel"] == "kl_divergence":
        for factor in ("0", "0.25"):
            edited = text.replace("ap_ufixed<1, 0> half = 0.5", f"ap_ufixed<4, 0> half = {factor}")
            choices.append((kernels, edited, f"the half is {factor}"))
    file, edited, what = choices[pick(rng, choices)]
    return Mutant(Damage.SCORE_CONSTANT, call["layer"], f"{file}: {what}", {file: edited})


def _half_up(of: FixedPointType, rng: np.random.Generator) -> FixedPointType | None:
    del rng
    return of._replace(rounding=Rounding.HALF_UP) if of.rounding is Rounding.HALF_EVEN else None


def _threshold(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    file = "firmware/thresholds.h"
    text = sources.text(file)
    match = _THRESHOLDS.search(text)
    if match is None:
        return None
    codes = [int(code) for code in match["codes"].split(",")]
    place = pick(rng, codes)
    bit = int(rng.integers(max(codes[place].bit_length(), 1)))
    old, codes[place] = codes[place], codes[place] ^ (1 << bit)
    edited = f"{text[: match.start('codes')]}{', '.join(map(str, codes))}{text[match.end('codes') :]}"
    what = f"{file}: bit {bit} of threshold {place} flipped, {old} to {codes[place]}"
    return Mutant(Damage.THRESHOLD, ACCEPT_LAYER, what, {file: edited})


def _threshold_by_one(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    file = "firmware/thresholds.h"
    text = sources.text(file)
    match = _THRESHOLDS.search(text)
    if match is None:
        return None
    codes = [int(code) for code in match["codes"].split(",")]
    place, step = pick(rng, codes), int(rng.choice([-1, 1]))
    old, codes[place] = codes[place], max(codes[place] + step, 0)
    edited = f"{text[: match.start('codes')]}{', '.join(map(str, codes))}{text[match.end('codes') :]}"
    what = f"{file}: threshold {place} from {old} to {codes[place]}"
    return Mutant(Damage.THRESHOLD_BY_ONE, ACCEPT_LAYER, what, {file: edited}) if old != codes[place] else None


def _scaling(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    text = sources.text(sources.trigger)
    found = list(_SCALE.finditer(text))
    if not found:
        return None
    place = pick(rng, found)
    match = found[place]
    part, step = str(rng.choice(["shift", "offset"])), int(rng.choice([-1, 1]))
    new = int(match[part]) + step
    edited = text[: match.start(part)] + str(new) + text[match.end(part) :]
    what = f"{sources.trigger}: {part} of feature {place} from {match[part]} to {new}"
    return Mutant(Damage.SCALING, sources.layers[0], what, {sources.trigger: edited}, str(place))


def _swapped(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Swap the weights of two layers of equal size, or two calls."""
    arrays = [
        (a, b)
        for i, a in enumerate(sources.arrays)
        for b in sources.arrays[i + 1 :]
        if len(a.values) == len(b.values) and a.values != b.values and a.layer != b.layer
    ]
    if arrays and rng.random() < 0.5:
        a, b = arrays[pick(rng, arrays)]
        edits = _with_values(sources, a, b.values) | _with_values(sources, b, a.values)
        first = min(a.layer, b.layer, key=sources.layers.index)
        return Mutant(Damage.SWAPPED_LAYERS, first, f"the values of {a.file} and {b.file} swapped", edits, a.name)
    if len(sources.calls) < 2:
        return None
    i, j = sorted(rng.choice(len(sources.calls), size=2, replace=False).tolist())
    text, first_call, second = sources.text(sources.top), sources.calls[i], sources.calls[j]
    edited = (
        text[: first_call.start()] + second[0] + text[first_call.end() : second.start()] + first_call[0]
        + text[second.end() :]
    )  # fmt: skip
    what = f"{sources.top}: the calls of {first_call['layer']} and {second['layer']} swapped"
    return Mutant(Damage.SWAPPED_LAYERS, first_call["layer"], what, {sources.top: edited})


def _rotated(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let the values of a table begin at another one, or exchange two neighbours."""
    arrays = [array for array in sources.arrays if len(set(array.values)) > 1]
    if not arrays:
        return None
    tables = [array for array in arrays if array.name.startswith("t")]
    array = arrays[pick(rng, arrays)] if not tables or rng.random() < 0.5 else tables[pick(rng, tables)]
    n, values = len(array.values), list(array.values)
    if rng.random() < 0.5:
        by = int(rng.integers(1, n))
        values = values[by:] + values[:by]
        what = f"{array.file}: the values begin with number {by}"
    else:
        place = int(rng.integers(n - 1))
        values[place], values[place + 1] = values[place + 1], values[place]
        what = f"{array.file}: values {place} and {place + 1} are exchanged"
    if values == list(array.values):
        return None
    return Mutant(Damage.ROTATED, array.layer, what, _with_values(sources, array, values), array.name)


def _truncated(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Leave out the last values of a table, or cut its file off in the middle."""
    arrays = [array for array in sources.arrays if len(array.values) > 1]
    if not arrays:
        return None
    array = arrays[pick(rng, arrays)]
    if rng.random() < 0.5:
        kept = int(rng.integers(1, len(array.values)))
        what = f"{array.file}: only the first {kept} of {len(array.values)} values are left"
        edits = _with_values(sources, array, array.values[:kept])
        return Mutant(Damage.TRUNCATED_FILE, array.layer, what, edits, array.name)
    text = sources.text(array.file)
    start = text.index("#endif\n") + 7
    end = int(rng.integers(start, text.rindex("}")))
    what = f"{array.file}: cut off behind {end} of {len(text)} characters"
    return Mutant(Damage.TRUNCATED_FILE, array.layer, what, {array.file: text[:end]}, array.name)


def _held(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let a weight that is a port keep its trained code, whatever is loaded."""
    file = sources.project / VECTORS_FOLDER / WEIGHTS_FILE
    if not file.is_file():
        return None
    trained = {name: codes for name, *codes in map(str.split, file.read_text(encoding="utf-8").splitlines())}
    name = sorted(trained)[pick(rng, sorted(trained))]
    place = pick(rng, trained[name])
    call = next(call for call in sources.calls if name in call["arguments"].split(", "))
    types = re.search(rf"(\w+) {name}\[\d+\]", sources.text(sources.top))
    if types is None:
        return None
    text, width = sources.text(sources.top), sources.types[types[1]].width
    hold = f"    {name}[{place}].range({width - 1}, 0) = 0x{trained[name][place]};\n"
    edited = text[: call.start()] + hold + text[call.start() :]
    what = f"{sources.top}: value {place} of {name} stays at its trained code 0x{trained[name][place]}"
    return Mutant(Damage.HELD_WEIGHT, call["layer"], what, {sources.top: edited}, name)


def _held_threshold(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let a threshold that is a port keep its trained code, whatever is loaded, or be another one."""
    file = sources.project / VECTORS_FOLDER / THRESHOLDS_FILE
    if not file.is_file():
        return None
    name, *trained = file.read_text(encoding="utf-8").split()
    text, place = sources.text(sources.trigger), pick(rng, trained)
    choices = [(f"0x{trained[place]}", f"stays at its trained code 0x{trained[place]}")]
    if len(trained) > 1:
        other = (place + 1) % len(trained)
        choices.append((f"{name}[{other}]", f"is that of bit {other}"))
    value, what = choices[pick(rng, choices)]
    edited = text.replace(_DECISION, f"    {name}[{place}] = {value};\n{_DECISION}")
    if edited == text:
        return None
    return Mutant(
        Damage.HELD_THRESHOLD,
        ACCEPT_LAYER,
        f"{sources.trigger}: {name}[{place}] {what}",
        {sources.trigger: edited},
        name,
    )


def _latents(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Put one latent out in the place of each, or leave out the last."""
    text = sources.text(sources.trigger)
    match = _PUT_OUT.search(text)
    if match is None or int(match["n"]) < 2:
        return None
    n = int(match["n"])
    fewer = text[: match.start("n")] + str(n - 1) + text[match.end("n") :]
    kernels = "firmware/fpgaae_front_end.h"
    first = sources.text(kernels).replace("port[i] = values[i]", "port[i] = values[0]").replace("pack[j];", "pack[0];")
    choices = [
        (sources.trigger, fewer, f"{n - 1} of {n} latents are put out"),
        (kernels, first, "the first latent is put out in the place of each"),
    ]
    file, edited, what = choices[pick(rng, choices)]
    return Mutant(Damage.LATENTS_PORT, LATENTS_LAYER, f"{file}: {what}", {file: edited})


VALUE_KINDS: tuple[Kind[ProjectSources], ...] = (
    Kind(Damage.WEIGHT_BIT, _array_bit(Damage.WEIGHT_BIT, "w"), "its weights are ports, or it has none"),
    Kind(Damage.BIAS_BIT, _array_bit(Damage.BIAS_BIT, "b"), "its biases are ports, or it has none"),
    Kind(Damage.WIDTH, _type_change(Damage.WIDTH, _other_width), "no layer has a type"),
    Kind(Damage.INTEGER_BITS, _type_change(Damage.INTEGER_BITS, _other_integer_bits), "no layer has a type"),
    Kind(Damage.ROUNDING, _type_change(Damage.ROUNDING, _other_rounding), "no layer has a type"),
    Kind(Damage.SATURATION, _type_change(Damage.SATURATION, _other_overflow), "no layer has a type"),
    Kind(Damage.HALF_UP, _type_change(Damage.HALF_UP, _half_up), "no type rounds half to even"),
    Kind(Damage.TABLE_ENTRY, _array_bit(Damage.TABLE_ENTRY, "t"), "it has no table"),
    Kind(Damage.SCORE_CONSTANT, _score_constant, "its score has no constant"),
    Kind(Damage.THRESHOLD, _threshold, NO_CONSTANTS),
    Kind(Damage.THRESHOLD_BY_ONE, _threshold_by_one, NO_CONSTANTS),
    Kind(Damage.SCALING, _scaling, "it scales no input"),
    Kind(Damage.SWAPPED_LAYERS, _swapped, "it has one layer"),
    Kind(Damage.ROTATED, _rotated, "it has no table, and its weights are ports"),
    Kind(Damage.TRUNCATED_FILE, _truncated, "it has no table, and its weights are ports"),
    Kind(Damage.HELD_WEIGHT, _held, "its weights are constants"),
    Kind(Damage.HELD_THRESHOLD, _held_threshold, "its thresholds are constants"),
    Kind(Damage.LATENTS_PORT, _latents, "it puts out no latents, or one"),
)
