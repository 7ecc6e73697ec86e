"""What a worker does in the stage `data`: a span of an event file to hardware integers by split, part by part.

A part does not depend on the chunks that a file is read in. What is made of the parts does not belong here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.features import SpreadAccumulator
from fpgaae.data.integers import narrow_event_codes
from fpgaae.data.layout import HardwareFeature, hardware_features
from fpgaae.data.parts import SpanDone, part_files, read_arrays, write_part
from fpgaae.data.readers import read_events
from fpgaae.data.source import EventChunk, EventFile
from fpgaae.data.splits import SPLITS, split_of_groups, split_of_signal_groups
from fpgaae.data.tally import Tally
from fpgaae.errors import InputError
from fpgaae.files import Json

_MOST_EVENTS = 65_536  # of a part
_PART_BYTES = 2**25
_COLUMN = "column "


class CodingJob(NamedTuple):
    """An event file of a process, and where its parts go; every path is the same for all workers."""

    config: Config
    process: str
    file: EventFile
    group_offset: int  # of a file whose events have no group in common with those of the files before
    parts: Path  # folder of the part files

    @property
    def is_background(self) -> bool:
        """Whether its events are trained on."""
        return self.process == self.config.data.background


class Rows(NamedTuple):
    """The events of one split: codes (n, n_features), groups and columns (n,) of the same order."""

    codes: NDArray[np.signedinteger]
    groups: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]


class Part(NamedTuple):
    """What became of consecutive events of a file."""

    n_events: int  # those that are left out among them
    splits: Mapping[str, Rows]  # of every split, in the order of `SPLITS`
    tally: Json  # `Tally.state`
    spread: NDArray[np.int64]  # `SpreadAccumulator.state`
    group: int | None  # of the first event that is kept
    one_group: bool  # whether all that are kept have that one
    next_group: int  # above the groups of all events, without the offset


def part_events(config: Config) -> int:
    """Give the number of events of a part, whose memory is bounded."""
    hardware = hardware_features(config.data.hardware)
    most = max(_PART_BYTES // (len(hardware) * np.dtype(code_type(hardware)).itemsize), 1)
    return min(_MOST_EVENTS, 1 << (most.bit_length() - 1))


def code_type(hardware: tuple[HardwareFeature, ...]) -> type[np.signedinteger]:
    """Give the narrowest type of the store that holds every code."""
    return np.int16 if max(feature.max_code for feature in hardware) < 2**15 else np.int32


def code_span(job: CodingJob, span: range) -> SpanDone:
    """Write the parts of a span that begins at a multiple of `part_events`; those that are there already are left."""
    n_events = part_events(job.config)
    names = part_files(job.parts, span.stop, n_events)[span.start // n_events :]
    if all(name.is_file() for name in names):
        return SpanDone(len(span))
    job.parts.mkdir(parents=True, exist_ok=True)
    try:
        for name, part in zip(names, coded_parts(job, span), strict=True):
            if not name.is_file():
                write_part(name, _arrays(part))
    except InputError as error:
        return SpanDone(0, str(error))
    return SpanDone(len(span))


def group_end(job: CodingJob) -> int:
    """Give a number above the groups of all events of a file."""
    return max((int(chunk.groups.max(initial=-1)) + 1 for chunk in read_events(job.file, job.config.data)), default=0)


def coded_parts(job: CodingJob, span: range) -> Iterator[Part]:
    """Read a span, and give its parts in order.

    Raises
    ------
    InputError
        If the events can't be what the config says.
    """
    n_events = part_events(job.config)
    begun = _Begun(job)
    for chunk in read_events(job.file, job.config.data, span=span):
        left: EventChunk | None = chunk
        while left is not None:
            piece, left = _cut(left, n_events - begun.n_events)
            begun.add(piece)
            if begun.n_events == n_events:
                yield begun.part()
                begun = _Begun(job)
    if begun.n_events:
        yield begun.part()


def _cut(chunk: EventChunk, n_events: int) -> tuple[EventChunk, EventChunk | None]:
    """Divide a chunk behind a number of events; what was counted of it stays with the first piece."""
    if len(chunk.groups) <= n_events:
        return chunk, None
    first, second = (_rows(chunk, rows) for rows in (slice(n_events), slice(n_events, None)))
    return first, second._replace(first_event=chunk.first_event + n_events, counts={})


def _rows(chunk: EventChunk, rows: slice) -> EventChunk:
    return chunk._replace(
        values=chunk.values[rows],
        groups=chunk.groups[rows],
        columns={name: values[rows] for name, values in chunk.columns.items()},
        kept=None if chunk.kept is None else chunk.kept[rows],
        splits=None if chunk.splits is None else chunk.splits[rows],
    )


class _Begun:
    """A part on its way."""

    def __init__(self, job: CodingJob) -> None:
        self._job = job
        self._data = job.config.data
        hardware = hardware_features(self._data.hardware)
        self._type = code_type(hardware)
        self._rows: dict[str, list[Rows]] = {name: [] for name in SPLITS}
        self._tally, self._spread = Tally(self._data), SpreadAccumulator(len(hardware))
        self._group: int | None = None
        self._one_group = True
        self._next_group = 0
        self.n_events = 0

    def add(self, chunk: EventChunk) -> None:
        """Take in the next events."""
        if self._job.is_background:
            self._check_columns(chunk)
        codes = narrow_event_codes(chunk, self._data, self._type)
        kept = self._tally.add(chunk, codes)
        groups = chunk.groups
        self._next_group = max(self._next_group, int(groups.max(initial=-1)) + 1)
        if not self._data.group_columns:
            groups = groups + self._job.group_offset
        self._look_for_groups(groups[kept])
        overflow = self._tally.overflow_slots(chunk)
        split = self._split(chunk, groups)
        for index, name in enumerate(SPLITS):
            mine = kept & (split == index)
            columns = {column: values[mine] for column, values in chunk.columns.items()}
            own = codes[mine]
            self._rows[name].append(Rows(own, groups[mine], columns))
            if name == "train" and self._job.is_background:
                self._spread.add(own, None if overflow is None else overflow[mine])
        self.n_events += len(codes)

    def _check_columns(self, chunk: EventChunk) -> None:
        for column, name in self._data.columns.named.items():
            if column not in chunk.columns:
                raise InputError(
                    f"{self._job.file} has no dataset `{name}`; correct `data.columns.{column}` or set it to null"
                )

    def _split(self, chunk: EventChunk, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the split of each event: as the file or its column says, or by its group."""
        if self._job.file.split:
            return np.full(len(groups), SPLITS.index(self._job.file.split))
        if chunk.splits is not None:
            return chunk.splits
        split_of = split_of_groups if self._job.is_background else split_of_signal_groups
        return split_of(groups, self._data.split, self._job.config.split_seed)

    def _look_for_groups(self, groups: NDArray[np.int64]) -> None:
        if self._one_group and groups.size:
            self._group = int(groups[0]) if self._group is None else self._group
            self._one_group = bool((groups == self._group).all())

    def part(self) -> Part:
        """Give the part."""
        splits = {name: _joined(rows) for name, rows in self._rows.items()}
        state = self._tally.state(), self._spread.state()
        return Part(self.n_events, splits, *state, self._group, self._one_group, self._next_group)


def _joined(rows: list[Rows]) -> Rows:
    if len(rows) == 1:
        return rows[0]
    codes, groups = (np.concatenate(own) for own in ([r.codes for r in rows], [r.groups for r in rows]))
    return Rows(codes, groups, {name: np.concatenate([r.columns[name] for r in rows]) for name in rows[0].columns})


def _arrays(part: Part) -> dict[str, NDArray[Any]]:
    """Give what a part file holds."""
    facts = {"tally": part.tally, "group": part.group, "one_group": part.one_group, "next_group": part.next_group}
    arrays: dict[str, NDArray[Any]] = {"spread": part.spread, "n_events": np.array(part.n_events)}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    for split, rows in part.splits.items():
        arrays |= {f"{split}/codes": rows.codes, f"{split}/groups": rows.groups}
        arrays |= {f"{split}/{_COLUMN}{name}": values for name, values in rows.columns.items()}
    return arrays


def read_part(file: Path) -> Part:
    """Read a part file.

    Raises
    ------
    InputError
        If it is damaged.
    """
    arrays = read_arrays(file)
    splits = {
        split: Rows(
            arrays[f"{split}/codes"],
            arrays[f"{split}/groups"],
            {
                name.removeprefix(f"{split}/{_COLUMN}"): values
                for name, values in arrays.items()
                if name.startswith(f"{split}/{_COLUMN}")
            },
        )
        for split in SPLITS
    }
    facts = json.loads(arrays["facts"].tobytes())
    return Part(splits=splits, spread=arrays["spread"], n_events=int(arrays["n_events"]), **facts)
