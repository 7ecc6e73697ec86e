"""The section `data` for surveyed files: a preset where they are of a known kind, else objects or an array."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.propose.columns import KindColumns, is_pt, match_objects
from fpgaae.propose.event_columns import EventColumns, match_event_columns
from fpgaae.propose.hardware import ArrayWidths, Kind, Widths, array_widths, object_widths
from fpgaae.propose.observed import MANY_GROUPS, Observed
from fpgaae.propose.survey import ArraySurvey, ImageSurvey, SoundSurvey, Survey, TableSurvey

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ADC = (("met", 1), ("electron", 4), ("muon", 4), ("jet", 10))
_ADC_SHAPE = (19, 4)
_CLASSES = {1: "met", 2: "electron", 3: "muon", 4: "jet"}  # as ADC2021 numbers them
_CMS = frozenset({"MET_Et", "muons_muonIEt", "jets_jetIEt", "egammas_egIEt", "taus_tauIEt", "order", "split"})
_NANO = frozenset({"MET_pt", "MET_phi", "Electron_pt", "Muon_pt", "Jet_pt", "Jet_eta", "Jet_phi"})
_NANO_GROUP = ("run", "luminosityBlock")
_MOST_CELLS = 4096
_FEW_CODES = 8


class Described(NamedTuple):
    """Lines of `data` behind `files` and `background`, and what the rest of a config depends on."""

    preset: str | None
    lines: tuple[str, ...]  # of the section, indented as in a file
    n_events: int
    n_features: int
    is_array: bool
    is_level: bool  # cells of either sign
    groups_of_clips: bool = False
    notes: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """Give a text as YAML takes it."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def describe(found: Survey) -> Described:
    """Describe surveyed events.

    Raises
    ------
    InputError
        If they are nothing that a config can describe.
    """
    if isinstance(found, TableSurvey):
        return _of_table(found)
    if isinstance(found, SoundSurvey):
        return _of_sounds(found)
    if isinstance(found, ImageSurvey):
        return _of_images(found)
    return _of_arrays(found)


def _of_table(found: TableSurvey) -> Described:
    if found.columns.keys() >= _CMS:
        note = "  # columns, split, words and rates are those of the preset"
        return Described("cmsl1t_parquet", (note,), found.n_events, 117, False, False)
    events = match_event_columns(found.columns, found.lacking)
    columns = {name: seen for name, seen in found.columns.items() if name not in found.lacking}
    notes = (*events.notes, *_not_shared(found.lacking, events))
    if columns.keys() >= _NANO and (found.tree or "Events") == "Events" and _is_jagged(found, "Jet_pt"):
        return Described(
            "nanoaod", (*_group(events, _NANO_GROUP), *_columns(events)), found.n_events, 57, False, False, notes=notes
        )  # fmt: skip
    kinds = match_objects(columns)
    if not kinds:
        there = ", ".join([*found.columns][:30])
        if texts := [name for name, seen in found.columns.items() if is_pt(name) and not seen.is_number]:
            raise InputError(f"the column {texts[0]} holds no floats or integers; write numbers, no text or decimals")
        raise InputError(
            f"no column has a name like met_pt, Jet_eta or muon1_phi (there: {there}); rename the columns, or write "
            "`data.table` by hand, as docs/own_events.md shows"
        )
    never = tuple(kind.name for kind in kinds if kind.seen["pt"].is_empty)
    kinds = [kind for kind in kinds if kind.name not in never]
    if not kinds:
        raise InputError(f"no event has an object ({', '.join(never)}); give events that have some")
    widths = object_widths([Kind(kind.name, kind.slots, kind.seen) for kind in kinds])
    values = "integers  # as the trigger sends them" if widths.integers else "physical  # GeV and rad"
    tree = [] if found.tree is None else [f"    tree: {quoted(found.tree)}"]
    lines = [*_group(events), *_columns(events), "  table:", f"    values: {values}", *tree, "    objects:"]
    for kind in kinds:
        named = ", ".join(f"{key}: {quoted(name)}" for key, name in kind.columns if name is not None)
        lines.append(f"      {kind.name}: {{{named}}}")
    lines += _hardware(widths, [(kind.name, kind.slots, kind.seen) for kind in kinds])
    n_features = 3 * sum(kind.slots for kind in kinds)
    notes = (
        *notes,
        *widths.notes,
        *_left(kinds),
        *(f"no event has a {name}, so that there is none here" for name in never),
    )
    return Described(None, tuple(lines), found.n_events, n_features, False, False, notes=notes)


def _is_jagged(found: TableSurvey, name: str) -> bool:
    return found.columns[name].longest is not None


def _not_shared(lacking: frozenset[str], events: EventColumns) -> tuple[str, ...]:
    """Name the columns that other processes lack, but for those that only the background must have."""
    named = ", ".join(sorted(lacking - {events.pileup, events.run, events.existing_trigger, events.weight}))
    return (f"not all processes have {named}, so that nothing of this is used",) if named else ()


def _left(kinds: Sequence[KindColumns]) -> tuple[str, ...]:
    return tuple(
        f"{kind.name} has no {' and no '.join(missing)}"
        for kind in kinds
        if (missing := [q for q in ("eta", "phi") if q not in kind.seen]) and kind.name != "met"
    )


def _group(events: EventColumns, usual: Sequence[str] = ()) -> list[str]:
    if events.group and events.group == tuple(usual):
        return []
    if not events.group:
        return ["  group: null  # each event for itself; or columns: events with the same numbers stay in one split"]
    named = ", ".join(map(quoted, events.group))
    return [f"  group: [{named}]  # events with the same numbers stay in the same split"]


def _columns(events: EventColumns) -> list[str]:
    keys = ("existing_trigger", "pileup", "run", "weight")
    named = [f"{key}: {quoted(name)}" if (name := getattr(events, key)) else f"{key}: null" for key in keys]
    lines = [f"  columns: {{{', '.join(named)}}}  # that rates are told apart by, if there"]
    if events.split:
        names = ", ".join(f"{part}: [{', '.join(map(_text, own))}]" for part, own in events.split_names.items())
        lines.append(f"  split: {{column: {quoted(events.split)}{f', names: {{{names}}}' if names else ''}}}")
    elif events.group:
        lines += _split(events.n_groups)
    return lines


def _text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _split(n_groups: int) -> list[str]:
    """Give few groups a split of which no part stays empty."""
    return ["  split: {train: 0.5, validation: 0.2, test: 0.3}  # of few groups"] if n_groups < MANY_GROUPS else []


def _hardware(widths: Widths, kinds: Sequence[tuple[str, int, Mapping[str, Observed]]]) -> list[str]:
    what = "what a step of pT stands for" if widths.integers else "a step of pT"
    lines = [
        "  hardware:",
        f"    pt_lsb_gev: {widths.pt_lsb:g}  # {what}",
        f"    eta_lsb: {widths.eta_lsb:g}",
        f"    phi_steps: {widths.phi_steps}  # of a turn",
        "    objects:  # slots, and the bits that hold what was observed",
    ]
    for name, slots, seen in kinds:
        pt, eta, phi = widths.bits[name]
        observed = ", ".join(f"{q} {own.low:.6g} to {own.high:.6g}" for q, own in seen.items() if not own.is_empty)
        lines.append(
            f"      - {{name: {quoted(name)}, slots: {slots}, pt_bits: {pt}, eta_bits: {eta}, phi_bits: {phi}}}"
            f"  # {observed}"
        )
    return lines


def _of_arrays(found: ArraySurvey) -> Described:
    single = {name: seen for name, seen in found.beside.items() if found.widths[name] == 1}
    events = match_event_columns(single, found.lacking)
    bits = match_event_columns(found.beside).existing_trigger
    events = events._replace(existing_trigger=bits)
    if _are_objects(found):
        return _of_objects(found, events)
    if int(np.prod(found.shape)) > _MOST_CELLS or len(found.shape) > 3:
        raise InputError(
            f"an event of `{found.name}` has the shape {found.shape}; a config takes up to {_MOST_CELLS:,} cells in "
            "three dimensions, so average or cut it"
        )
    widths = array_widths(found.whole)
    lines = (
        f"  dataset: {quoted(found.name)}  # (events, {', '.join(map(str, found.shape))})",
        *_group(events),
        *_columns(events),
        *_array("cell", found.shape, widths.bits, widths.signed, widths.lsb),
        f"    # {found.whole.low:.6g} to {found.whole.high:.6g} was observed",
        *_scaling(widths.signed),
    )
    return Described(
        None, lines, found.n_events, int(np.prod(found.shape)), True, widths.signed,
        notes=events.notes + _not_taken(found) + _coarse(found, widths),
    )  # fmt: skip


def _not_taken(found: ArraySurvey) -> tuple[str, ...]:
    named = ", ".join(found.others)
    return (f"`{found.name}` is taken for the events, and of {named} nothing is used",) if named else ()


def _coarse(found: ArraySurvey, widths: ArrayWidths) -> tuple[str, ...]:
    """Name cells, such as angles beside momenta, of which the one step for all leaves few codes."""
    if found.cells is None or found.whole.whole:
        return ()
    steps = (found.cells[1] - found.cells[0]) / widths.lsb
    n_coarse = np.count_nonzero((steps > 0) & (steps < _FEW_CODES))
    said = f"{n_coarse} of {len(steps)} cells take fewer than {_FEW_CODES} codes, since `lsb` is one for all: "
    return (f"{said}give pT, eta and phi as objects, or bring the cells to one range",) if n_coarse else ()


def _scaling(signed: bool) -> list[str]:
    if signed:
        return []
    return ["  scaling: {offset: mean, shift: common}  # cells that are mostly 0 count as little as they are"]


def _array(name: str, shape: Sequence[int], bits: int, signed: bool, lsb: float) -> list[str]:
    more = ", signed: true" * signed + f", lsb: {lsb!r}" * (lsb != 1.0)
    return ["  hardware:", f"    array: {{name: {name}, shape: {[*map(int, shape)]}, bits: {bits}{more}}}"]


def _are_objects(found: ArraySurvey) -> bool:
    """Tell whether the last axis is pT, eta and phi: amounts, then numbers of either sign, the last within a turn."""
    if not found.parts or found.whole.is_empty:
        return False
    pt, eta, phi = found.parts
    has_pt = pt.high > 0 and not pt.low < 0  # NaN is refused later
    return has_pt and (min(eta.low, phi.low) < 0 or found.name.lower() in {"particles", "objects", "l1objects"})


def _of_objects(found: ArraySurvey, events: EventColumns) -> Described:
    kinds = _slots_by_class(found)
    pt, eta, phi = found.parts
    seen = {"pt": pt, "eta": eta, "phi": phi}
    widths = object_widths([Kind(name, slots, seen) for name, slots in kinds])
    own = (f"  dataset: {quoted(found.name)}  # (events, slots, 3 or more): pT, eta, phi", *_group(events))
    is_adc = found.shape == _ADC_SHAPE and tuple(kinds) == _ADC and not widths.integers
    if is_adc:
        return Described("adc2021", (*own, *_columns(events)), found.n_events, 57, False, False, notes=events.notes)
    values = ("  values: integers  # as the trigger sends them",) if widths.integers else ()
    lines = (*own, *values, *_columns(events), *_hardware(widths, [(name, slots, seen) for name, slots in kinds]))
    return Described(
        None,
        lines,
        found.n_events,
        3 * found.shape[0],
        False,
        False,
        notes=events.notes + widths.notes + _not_taken(found),
    )


def _slots_by_class(found: ArraySurvey) -> list[tuple[str, int]]:
    """Name the slots by the class that the files say of them, as ADC2021 does; else they are of one kind."""
    classes = [int(own[0]) if len(own) == 1 and np.isfinite(own[0]) else 0 for own in found.slots]
    kinds: list[tuple[str, int]] = []
    for index, number in enumerate(classes):
        name = _CLASSES.get(number, "")
        if not name and index and kinds:
            name = kinds[-1][0]  # a slot that no event of the first ones fills is like the one before it
        if kinds and kinds[-1][0] == name:
            kinds[-1] = name, kinds[-1][1] + 1
        else:
            kinds.append((name, 1))
    names = [name for name, _ in kinds]
    if all(names) and len(set(names)) == len(names) and kinds:
        return kinds
    return [*_ADC] if found.shape == _ADC_SHAPE else [("object", found.shape[0])]


def _of_sounds(found: SoundSurvey) -> Described:
    from fpgaae.data.domains.sounds import Options  # noqa: PLC0415

    options = Options()
    n_features = options.bands * options.frames
    said = ", ".join(f"{key}: {getattr(options, key)}" for key in ("bands", "frames", "window", "hop"))
    lines = (
        "  reader: sounds  # log-mel spectra of frames, five of which are an event; events of a clip stay together",
        f"  # {found.n_clips:,} clips of {found.rate:,} samples a second",
        f"  options: {{{said}}}",
        *_split(found.n_clips),
        *_array("level", [n_features], 8, True, 1.0),
    )
    return Described(None, lines, found.n_events, n_features, True, True, groups_of_clips=True)


def _of_images(found: ImageSurvey) -> Described:
    lines = (
        "  reader: images  # `FILE#0-2,4` chooses classes",
        *_array("pixel", found.shape, 8, False, 1.0),
        *_scaling(False),
    )
    return Described(None, lines, found.n_events, int(np.prod(found.shape)), True, False)
