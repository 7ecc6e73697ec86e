"""Arrays of events in HDF5 and npz files: a dataset (events, slots, 3 or more) or (events, *shape), and more beside.

Tables and the formats of single domains do not belong here.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.config.table import TableValues
from fpgaae.data.hdf5_checks import refuse_what_is_elsewhere
from fpgaae.data.selection import joined_groups, select, selecting_columns
from fpgaae.data.source import TRIGGER_BITS, EventChunk, Source, trigger_columns
from fpgaae.errors import InputError
from fpgaae.limits import ITEM_BYTES, ROW_BYTES, in_mebibytes
from fpgaae.limits import TRIGGER_BITS as MOST_TRIGGER_BITS

_NARROW = 16  # values of a slot that are read whole: cheaper than choosing three of them
_PIECE_BYTES = 2**24


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[np.generic], file: Path, data: Data) -> None:
    slots, array = data.hardware.n_slots, data.hardware.array
    if array is not None and shape[1:] != array.shape:
        wanted = ", ".join(map(str, array.shape))
        raise InputError(
            f"{file}: `{data.dataset}` has the shape {shape}, but `hardware.array` needs (events, {wanted})"
        )
    if array is None and (len(shape) != 3 or shape[1] != slots or shape[2] < 3):
        raise InputError(
            f"{file}: `{data.dataset}` has the shape {shape}, "
            f"but the objects of the config need (events, {slots}, 3 or more)"
        )
    if dtype.kind not in "fiu":
        raise InputError(f"{file}: `{data.dataset}` holds {_shown(dtype)} values, but numbers are needed")
    if prod(shape[1:]) * dtype.itemsize > ROW_BYTES:
        raise InputError(
            f"{file}: an event of `{data.dataset}` has {in_mebibytes(prod(shape[1:]) * dtype.itemsize)}, more than "
            f"{in_mebibytes(ROW_BYTES)}; leave out what is behind pT, eta and phi"
        )
    if shape[0] == 0:
        raise InputError(f"{file}: `{data.dataset}` holds no events")


def _shown(dtype: np.dtype[np.generic]) -> str:
    return "text" if dtype.kind in "SUO" else str(dtype)


def _check_groups(shape: tuple[int, ...], dtype: np.dtype[np.generic], n_events: int, file: Path, name: str) -> None:
    if shape != (n_events,):
        raise InputError(f"{file}: `{name}` has the shape {shape}, not ({n_events},); correct `data.group`")
    if dtype.kind not in "iu":
        raise InputError(
            f"{file}: `{name}` holds {_shown(dtype)} values, but whole numbers are needed; correct `data.group`"
        )


def _check_column(shape: tuple[int, ...], dtype: np.dtype[np.generic], n_events: int, file: Path, column: str) -> None:
    wanted = 2 if column == TRIGGER_BITS else 1
    if (
        not 1 <= len(shape) <= wanted
        or prod(shape[1:]) > MOST_TRIGGER_BITS
        or shape[0] != n_events
        or dtype.kind not in "biuf"
    ):
        bits = f" or ({n_events}, bits)" if column == TRIGGER_BITS else ""
        raise InputError(
            f"{file}: the dataset of `data.columns.{column}` has the shape {shape} and type {_shown(dtype)}, not "
            f"numbers of shape ({n_events},){bits}; correct `data.columns`"
        )


def _check_selecting(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], n_events: int, file: Path, name: str, key: str
) -> None:
    if shape != (n_events,):
        raise InputError(f"{file}: `{name}` has the shape {shape}, not ({n_events},); correct `{key}`")
    if dtype.itemsize > ITEM_BYTES:
        raise InputError(
            f"{file}: `{name}` has {dtype.itemsize:,} bytes an event, more than {ITEM_BYTES:,}; shorten it"
        )


def _joined(columns: Iterable[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: values for found in columns for name, values in found.items()}


def _bit_layout(columns: Mapping[str, Any]) -> list[str]:
    """Say how many trigger bits there are, where the column has them one by one: all files need as many."""
    return [f"{prod(c.shape[1:])} bits of {k}" for k, c in columns.items() if len(c.shape) > 1]


class _ArraySource(Source):
    """What HDF5 and npz files have in common."""

    _data: Data
    _path: Path

    def _selected(
        self, chunk: EventChunk, groups: list[NDArray[Any]], selecting: dict[str, NDArray[Any]]
    ) -> EventChunk:
        """Add what columns say of each event."""
        kept, splits = select(self._data, selecting.__getitem__, self._path)
        integers = self._data.values is TableValues.INTEGERS and self._data.hardware.array is None
        chunk = chunk._replace(kept=kept, splits=splits, integers=integers)
        return chunk._replace(groups=joined_groups(groups)) if groups else chunk


class Hdf5Source(_ArraySource):
    """An HDF5 file."""

    def __init__(self, file: Path, data: Data) -> None:
        self._data, self._path = data, file
        with ExitStack() as opened:
            self._file = opened.enter_context(h5py.File(file, "r"))
            self._events = self._dataset(data.dataset, "data.dataset")
            self._groups = [self._dataset(name, "data.group") for name in data.group_columns]
            _check_shape(self._events.shape, self._events.dtype, file, data)
            self.n_events = len(self._events)
            for name, groups in zip(data.group_columns, self._groups, strict=True):
                _check_groups(groups.shape, groups.dtype, self.n_events, file, name)
            there = {key: name for key, name in data.columns.named.items() if name in self._file}
            self._columns = {key: self._dataset(name, f"data.columns.{key}") for key, name in there.items()}
            for key, column in self._columns.items():
                _check_column(column.shape, column.dtype, self.n_events, file, key)
            self._selecting = {name: self._dataset(name, key) for name, key in selecting_columns(data).items()}
            for name, key in selecting_columns(data).items():
                _check_selecting(
                    self._selecting[name].shape, self._selecting[name].dtype, self.n_events, file, name, key
                )
            self.layout = (*sorted(there), *_bit_layout(self._columns))
            self._opened = opened.pop_all()

    def _dataset(self, name: str, key: str) -> h5py.Dataset:
        refuse_what_is_elsewhere(self._file, name, self._path)
        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            there = ", ".join(str(k) for k, v in self._file.items() if isinstance(v, h5py.Dataset)) or "none"
            way_out = " or set it to null" if key == "data.group" else ""
            raise InputError(f"{self._path} has no dataset `{name}` (there: {there}); correct `{key}`{way_out}")
        return found

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        rows = slice(start, start + count)
        wide = self._data.hardware.array is None and self._events.shape[-1] > _NARROW
        events = self._events[rows, :, :3] if wide else self._events[rows]
        columns = _joined(trigger_columns(column[rows], key) for key, column in self._columns.items())
        selecting = {name: column[rows] for name, column in self._selecting.items()}
        groups = [groups[rows] for groups in self._groups]
        chunk = EventChunk(start, events, np.arange(start, start + count), columns)
        return self._selected(chunk, groups, selecting)

    def close(self) -> None:
        """Release the file."""
        self._opened.close()


class Member:
    """An array of an npz file, whose rows are read forward only."""

    def __init__(self, stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        self._stream, self.shape, self.dtype = stream, shape, dtype

    def read(self, count: int, used: int | None = None) -> NDArray[Any]:
        """Give the next rows, of the last axis the first `used` values, in pieces of bounded size."""
        row_bytes = prod(self.shape[1:]) * self.dtype.itemsize
        step = count if used is None else max(_PIECE_BYTES // max(row_bytes, 1), 1)
        pieces = [self._rows(min(step, count - first), row_bytes)[..., :used] for first in range(0, count, step)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _rows(self, count: int, row_bytes: int) -> NDArray[Any]:
        wanted = count * row_bytes
        raw = self._stream.read(wanted)
        if len(raw) != wanted:
            raise EOFError(f"{wanted - len(raw)} bytes are missing")
        return np.frombuffer(raw, dtype=self.dtype).reshape(count, *self.shape[1:])


def open_member(opened: ExitStack, archive: zipfile.ZipFile, name: str, path: Path) -> Member:
    """Open an array of an npz file behind its header.

    Raises
    ------
    InputError
        If it holds objects of Python, or is not C-ordered.
    """
    stream = opened.enter_context(archive.open(f"{name}.npy"))
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    if fortran or dtype.hasobject:
        raise InputError(f"{path}: `{name}` must be a C-ordered array of numbers; save it with np.ascontiguousarray")
    return Member(stream, shape, dtype)


class NpzSource(_ArraySource):
    """Streams the members of an npz file; reads forward only."""

    seekable = False

    def __init__(self, file: Path, data: Data) -> None:
        self._data, self._path = data, file
        with ExitStack() as opened:
            self._file = opened.enter_context(zipfile.ZipFile(file))
            self._events = self._member(opened, data.dataset, "data.dataset")
            _check_shape(self._events.shape, self._events.dtype, file, data)
            self.n_events = self._events.shape[0]
            self._groups = [self._member(opened, name, "data.group") for name in data.group_columns]
            for name, groups in zip(data.group_columns, self._groups, strict=True):
                _check_groups(groups.shape, groups.dtype, self.n_events, file, name)
            there = {key: name for key, name in data.columns.named.items() if self._has(name)}
            self._columns = {key: self._member(opened, name, f"data.columns.{key}") for key, name in there.items()}
            for key, column in self._columns.items():
                _check_column(column.shape, column.dtype, self.n_events, file, key)
            self._selecting = {name: self._member(opened, name, key) for name, key in selecting_columns(data).items()}
            for name, key in selecting_columns(data).items():
                _check_selecting(
                    self._selecting[name].shape, self._selecting[name].dtype, self.n_events, file, name, key
                )
            self.layout = (*sorted(there), *_bit_layout(self._columns))
            self._opened = opened.pop_all()  # the members hold the file open, too

    def _has(self, name: str) -> bool:
        return f"{name}.npy" in self._file.namelist()

    def _member(self, opened: ExitStack, name: str, key: str) -> Member:
        if not self._has(name):
            there = ", ".join(member.removesuffix(".npy") for member in self._file.namelist()) or "none"
            way_out = " or set it to null" if key == "data.group" else ""
            raise InputError(f"{self._path} has no array `{name}` (there: {there}); correct `{key}`{way_out}")
        return open_member(opened, self._file, name, self._path)

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        wide = self._data.hardware.array is None and self._events.shape[-1] > _NARROW
        events = self._events.read(count, 3 if wide else None)
        columns = _joined(trigger_columns(column.read(count), key) for key, column in self._columns.items())
        selecting = {name: column.read(count) for name, column in self._selecting.items()}
        groups = [groups.read(count) for groups in self._groups]
        chunk = EventChunk(start, events, np.arange(start, start + count), columns)
        return self._selected(chunk, groups, selecting)

    def close(self) -> None:
        """Release the file."""
        self._opened.close()
