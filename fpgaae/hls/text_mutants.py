"""Mutants of a written project whose text is wrong: what a slip of the hand, or an editor's enemy, would write.

Which layer a slip can change first follows from its file, and from what it damages.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from fpgaae.golden.network import ACCEPT_LAYER, CELL_LAYER
from fpgaae.hls.mutant import Kind, Mutant, Slip, pick, slips
from fpgaae.hls.network_ports import THRESHOLDS_FILE
from fpgaae.hls.project import CSIM_MACRO, VECTORS_FOLDER
from fpgaae.hls.project_sources import CELLS, SCORES, TABLES, TABULATED, Damage, ProjectSources

_FRONT_END = "firmware/fpgaae_front_end.h"
_TRIGGER, _WEIGHTS = "firmware/*_trigger.cpp", "firmware/weights/*.h"
_DECISION = r"code > thresholds\[i\]"
_DECIDED = r"accept\[i\] = code > thresholds\[i\];"
_ONE_LATE = "[](auto now) { static auto before = now; auto late = before; before = now; return late; }"
_NO_BITS = r"ap_uint<1>\(0\)"  # what stands for a feature that a port has no bits for: the same in every event
_FEATURE = re.compile(r"fpgaae::scale<-?\d+>\((?P<code>[^;]*), -?\d+\);")
_DECLARED = re.compile(r"^ *(?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\]", re.MULTILINE)
_NO_OBJECTS = "it has one object with one integer"

Layer = Callable[[ProjectSources, str], str]


def _decision(sources: ProjectSources, file: str) -> str:
    del sources, file
    return ACCEPT_LAYER


def _cell(sources: ProjectSources, file: str) -> str:
    del sources, file
    return CELL_LAYER


def _front(sources: ProjectSources, file: str) -> str:
    """Give the first layer of the files around the network: its inputs; of those of a score or table, that."""
    if file == TABLES:
        return next((call["layer"] for call in sources.calls if call["kernel"] == TABULATED), sources.layers[-2])
    return sources.layers[-2] if file == SCORES else sources.layers[0]


def _of_array(sources: ProjectSources, file: str) -> str:
    return next(array.layer for array in sources.arrays if array.file == file)


def _exchanged_objects(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let two features be read from each other's places."""
    text = sources.text(sources.trigger)
    found = list(_FEATURE.finditer(text))
    if len({match["code"] for match in found}) < 2:
        return None
    i, j = sorted(rng.choice(len(found), size=2, replace=False).tolist())
    a, b = found[i], found[j]
    if a["code"] == b["code"]:
        return None
    edited = "".join((
        text[: a.start("code")], b["code"], text[a.end("code") : b.start("code")], a["code"], text[b.end("code") :],
    ))  # fmt: skip
    what = f"{sources.trigger}: feature {i} is read from {b['code']}, and {j} from {a['code']}"
    return Mutant(Damage.EXCHANGED_OBJECTS, sources.layers[0], what, {sources.trigger: edited})


def _exchanged_arrays(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let a layer read another array of the same size than that of the layer before it."""
    text = sources.text(sources.top)
    declared = {match["name"]: match for match in _DECLARED.finditer(text)}
    choices = []
    for call in sources.calls:
        read = call["arguments"].split(", ")[0]
        if (own := declared.get(read)) is not None:
            choices += [(call, own, other) for other in declared.values() if _can_stand_in(other, own, call)]
    if not choices:
        return None
    call, own, other = choices[pick(rng, choices)]
    line = call[0].replace(f"<{own['type']}, ", f"<{other['type']}, ", 1).replace(own["name"], other["name"], 1)
    edited = text[: call.start()] + line + text[call.end() :]
    what = f"{sources.top}: {call['layer']} reads {other['name']} instead of {own['name']}"
    return Mutant(Damage.EXCHANGED_ARRAYS, call["layer"], what, {sources.top: edited})


def _can_stand_in(other: re.Match[str], own: re.Match[str], call: re.Match[str]) -> bool:
    written = call["arguments"].split(", ")[1]
    return other["size"] == own["size"] and other["name"] not in {own["name"], written}


def _synthesized_layer(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let the branch that is synthesized set what a layer puts out to zero."""
    text = sources.text(sources.top)
    arrays = {match["name"] for match in _DECLARED.finditer(text)}
    calls = [call for call in sources.calls[:-1] if call["arguments"].split(", ")[1] in arrays]
    if not calls:
        return None
    call = calls[pick(rng, calls)]
    array = call["arguments"].split(", ")[1]
    added = f"\n#ifndef {CSIM_MACRO}\n    for (auto &value : {array})\n        value = 0;\n#endif"
    edited = text[: call.end()] + added + text[call.end() :]
    what = f"{sources.top}: {call['layer']} is 0 where {CSIM_MACRO} is not defined"
    return Mutant(Damage.SYNTHESIS_LAYER, call["layer"], what, {sources.top: edited})


def _only_synthesis(line: str, other: str) -> str:
    return f"\n#ifdef __SYNTHESIS__\n{other}\n#else\n{line}\n#endif\n"


def _decided(how: str) -> str:
    return _only_synthesis("accept[i] = code > thresholds[i];", how)


_LOOP = r"for \(unsigned (?P<i>[ij]) = 0; (?P=i) < (?P<end>[^;]+); "
_SHORT_LOOPS = (
    r"for (unsigned \g<i> = 0; \g<i> + 1 < \g<end>; ", r"for (unsigned \g<i> = 1; \g<i> < \g<end>; ",
)  # fmt: skip
_ONE_THRESHOLD = "it has one threshold, or the same twice"


def _has_thresholds(sources: ProjectSources) -> bool:
    """Tell whether decisions have an order: the first and the last are not the same, or others may be loaded."""
    if (sources.project / VECTORS_FOLDER / THRESHOLDS_FILE).is_file():
        return "n_thresholds = 1;" not in sources.text("firmware/thresholds.h")
    codes = re.search(r"thresholds\[n_thresholds\] = \{([^}]*)\}", sources.text("firmware/thresholds.h"))
    return codes is not None and len({code.strip() for code in codes[1].split(",")}) > 1


def _differs_in_pairs(sources: ProjectSources) -> bool:
    """Tell whether the thresholds of some cell are not those of the one before it, counted in pairs."""
    text = sources.text("firmware/thresholds.h")
    n = re.search(r"n_thresholds = (\d+);", text)
    codes = re.search(r"thresholds\[n \* n_thresholds\] = \{([^}]*)\}", text)
    if n is None or codes is None:
        return False
    table = np.array([int(code) for code in codes[1].split(",")]).reshape(-1, int(n[1]))
    n_pairs = len(table) // 2
    return bool((table[: 2 * n_pairs : 2] != table[1 : 2 * n_pairs : 2]).any())


TEXT_KINDS: tuple[Kind[ProjectSources], ...] = (
    slips(
        Damage.COMPARISON, "it has no threshold",
        Slip(_FRONT_END, _DECISION, ("code >= thresholds[i]", "code < thresholds[i]", "code != thresholds[i]")),
        layer=_decision,
    ),
    slips(
        Damage.ACCEPT_ORDER, _ONE_THRESHOLD,
        Slip(_FRONT_END, r"accept\[i\] = ", ("accept[N - 1 - i] = ", "accept[i ^ 1] = ")),
        Slip(_FRONT_END, r"> thresholds\[i\]", ("> thresholds[N - 1 - i]",)),
        Slip(
            "firmware/thresholds.h", r"(?<=\[n_thresholds\] = \{)(?P<a>\d+), (?P<b>\d+)", (r"\g<b>, \g<a>",)
        ),
        layer=_decision,
        applies=_has_thresholds,
    ),
    Kind(Damage.EXCHANGED_OBJECTS, _exchanged_objects, _NO_OBJECTS),
    Kind(Damage.EXCHANGED_ARRAYS, _exchanged_arrays, "no two of its layers put out arrays of the same size"),
    slips(
        Damage.STATE, "it has neither a score nor a scaling of ours",
        Slip(SCORES, r"typename CONFIG_T::accum_t sum = 0;", (r"static \g<0>",)),
        Slip(_TRIGGER, rf"= (?P<scaled>fpgaae::scale<-?\d+>\((?!{_NO_BITS}).*\));$", (rf"= {_ONE_LATE}(\g<scaled>);",)),
        layer=_front,
    ),
    slips(
        Damage.STATE, "it has no threshold",
        Slip(_FRONT_END, _DECIDED, (
            "static ap_uint<N> before = 0;\n        accept[i] = before[i] | (code > thresholds[i]);\n"
            "        before[i] = accept[i];",
        )),
        layer=_decision,
    ),
    slips(
        Damage.LAST_ELEMENT, "its score is not one of ours",
        Slip(SCORES, _LOOP, _SHORT_LOOPS),
        Slip(TABLES, _LOOP, _SHORT_LOOPS),
        layer=_front,
    ),
    slips(
        Damage.LAST_ELEMENT, "it has no threshold",
        Slip(_FRONT_END, r"(?<=Thresholds:\n    )" + _LOOP, _SHORT_LOOPS),
        layer=_decision,
    ),
    slips(
        Damage.ARITHMETIC, "its score is not one of ours",
        Slip(SCORES, r"auto difference = x - y;", ("auto difference = x + y;",)),
        Slip(SCORES, r"sum \+= difference \* difference;", ("sum -= difference * difference;", "sum += difference;")),
        Slip(SCORES, r"sum \+= mu \* mu", ("sum += mu", "sum = mu * mu")),
        Slip(SCORES, r"mu \* mu \+ look_up", ("mu * mu - look_up", "mu + look_up")),
        Slip(SCORES, r"if \(difference < 0\)", ("if (difference > 0)",)),
        Slip(SCORES, r"error > largest", ("error < largest",)),
        Slip(SCORES, r"(?P<x>x\[slot \* slot_size\]) > ", (r"\g<x> >= ",)),
        Slip(_FRONT_END, r"ap_int<width>\(code\) - ", ("ap_int<width>(code) + ",)),
        layer=_front,
    ),
    slips(
        Damage.TABLE_PLACE, "it has no table",
        Slip(TABLES, r"return table\[place\];", (
            "return table[place ^ 1];", "return table[place >> 1];", "return table[place / 2 * 2];",
        )),
        layer=_front,
    ),
    slips(
        Damage.SYNTHESIS_WEIGHTS, "its weights are ports",
        Slip(_WEIGHTS, r"^(?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{(?=\n#else)", (
            r"\g<type> \g<name>[\g<size>] = {0};\nstatic \g<type> other_\g<name>[\g<size>] = {",
            r"ap_fixed<4, 1> \g<name>[\g<size>] = {",
        )),
        layer=_of_array,
    ),
    Kind(Damage.SYNTHESIS_LAYER, _synthesized_layer, "its layers put out streams"),
    slips(
        Damage.SYNTHESIS_LAYER, "its score is not one of ours",
        Slip(SCORES, r"^ *score(_pack)?\[0\] = sum;", (r"#ifdef __SYNTHESIS__\n    sum = sum + sum;\n#endif\n\g<0>",)),
        layer=_front,
    ),
    slips(
        Damage.SYNTHESIS_DECISION, "it has no threshold",
        Slip(_FRONT_END, _DECIDED, tuple(_decided(how) for how in (
            "accept[i] = code >= thresholds[i];", "accept[i] = code > thresholds[i] + 1;",
            "accept[i] = code != thresholds[i];",
        ))),
        layer=_decision,
    ),
    slips(
        Damage.SYNTHESIS_DECISION, _ONE_THRESHOLD,
        Slip(_FRONT_END, _DECIDED, (_decided("accept[N - 1 - i] = code > thresholds[i];"),)),
        layer=_decision,
        applies=_has_thresholds,
    ),
    slips(
        Damage.CELL, "its thresholds follow nothing",
        Slip(CELLS, r"sum > edges", ("sum >= edges", "sum < edges")),
        Slip(CELLS, r"(?<=Edges:\n    )" + _LOOP, _SHORT_LOOPS),
        Slip(CELLS, r"code > 0", ("code > 1",)),
        Slip(_TRIGGER, r"cell_sum \+= (?P<term>.*);$", ("cell_sum += 0;", r"cell_sum = \g<term>;")),
        Slip(_TRIGGER, r"event_cell\[0\] \* (?P<bins>\d+) \+ ", ("event_cell[0] + ",)),
        layer=_cell,
    ),
    slips(
        Damage.CELL_THRESHOLD, "its thresholds follow nothing",
        Slip(CELLS, r"table\[first \+ i\]", ("table[i]",)),
        Slip(CELLS, r"cell\.to_uint\(\) \* N", ("cell.to_uint() / 2 * 2 * N",)),
        layer=_decision,
        applies=_differs_in_pairs,
    ),
)  # fmt: skip
