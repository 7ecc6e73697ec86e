"""HDF5 and npz files as tables: a dataset a column, or a field of one, with a number or a list of numbers an event."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.data.arrays import Member, open_member
from fpgaae.data.backends import Backend, Column, is_text
from fpgaae.data.hdf5_checks import has_numpy_type, refuse_what_is_elsewhere
from fpgaae.errors import InputError

_MOST_AXES = 2  # events, and slots


def is_array_file(file: Path) -> bool:
    """Tell whether a file is HDF5 or npz."""
    return h5py.is_hdf5(file) or zipfile.is_zipfile(file)


def open_arrays(file: Path, wanted: Iterable[str]) -> Backend:
    """Open an HDF5 or npz file for some of its columns."""
    return _Hdf5Table(file, wanted) if h5py.is_hdf5(file) else _NpzTable(file, wanted)


def _columns_of(name: str, n_axes: int, dtype: np.dtype[Any]) -> dict[str, str]:
    """Give the names of a dataset's columns, and the field of each; a group and a field are separated by points."""
    if not 1 <= n_axes <= _MOST_AXES:
        return {}
    column = name.replace("/", ".")
    if dtype.names is None:
        return {column: ""} if n_axes + dtype.ndim <= _MOST_AXES else {}
    fields = [field for field in dtype.names if n_axes + dtype[field].ndim <= _MOST_AXES]
    return {f"{column}.{field}": field for field in fields}


def _column(rows: NDArray[Any], field: str) -> Column:
    values = rows[field] if field else rows
    if values.dtype == object and values.ndim == 1 and not is_text(values):  # lists of any length
        lengths = np.array([len(of) for of in values], dtype=np.int64)
        return Column(lengths, np.concatenate([*values]) if len(values) else np.zeros(0))
    if values.ndim == 1:
        return Column(None, values)
    return Column(np.full(len(values), values.shape[1], dtype=np.int64), values.reshape(-1))


class _ArrayTable(Backend):
    """What both have in common."""

    def _require_one_length(self, file: Path, lengths: Mapping[str, int]) -> None:
        self.n_rows = next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != self.n_rows:
                raise InputError(
                    f"{file}: `{name}` has {length:,} events, but `{next(iter(lengths))}` has {self.n_rows:,}; give "
                    "columns of the same events"
                )


class _Hdf5Table(_ArrayTable):
    """An HDF5 file."""

    seekable = True

    def __init__(self, file: Path, wanted: Iterable[str]) -> None:
        wanted = list(wanted)
        with ExitStack() as opened:
            self._file = opened.enter_context(h5py.File(file, "r"))
            places: dict[str, tuple[str, str]] = {}

            def note(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset) and item.shape is not None and has_numpy_type(item):
                    found = _columns_of(name, item.ndim, item.dtype)
                    places.update({column: (name, field) for column, field in found.items()})

            self._file.visititems(note)
            for name in [column.replace(".", "/") for column in wanted if column not in places]:
                refuse_what_is_elsewhere(self._file, name, file)
                note(name, self._file.get(name))  # links within the file are not visited
            self.names = [*places]
            self._places = {column: places[column] for column in wanted if column in places}
            for name in dict.fromkeys(name for name, _ in self._places.values()):
                refuse_what_is_elsewhere(self._file, name, file)
            self._require_one_length(
                file, {column: len(self._file[name]) for column, (name, _) in self._places.items()}
            )
            self._opened = opened.pop_all()

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give consecutive rows."""
        names = dict.fromkeys(name for name, _ in self._places.values())
        rows = {name: self._file[name][start : start + count] for name in names}
        return {column: _column(rows[name], field) for column, (name, field) in self._places.items()}

    def close(self) -> None:
        """Release the file."""
        self._opened.close()


class _NpzTable(_ArrayTable):
    """The members of an npz file, read forward only."""

    def __init__(self, file: Path, wanted: Iterable[str]) -> None:
        with ExitStack() as opened:
            archive = opened.enter_context(zipfile.ZipFile(file))
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            places: dict[str, tuple[str, str]] = {}
            self._members: dict[str, Member] = {}
            wanted = set(wanted)
            for name in members:
                with ExitStack() as own:
                    try:
                        member = open_member(own, archive, name, file)
                    except InputError:
                        if any(column == name or column.startswith(f"{name}.") for column in wanted):
                            raise
                        continue  # nothing is read of it
                    found = _columns_of(name, len(member.shape), member.dtype)
                    if wanted & found.keys():
                        self._members[name] = member
                        opened.push(own.pop_all())
                places.update({column: (name, field) for column, field in found.items()})
            self.names = [*places]
            self._places = {column: place for column, place in places.items() if column in wanted}
            self._require_one_length(
                file, {column: self._members[name].shape[0] for column, (name, _) in self._places.items()}
            )
            self._opened = opened.pop_all()

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give the next rows."""
        rows = {name: member.read(count) for name, member in self._members.items()}
        return {column: _column(rows[name], field) for column, (name, field) in self._places.items()}

    def close(self) -> None:
        """Release the file."""
        self._opened.close()
