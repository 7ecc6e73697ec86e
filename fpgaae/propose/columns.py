"""Which columns of a table are the pT, eta and phi of which object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.config.table import ObjectColumns
from fpgaae.errors import InputError
from fpgaae.propose.event_columns import may_be_of_event
from fpgaae.propose.observed import Observed, together

_START = r"(?:^|[_.\s]|(?<=\d)|(?<=[a-z\d])(?=[A-Z]))"
_QUANTITIES = {
    "pt": re.compile(
        _START + r"(?:[Ii]|[Hh][Ww])?_?(?:[Pp][Tt]|[Ee][Tt]|PT|ET)(?=$|[_.\s\d]|[A-Z])|[_.]MET$"  # MissingET.MET
    ),
    "eta": re.compile(_START + r"(?:[Ii]|[Hh][Ww])?_?(?:[Ee]ta|ETA)(?=$|[_.\s\d]|[A-Z])"),
    "phi": re.compile(_START + r"(?:[Ii]|[Hh][Ww])?_?(?:[Pp]hi|PHI)(?=$|[_.\s\d]|[A-Z])"),
}
_KINDS = (  # in the order of their slots
    ("met", r"(^|[_.])(puppi|pf|calo|raw|l1)?_?met|missing|etmiss|etsum"),
    ("egamma", r"egamma|(^|[_.])(l1)?egs?($|[_.\d{])"),
    ("electron", r"electron|(^|[_.])(ele?s?)($|[_.\d{])"),
    ("photon", r"photon|gamma"),
    ("muon", r"muon|(^|[_.])mus?($|[_.\d{])"),
    ("tau", r"tau"),
    ("jet", r"jet"),
)
_NOT_MEASURED = re.compile(r"gen|lhe|truth|true|^mc|fat|sub|trig|uncorr|corrt1|soft|ak8|isotrack|other|boosted", re.I)
_NUMBER = re.compile(r"\d+")
_MOST_SLOTS = {"met": 1, "jet": 10}
_MOST_OF_OTHERS = 4
_MOST_KINDS = 8


class KindColumns(NamedTuple):
    """The columns of one kind of object."""

    name: str
    columns: ObjectColumns
    slots: int
    seen: Mapping[str, Observed]  # by quantity; of one column a slot, of all together


def match_objects(columns: Mapping[str, Observed]) -> list[KindColumns]:
    """Match columns to kinds of objects, by their names."""
    by_stem: dict[str, dict[str, list[str]]] = {}
    for name, seen in columns.items():
        if seen.is_number and (found := _quantity(name)) is not None:
            by_stem.setdefault(found[0], {}).setdefault(found[1], []).append(name)
    for stem, own in by_stem.items():
        bare = stem.strip("_. ")
        if "pt" not in own and bare in columns and columns[bare].is_number:  # `met` beside `met_phi`
            own["pt"] = [bare]
    measured = {stem: own for stem, own in by_stem.items() if "pt" in own and not _NOT_MEASURED.search(stem)}
    known = {stem: own for stem, own in measured.items() if _kind(stem)[0] < len(_KINDS)}
    chosen: dict[str, KindColumns] = {}
    for stem in sorted(known or measured, key=lambda stem: (_kind(stem)[0], len(stem), stem)):
        found_kind = _kind_columns(_kind(stem)[1], measured[stem], columns)
        if found_kind is not None and found_kind.name not in chosen and len(chosen) < _MOST_KINDS:
            chosen[found_kind.name] = found_kind
    return [*chosen.values()]


def is_pt(name: str) -> bool:
    """Tell whether a column may be the pT of objects."""
    found = _quantity(name)
    return found is not None and found[1] == "pt" and not _NOT_MEASURED.search(name)


def pt_beside(name: str, names: Sequence[str]) -> str | None:
    """Name the pT of the objects whose eta or phi a column is."""
    found = _quantity(name)
    if found is None or found[1] == "pt":
        return None
    return next(
        (o for o in names if _quantity(o) == (found[0], "pt") and _NUMBER.findall(o) == _NUMBER.findall(name)), None
    )


def is_of_interest(name: str) -> bool:
    """Tell whether a column may be one of objects, or say something of the event that is used."""
    measured = _quantity(name) is not None and not _NOT_MEASURED.search(name)
    return measured or name.lower() == "met" or may_be_of_event(name)


def _quantity(name: str) -> tuple[str, str] | None:
    """Give the stem of a name, with `{slot}` for a number in it, and its quantity."""
    found = [(match, of) for of, pattern in _QUANTITIES.items() for match in pattern.finditer(name)]
    if not found:
        return None
    last, quantity = max(found, key=lambda one: one[0].end())  # `MissingET.Phi` is a phi
    rest = name[last.end() :]
    stem = name[: last.start()] + ("" if not _NUMBER.search(rest) else "#" + "".join(_NUMBER.findall(rest)))
    return _NUMBER.sub("{slot}", stem), quantity


def _kind(stem: str) -> tuple[int, str]:
    """Give the place and the name of the kind that a stem is of."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stem.replace("#{slot}", "").replace("{slot}", "1")).lower()
    for index, (kind, pattern) in enumerate(_KINDS):
        if re.search(pattern, plain):
            return index, kind
    name = re.sub(r"\W+|_+", "_", stem.replace("{slot}", "").replace("#", "")).strip("_").lower()
    return len(_KINDS), name or "object"


def _kind_columns(
    kind: str, own: Mapping[str, list[str]], columns: Mapping[str, Observed]
) -> KindColumns | None:  # fmt: skip
    """Describe a kind: a list column a quantity, one number, or one column a slot; None: it is neither."""
    seen = {quantity: together(columns[name] for name in names) for quantity, names in own.items()}
    lists = [name for name in own["pt"] if columns[name].longest is not None]
    if lists or not any(_NUMBER.search(name) for name in own["pt"]):
        names = {quantity: min(found, key=len) for quantity, found in own.items()}
        chosen = columns[names["pt"]]
        if any((columns[name].longest is None) != (chosen.longest is None) for name in names.values()):
            return None
        slots = 1 if chosen.longest is None else _slots_of_lists(kind, chosen)
        return KindColumns(kind, ObjectColumns(**names), slots, {q: columns[name] for q, name in names.items()})
    patterns = {quantity: _NUMBER.sub("{slot}", found[0]) for quantity, found in own.items()}
    if any(pattern.count("{slot}") != 1 for pattern in patterns.values()):
        return None
    if all(pattern.replace("{slot}", "0") in columns for pattern in patterns.values()):
        raise InputError(
            f"the columns {patterns['pt'].replace('{slot}', '0')}, ... count slots from 0, but `data.table` from 1; "
            "rename them, or write lists"
        )
    slots = 0
    while all(pattern.replace("{slot}", str(slots + 1)) in columns for pattern in patterns.values()):
        slots += 1
    return KindColumns(kind, ObjectColumns(**patterns), slots, seen) if slots else None


def _slots_of_lists(kind: str, pt: Observed) -> int:
    """Give as many slots as 99 % of the events need, up to what a trigger sends."""
    usual = int(np.quantile(np.concatenate(pt.lengths), 0.99))
    return max(1, min(usual, _MOST_SLOTS.get(kind, _MOST_OF_OTHERS)))
