"""Where events come from: an event file of a config, the chunks that a reader gives, and what each reader is.

How a format is read does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import TOY_PREFIX, Data
from fpgaae.errors import InputError
from fpgaae.section import Section

TRIGGER_BITS = "existing_trigger"
BITS_A_COLUMN = 32
_PACKED = "existing_trigger_bits_"
WEIGHT = "weight"
_TOY_EVENTS = 20_000


@dataclass(frozen=True)
class EventFile:
    """An entry of `data.files`: a file on the disk, or a sample that its reader makes up or holds.

    `PATH#SELECTION` and `toy:KIND:EVENTS#SELECTION` choose a part of the events, where the reader knows parts.
    """

    name: str  # as it is shown
    path: Path | None  # None for a toy
    toy: str = ""
    n_toy_events: int = 0
    selection: str = ""
    split: str = ""  # that all its events belong to, where the config says so

    def __str__(self) -> str:
        """Give its name."""
        return self.name


def toy_file(name: str, selection: str) -> EventFile:
    """Read `toy:KIND` or `toy:KIND:EVENTS`.

    Raises
    ------
    InputError
        If the number of events is none.
    """
    kind, _, events = name.removeprefix(TOY_PREFIX).partition(":")
    if events and not (events.isdecimal() and int(events) > 0):
        raise InputError(f"{name}: `{events}` is no number of events; write toy:KIND or toy:KIND:EVENTS")
    return EventFile(name, None, kind, int(events or _TOY_EVENTS), selection)


Counts = Mapping[str, Mapping[str, int]]  # what was done or seen, then of which kind of object


class EventChunk(NamedTuple):
    """Consecutive events of a file."""

    first_event: int
    values: NDArray[np.number]  # (n, n_slots, >= 3) of trigger objects, or (n, *shape) of an array
    groups: NDArray[np.int64]  # (n,)
    columns: Mapping[str, NDArray[np.float64]] = MappingProxyType({})  # (n,) each: those of `Columns`, trigger bits
    integers: bool = False  # whether objects are integers as declared, and not in GeV and rad
    kept: NDArray[np.bool_] | None = None  # (n,) whether an event fulfils `where`; None: all do
    splits: NDArray[np.int64] | None = None  # (n,) index of the split that the file says in `SPLITS`
    counts: Counts = MappingProxyType({})
    is_ordered: bool = False  # whether the objects are in the order that the config asks for
    names: Mapping[str, str] = MappingProxyType({})  # the column that `KIND.QUANTITY` stands in


def with_counts(chunk: EventChunk, what: str, found: Mapping[str, int]) -> EventChunk:
    """Add numbers to the counts of a chunk."""
    if not found:
        return chunk
    before = chunk.counts.get(what, {})
    total = {**before, **{kind: before.get(kind, 0) + n for kind, n in found.items()}}
    return chunk._replace(counts={**chunk.counts, what: total})


class Source:
    """An open event file."""

    n_events: int
    seekable = True  # whether reading may begin anywhere
    layout: tuple[str, ...] = ()  # names that all files of a process must have in common

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""
        raise NotImplementedError

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reader(NamedTuple):
    """A domain: what `data.reader` names is a module that holds one of these as `READER`.

    `open` gives None for a file that it does not know, which is then read as an HDF5 or npz array; it raises an
    InputError for one that it knows and that is wrong.
    """

    options: type[Section]  # what `data.options` may hold
    open: Callable[[EventFile, Data, Any], Source | None]
    toys: tuple[str, ...] = ()  # the kinds of `toy:KIND`
    beside: Callable[[Path], Sequence[Path]] = lambda _: ()  # other files that a file is read with, as its labels


def trigger_columns(values: NDArray[Any], column: str) -> dict[str, NDArray[np.float64]]:
    """Give a column, one number an event; of trigger bits, whether any is set, and beside it the bits themselves.

    A bit that is NaN makes the number NaN, which no event may have.

    The bits stand in further columns of `BITS_A_COLUMN` each, exact in float64: the first is the lowest.
    """
    if column != TRIGGER_BITS:
        return {column: values.astype(np.float64)}
    given = values.reshape(len(values), -1)
    bits = given != 0
    found = {column: bits.any(axis=1).astype(np.float64)}
    if given.dtype.kind == "f":
        found[column][np.isnan(given).any(axis=1)] = np.nan
    if values.ndim == 1:
        return found
    for first in range(0, bits.shape[1], BITS_A_COLUMN):
        own = bits[:, first : first + BITS_A_COLUMN]
        name = f"{_PACKED}{first}_{first + own.shape[1]}"
        found[name] = own @ np.ldexp(1.0, np.arange(own.shape[1]))
    return found


def weights_of(columns: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Give the weights of the events by process, from their columns; a process without any is left out."""
    return {process: own[WEIGHT] for process, own in columns.items() if WEIGHT in own}


def unpack_bits(columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_] | None:
    """Give the trigger bits that `trigger_columns` packed, (n_events, n_bits), or None where there are none."""
    packed = {}
    for name, words in columns.items():
        if name.startswith(_PACKED):
            first, _, last = name.removeprefix(_PACKED).partition("_")
            packed[int(first)] = (words.astype(np.int64)[:, None] >> np.arange(int(last) - int(first))) & 1 != 0
    return np.concatenate([packed[first] for first in sorted(packed)], axis=1) if packed else None
