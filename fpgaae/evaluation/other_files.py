"""Events of files that are no part of an experiment, read as its config says, and the bunch crossings they stand for.

What is made of the events does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.config.experiment import Trigger
from fpgaae.data.integers import event_codes
from fpgaae.data.readers import read_events
from fpgaae.data.source import EventFile
from fpgaae.data.tally import Tally
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.hls.working_points import crossings_without

_CHUNK = 16_384


class OtherChunk(NamedTuple):
    """Consecutive events that are kept: hardware codes (n, n_features), groups and columns (n,) of the same order."""

    codes: Codes
    groups: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    n_read: int  # events, those that are left out among them


class OtherFiles:
    """Reads the files of one process, and counts what is left out of them.

    Parameters
    ----------
    files
        In the order in which they are read.
    data
        The section of the config that says what they hold.
    limit
        Of the events that are kept: no more are read.
    needed
        Columns of the events, such as `weight`, that every file has to have where the config names them.

    Raises
    ------
    InputError
        If a file is given twice.
    """

    def __init__(
        self, files: Sequence[EventFile | Path], data: Data, limit: int | None = None, needed: Sequence[str] = ()
    ) -> None:
        self._files, self._data, self._limit = tuple(files), data, limit
        self._needed = {column: name for column, name in data.columns.named.items() if column in needed}
        self._tally = Tally(data)
        seen: set[tuple[Path, str]] = set()
        for file in self._files:
            path, selection = (file, "") if isinstance(file, Path) else (file.path, file.selection)
            if path is None:
                continue
            if (path.resolve(), selection) in seen:
                raise InputError(f"{file} is given twice, so that its events would count twice; give it once")
            seen.add((path.resolve(), selection))

    def chunks(self) -> Iterator[OtherChunk]:
        """Read the events that the config keeps.

        Groups of different files are different ones, unless `data.group` names the columns that tell them apart.

        Raises
        ------
        InputError
            If a file is damaged or has another layout, or not the columns of the others.
        """
        left, next_group = self._limit, 0
        first: frozenset[str] | None = None
        for file in self._files:
            offset = 0 if self._data.group_columns else next_group
            for chunk in read_events(file, self._data, _CHUNK):
                self._check_columns(file, chunk.columns, first)
                first = frozenset(chunk.columns)
                codes = event_codes(chunk, self._data)
                taken = np.flatnonzero(self._tally.add(chunk, codes))[:left]
                groups = chunk.groups + offset
                next_group = max(next_group, int(groups.max(initial=-1)) + 1)
                columns = {name: values[taken] for name, values in chunk.columns.items()}
                yield OtherChunk(codes[taken], groups[taken], columns, len(codes))
                if left is not None and (left := left - len(taken)) <= 0:
                    return

    def _check_columns(
        self, file: EventFile | Path, found: Mapping[str, NDArray[np.float64]], first: frozenset[str] | None
    ) -> None:  # fmt: skip
        for column, name in self._needed.items():
            if column not in found:
                raise InputError(
                    f"{file} has no column `{name}`, as `data.columns.{column}` says; give one that has it"
                )
        if first is not None and (differs := sorted(first ^ found.keys())):
            raise InputError(
                f"{file} has other columns than {self._files[0]}: `{differs[0]}` is in one of both only; give files of "
                "one kind"
            )

    def refusal(self) -> str | None:
        """Say why the events that were read can't be what the config says, if that is so."""
        found = self._tally.refusal()
        return None if found is None else f"{self}: {found}"

    def crossings(self, trigger: Trigger) -> Trigger:
        """Give the trigger with the rate of those bunch crossings only that the kept events stand for.

        Raises
        ------
        InputError
            If a threshold is to have a rate that the kept crossings do not have.
        """
        return crossings_without(trigger, self._tally.seen().dropped_share, f"{self}: ")

    def __str__(self) -> str:
        """Name the files: the one, or the first and how many more there are."""
        more = len(self._files) - 1
        return f"{self._files[0]} and {more} more files" if more else str(self._files[0])
