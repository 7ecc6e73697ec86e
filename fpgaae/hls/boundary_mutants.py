"""Mutants at the edges of a trigger block, where deployed ones have failed: its words in, its score and decisions out.

Each kind is an incident of a published anomaly trigger (inputs cut to integers, another scaling, phi recoded outside,
another model in the build, the score of another bunch crossing, thresholds, divergence at large scores) or what lies
next to one. Whether the check sees it is decided in `fpgaae.hls.mutation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np

from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.hls.mutant import Kind, Mutant, pick
from fpgaae.hls.project_sources import NO_CONSTANTS, VALUES, ProjectSources

_SCALE = re.compile(r"fpgaae::scale<(?P<shift>-?\d+)>\((?P<code>[^;]*), (?P<offset>-?\d+)\);")
_PORT = re.compile(r"(?P<port>(?P<object>\w+)\[(?P<slot>\d+)\]\.(?P<quantity>\w+))")
_PHI = re.compile(r"fpgaae::phi_code<(?P<bits>\d+), (?P<steps>\d+), (?P<first>-?\d+), (?P<turns>\d+)>")
_EMPTY = re.compile(r"fpgaae::is_empty<(?P<none>-?\d+), (?P<overflow>-?\d+)>")
_THRESHOLDS = re.compile(r"thresholds\[(?:n \* )?n_thresholds\] = \{(?P<codes>[^}]*)\}")
_PUT_OUT = "    score = result;\n"
_BITS = "result.range(score_t::width - 1, 0)"
_THRESHOLDS_FILE = "firmware/thresholds.h"
_NO_OBJECTS = "its inputs are no objects"


class Incident(str, Enum):
    """What went wrong at the edge."""

    OTHER_BUILD = "weights of another build"
    SCALED_PORT = "scaling of a port"
    TRUNCATED_PT = "pT cut to integers"
    RECENTRED_PHI = "phi centred outside"
    OTHER_TURN = "steps of another turn"
    EMPTY_SLOT = "empty slot or overflow not told"
    OBJECT_ORDER = "order of objects"
    PREVIOUS_SCORE = "score of the event before"
    NEXT_THRESHOLD = "threshold off by one"
    LARGE_SCORES = "divergence at large scores"


class _Line:
    """What makes one input of the network of a port: the places of its parts in the source."""

    def __init__(self, scale: re.Match[str], port: re.Match[str]) -> None:
        self.scale = scale
        self.port = port["port"]
        self.of = f"{port['object']}.{port['quantity']}"  # of all slots
        self.slot = f"{port['object']}[{port['slot']}]"
        self.object, self.quantity = port["object"], port["quantity"]


def _lines(sources: ProjectSources) -> list[_Line]:
    found = ((scale, _PORT.search(scale["code"])) for scale in _SCALE.finditer(sources.text(sources.trigger)))
    return [_Line(scale, port) for scale, port in found if port is not None]


def _edited(sources: ProjectSources, incident: Incident, what: str, lines: Sequence[tuple[_Line, str]]) -> Mutant:
    """Give the mutant in which some calls that scale a port are others."""
    text, end, parts = sources.text(sources.trigger), 0, []
    for line, call in sorted(lines, key=lambda pair: pair[0].scale.start()):
        parts += [text[end : line.scale.start()], call]
        end = line.scale.end()
    edits = {sources.trigger: "".join([*parts, text[end:]])}
    name = lines[0][0].port
    return Mutant(incident, sources.layers[0], f"{sources.trigger}: {what}", edits, name)


def _call(line: _Line, code: str, shift: int = 0) -> str:
    return f"fpgaae::scale<{int(line.scale['shift']) + shift}>({code}, {line.scale['offset']});"


def _of_one_property(
    incident: Incident, accepts: Callable[[_Line], bool],
    change: Callable[[_Line, np.random.Generator], tuple[str, str]],
) -> Callable[[ProjectSources, np.random.Generator], Mutant | None]:  # fmt: skip
    """Change the calls of a property of one kind of object, in one slot or in all of them, in the same way."""

    def make(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
        lines = [line for line in _lines(sources) if accepts(line)]
        if not lines:
            return None
        chosen = lines[pick(rng, lines)]
        whole = bool(rng.integers(2))
        own = [line for line in lines if line.of == chosen.of] if whole else [chosen]
        seed = int(rng.integers(2**31))
        changed = [(line, *change(line, np.random.default_rng(seed))) for line in own]
        port = f"every {chosen.of}" if whole else chosen.port
        return _edited(sources, incident, f"{port} {changed[0][2]}", [(line, call) for line, call, _ in changed])

    return make


def _scaled(line: _Line, rng: np.random.Generator) -> tuple[str, str]:
    step = int(rng.choice([-1, 1]))
    return _call(line, line.scale["code"], step), f"is scaled by a factor of 2**{-step} more"


def _cut(line: _Line, rng: np.random.Generator) -> tuple[str, str]:
    bits = int(rng.integers(1, 4))
    cut = f"[](auto code) {{ code.range({bits - 1}, 0) = 0; return code; }}({line.scale['code']})"
    return _call(line, cut), f"loses its lowest {bits} bits"


def _recentred(line: _Line, rng: np.random.Generator) -> tuple[str, str]:
    del rng
    code = _PHI.sub(lambda match: f"fpgaae::eta_code<{match['bits']}, 0>", line.scale["code"])
    return _call(line, code), "is taken as centred already"


def _other_turn(line: _Line, rng: np.random.Generator) -> tuple[str, str]:
    """Take other steps for a turn, or begin it elsewhere."""
    choice = int(rng.integers(4))

    def turned(match: re.Match[str]) -> str:
        steps, first, turns = int(match["steps"]), int(match["first"]), int(match["turns"])
        steps = {0: steps * 4, 1: max(steps // 4, 4)}.get(choice, steps)
        first += {2: 1, 3: -1}.get(choice, 0)
        return f"fpgaae::phi_code<{match['bits']}, {steps}, {first}, {turns + 2 * (choice == 1)}>"

    said = (
        "goes round in 4 times the steps",
        "goes round in a quarter of the steps",
        "is a step ahead",
        "is a step behind",
    )
    return _call(line, _PHI.sub(turned, line.scale["code"])), said[choice]


def _never_empty(line: _Line, rng: np.random.Generator) -> tuple[str, str]:
    choice = int(rng.integers(2))

    def told(match: re.Match[str]) -> str:
        none, overflow = (int(match[name]) for name in ("none", "overflow"))
        if choice and overflow >= 0:
            return f"fpgaae::is_empty<{none}, -1>"
        return f"fpgaae::is_empty<-1, {overflow}>"

    return _call(line, _EMPTY.sub(told, line.scale["code"])), "counts in a slot that is empty"


def _is_told(line: _Line) -> bool:
    """Tell whether an empty slot makes a difference: a pT of 0 is 0 in any case."""
    match = _EMPTY.search(line.scale["code"])
    return match is not None and line.quantity != "pt"


def _order(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Exchange two slots of a kind of object."""
    lines = _lines(sources)
    kinds = {of: sorted({line.slot for line in lines if line.object == of}) for of in {line.object for line in lines}}
    several = sorted(of for of, slots in kinds.items() if len(slots) > 1)
    if not several:
        return None
    slots = kinds[several[pick(rng, several)]]
    a, b = (slots[i] for i in sorted(rng.choice(len(slots), size=2, replace=False).tolist()))
    other = {a: b, b: a}
    changed = [
        (line, _call(line, line.scale["code"].replace(line.slot, other[line.slot])))
        for line in lines if line.slot in other
    ]  # fmt: skip
    return _edited(sources, Incident.OBJECT_ORDER, f"{a} and {b} stand in each other's place", changed)


def _other_build(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Take the weights of a build that was trained from another start: the same numbers at other places."""
    arrays = [array for array in sources.arrays if array.name.startswith("w") and len(set(array.values)) > 1]
    if not arrays:
        return None
    edits = {}
    for array in arrays:
        text = sources.text(array.file)
        match = VALUES.match(text)
        if match is None:
            return None
        values = rng.permutation(np.array(array.values)).tolist()
        body = ", ".join(f"{value!r}" for value in values)
        edits[array.file] = f"{match['head']}{body}{text[match.end('values') :]}"
    if all(edited == sources.text(file) for file, edited in edits.items()):
        return None
    number = int(rng.integers(10**6))
    what = f"the weights of all {len(arrays)} arrays are those of another build ({number})"
    return Mutant(Incident.OTHER_BUILD, arrays[0].layer, what, edits, arrays[0].name)


def _in_front_of_score(sources: ProjectSources, incident: Incident, lines: str, what: str) -> Mutant | None:
    text = sources.text(sources.trigger)
    if text.count(_PUT_OUT) != 1:
        return None
    edits = {sources.trigger: text.replace(_PUT_OUT, lines + _PUT_OUT)}
    return Mutant(incident, sources.layers[-2], f"{sources.trigger}: {what}", edits)


def _previous(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    events = int(rng.integers(1, 6))
    lines = (
        f"    static score_t late[{events}] = {{}};\n    static unsigned place = 0;\n    score_t now = late[place];\n"
        f"    late[place] = result;\n    result = now;\n    place = (place + 1) % {events};\n"
    )
    return _in_front_of_score(sources, Incident.PREVIOUS_SCORE, lines, f"the score is that of {events} events before")


def _large(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    """Let scores above the largest threshold saturate, or begin again."""
    match = _THRESHOLDS.search(sources.text(_THRESHOLDS_FILE))
    if match is None:
        return None
    bits = max(int(code) for code in match["codes"].split(",")).bit_length() + int(rng.integers(0, 2))
    if rng.integers(2):
        change, what = f"if (code > {(1 << bits) - 1}u) code = {(1 << bits) - 1}u;", f"scores saturate at {bits} bits"
    else:
        change, what = f"code &= {(1 << bits) - 1}u;", f"scores above {bits} bits begin again"
    lines = f"    ap_uint<score_t::width> code = {_BITS};\n    {change}\n    {_BITS} = code;\n"
    return _in_front_of_score(sources, Incident.LARGE_SCORES, lines, what)


def _threshold(sources: ProjectSources, rng: np.random.Generator) -> Mutant | None:
    text = sources.text(_THRESHOLDS_FILE)
    match = _THRESHOLDS.search(text)
    if match is None:
        return None
    codes = [int(code) for code in match["codes"].split(",")]
    place, step = pick(rng, codes), int(rng.choice([-1, 1]))
    if codes[place] + step < 0:
        return None
    old, codes[place] = codes[place], codes[place] + step
    edited = f"{text[: match.start('codes')]}{', '.join(map(str, codes))}{text[match.end('codes') :]}"
    what = f"{_THRESHOLDS_FILE}: threshold {place} is {codes[place]} instead of {old}"
    return Mutant(Incident.NEXT_THRESHOLD, ACCEPT_LAYER, what, {_THRESHOLDS_FILE: edited})


def _always(line: _Line) -> bool:
    del line
    return True


BOUNDARY_KINDS: tuple[Kind[ProjectSources], ...] = (
    Kind(Incident.OTHER_BUILD, _other_build, "its weights are ports"),
    Kind(Incident.SCALED_PORT, _of_one_property(Incident.SCALED_PORT, _always, _scaled), _NO_OBJECTS),
    Kind(
        Incident.TRUNCATED_PT,
        _of_one_property(Incident.TRUNCATED_PT, lambda line: line.quantity == "pt", _cut),
        _NO_OBJECTS,
    ),
    Kind(
        Incident.RECENTRED_PHI,
        _of_one_property(Incident.RECENTRED_PHI, lambda line: bool(_PHI.search(line.scale["code"])), _recentred),
        "no phi is declared as a word",
    ),
    Kind(
        Incident.OTHER_TURN,
        _of_one_property(Incident.OTHER_TURN, lambda line: bool(_PHI.search(line.scale["code"])), _other_turn),
        "no phi is declared as a word",
    ),
    Kind(
        Incident.EMPTY_SLOT,
        _of_one_property(Incident.EMPTY_SLOT, _is_told, _never_empty),
        "no pT is declared as a word",
    ),
    Kind(Incident.OBJECT_ORDER, _order, "no kind of object has two slots"),
    Kind(Incident.PREVIOUS_SCORE, _previous, "its score is put out in another way"),
    Kind(Incident.NEXT_THRESHOLD, _threshold, NO_CONSTANTS),
    Kind(Incident.LARGE_SCORES, _large, NO_CONSTANTS),
)
