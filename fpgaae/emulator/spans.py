"""What a worker does: a span of an event file to score codes and decisions, in part files that survive a kill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Columns, Data, Split
from fpgaae.data.integers import narrow_event_words
from fpgaae.data.parts import SpanDone, part_files, read_arrays, write_part
from fpgaae.data.readers import CHUNK_EVENTS, read_events
from fpgaae.data.tally import Tally
from fpgaae.emulator.package import open_binding
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes

PART_EVENTS = 4 * CHUNK_EVENTS  # events of a part file, which is all that a kill can lose


class Job(NamedTuple):
    """An event file and where its results go; every path is the same for all workers."""

    file: Path
    data: Data
    package: Path  # of the compiled emulator
    name: str
    parts: Path  # folder of the part files
    thresholds: tuple[int, ...] | None = None  # codes in the place of the trained ones


def scored_data(data: Data) -> Data:
    """Give how events are read that get a score each: all of a file's, without what a score does not need.

    `where` stays, since it says which of them count.
    """
    nothing_else = {"group": None, "columns": Columns(), "split": Split()}
    return data.model_copy(update=nothing_else)


class Scored(NamedTuple):
    """The firmware's answer for consecutive events."""

    scores: Codes  # (n,)
    accept: NDArray[np.uint8]  # (n, n_thresholds)
    objects: NDArray[np.int64]  # (1, n_kinds, 2): how many, and how many of these at the largest pT
    kept: NDArray[np.uint8]  # (n,) whether the event fulfils `data.where`


def read_part(file: Path) -> Scored:
    """Read a part file.

    Raises
    ------
    InputError
        If it is damaged.
    """
    return Scored(**read_arrays(file))


def score_span(job: Job, span: range) -> SpanDone:
    """Score a span that begins at a multiple of `PART_EVENTS`; parts that are there already are left."""
    names = part_files(job.parts, span.stop, PART_EVENTS)[span.start // PART_EVENTS :]
    if all(name.is_file() for name in names):
        return SpanDone(len(span))
    try:
        for name, part in _missing_parts(job, span, names):
            write_part(name, part._asdict())
    except InputError as error:
        return SpanDone(0, str(error))
    return SpanDone(len(span))


def _missing_parts(job: Job, span: range, names: Sequence[Path]) -> Iterator[tuple[Path, Scored]]:
    """Score the parts that are not there; a file that can't be read from its middle is read past the others."""
    emulator = _emulator(job.package, job.name)
    done: list[Scored] = []
    end = 0
    for chunk in read_events(job.file, job.data, CHUNK_EVENTS, span):
        name = names[end // PART_EVENTS]
        end += len(chunk.values)
        if name.is_file():
            continue
        scores, accept = emulator.score(narrow_event_words(chunk, job.data))
        if job.thresholds is not None:
            accept = emulator.decide(scores, np.array(job.thresholds, dtype=np.int64))
        kept = np.ones(len(scores), dtype=np.bool_) if chunk.kept is None else chunk.kept
        tally = Tally(job.data)
        if job.data.hardware.array is None:
            tally.count_objects(chunk, kept)
        done.append(Scored(scores, accept.astype(np.uint8), tally.shares[None], kept.astype(np.uint8)))
        if end % PART_EVENTS == 0 or end == len(span):
            yield name, _joined(done)
            done = []


def _joined(parts: list[Scored]) -> Scored:
    return Scored(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@cache
def _emulator(package: Path, name: str) -> Any:  # noqa: ANN401
    """Open the emulator once in each worker."""
    return open_binding(package, name)
