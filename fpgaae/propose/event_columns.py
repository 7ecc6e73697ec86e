"""Which columns say something of the whole event: its group and split, its weight, and what rates are told apart by."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from fpgaae.config.data import Split
from fpgaae.propose.observed import Observed

_SELECTING = ("split", "order")
_FEWEST_GROUPS = 20  # that a split by groups needs
_PILEUP = ("npv", "nvtx", "pileup", "pv_npvs", "npv_true", "pv_npvsgood", "npu", "pileup_ntrueint", "nvertex")
_RUN = ("run", "runnumber", "run_number")
_LUMI = ("lumi", "luminosityblock", "lumisection", "ls", "lumi_section")
_GROUP = ("group", "groups", "clip", "clip_id", "cluster")
_BITS = re.compile(r"^(l1_?bits?|existing_trigger|menu_?bits?|trigger_?bits?|passed_?l1)$", re.I)
_WEIGHT = ("weight", "weights", "event_weight", "eventweight")
_SPLITS = MappingProxyType(
    {
        "train": ("train", "training"),
        "validation": ("validation", "valid", "val", "validate"),
        "test": ("test", "testing"),
    }
)
_SHOWN_TEXTS = 5


class EventColumns(NamedTuple):
    """Columns with something of the whole event."""

    group: tuple[str, ...] = ()
    pileup: str | None = None
    run: str | None = None
    existing_trigger: str | None = None
    weight: str | None = None
    split: str | None = None
    split_names: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # where they are not the usual ones
    n_groups: int = 0  # that were seen, at least
    notes: tuple[str, ...] = ()  # what is not used, and why


def may_be_of_event(name: str) -> bool:
    """Tell by its name whether a column may say something of the event that is used."""
    known = {*_PILEUP, *_RUN, *_LUMI, *_GROUP, *_WEIGHT, *_SELECTING}
    return name.lower() in known or _BITS.match(name) is not None


def is_group(name: str) -> bool:
    """Tell by its name whether a column may make groups, which are whole numbers."""
    return name.lower() in {*_RUN, *_LUMI, *_GROUP}


def match_event_columns(columns: Mapping[str, Observed], lacking: Collection[str] = ()) -> EventColumns:
    """Match columns with one number an event to what they say of it, by their names.

    Parameters
    ----------
    lacking
        Columns that another process has not: they make no groups, and no splits.
    """
    notes: list[str] = []
    free = {name: seen for name, seen in columns.items() if seen.longest is None}
    shared = {name: seen for name, seen in free.items() if name not in lacking}
    bits = next((name for name in free if _BITS.match(name) and free[name].kind in "biuf"), None)
    group = _named(shared, _GROUP)
    groups = (group,) if group else tuple(name for name in (_named(shared, _RUN), _named(shared, _LUMI)) if name)
    n_groups = max((len(shared[name].distinct) for name in groups), default=0)
    whole = all(shared[name].kind in "iu" for name in groups)
    weight = _finite(_named(free, _WEIGHT), free, notes)
    if weight is not None and free[weight].low < 0:
        notes.append(f"`{weight}` goes down to {free[weight].low:g}, and is not used: weights must be 0 or more")
        weight = None
    split = _named(shared, ("split",))
    split_names = _split_names(shared[split].distinct) if split else None
    if split and split_names is None:
        said = ", ".join(sorted(map(str, shared[split].distinct))[:_SHOWN_TEXTS])
        notes.append(
            f"`{split}` says {said}, but not train, validation and test, and is not used: see `data.split.names`"
        )
        split = None
    return EventColumns(
        groups if whole and n_groups >= _FEWEST_GROUPS else (),
        _finite(_named(free, _PILEUP), free, notes),
        _finite(_named(free, _RUN), free, notes),
        _finite(bits, free, notes),
        weight,
        split,
        split_names or {},
        n_groups,
        tuple(notes),
    )


def _finite(name: str | None, columns: Mapping[str, Observed], notes: list[str]) -> str | None:
    """Leave out a column that would be refused; say so."""
    if name is None or columns[name].kind != "f" or columns[name].is_finite:
        return name
    notes.append(f"`{name}` holds NaN or infinite values, and is not used")
    return None


def _split_names(texts: Iterable[object]) -> dict[str, tuple[str, ...]] | None:
    """Give the names of each split, none where they are the usual ones; None: these are not three splits."""
    said = {str(text) for text in texts}
    names = {split: tuple(sorted(t for t in said if t.lower() in known)) for split, known in _SPLITS.items()}
    if not all(names.values()) or said != {text for own in names.values() for text in own}:
        return None
    usual = Split().names
    return {} if all({*own} <= {*usual[split]} for split, own in names.items()) else names


def _named(columns: Mapping[str, Observed], names: Collection[str]) -> str | None:
    by_name = {name.lower(): name for name in columns if columns[name].is_number or name.lower() == "split"}
    return next((by_name[name] for name in names if name in by_name), None)
