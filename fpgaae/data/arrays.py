"""Arrays of events in HDF5 and npz files: a dataset (events, slots, 3 or more) or (events, *shape), and more beside.

Tables and the formats of single domains do not belong here.
"""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.data.source import TRIGGER_BITS, EventChunk, Source, trigger_columns
from fpgaae.errors import InputError


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
        raise InputError(f"{file}: `{data.dataset}` holds {dtype} values, but numbers are needed")
    if shape[0] == 0:
        raise InputError(f"{file}: `{data.dataset}` holds no events")


def _check_groups(shape: tuple[int, ...], dtype: np.dtype[np.generic], n_events: int, file: Path, name: str) -> None:
    if shape != (n_events,):
        raise InputError(f"{file}: `{name}` has the shape {shape}, not ({n_events},); correct `data.group`")
    if dtype.kind not in "iu":
        raise InputError(f"{file}: `{name}` holds {dtype} values, but whole numbers are needed; correct `data.group`")


def _check_column(shape: tuple[int, ...], dtype: np.dtype[np.generic], n_events: int, file: Path, column: str) -> None:
    wanted = 2 if column == TRIGGER_BITS else 1
    if not 1 <= len(shape) <= wanted or shape[0] != n_events or dtype.kind not in "biuf":
        bits = f" or ({n_events}, bits)" if column == TRIGGER_BITS else ""
        raise InputError(
            f"{file}: the dataset of `data.columns.{column}` has the shape {shape} and type {dtype}, not numbers of "
            f"shape ({n_events},){bits}; correct `data.columns`"
        )


class Hdf5Source(Source):
    """An HDF5 file."""

    def __init__(self, file: Path, data: Data) -> None:
        with ExitStack() as opened:
            self._file = opened.enter_context(h5py.File(file, "r"))
            self._events = self._dataset(file, data.dataset, "data.dataset")
            self._groups = self._dataset(file, data.group, "data.group") if data.group else None
            _check_shape(self._events.shape, self._events.dtype, file, data)
            self.n_events = len(self._events)
            if self._groups is not None:
                _check_groups(self._groups.shape, self._groups.dtype, self.n_events, file, str(data.group))
            self._columns = {key: self._file[name] for key, name in data.columns.named.items() if name in self._file}
            for key, column in self._columns.items():
                _check_column(column.shape, column.dtype, self.n_events, file, key)
            self._opened = opened.pop_all()

    def _dataset(self, file: Path, name: str, key: str) -> h5py.Dataset:
        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            there = ", ".join(str(k) for k, v in self._file.items() if isinstance(v, h5py.Dataset)) or "none"
            way_out = " or set it to null" if key == "data.group" else ""
            raise InputError(f"{file} has no dataset `{name}` (there: {there}); correct `{key}`{way_out}")
        return found

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        rows = slice(start, start + count)
        groups = np.arange(start, start + count) if self._groups is None else self._groups[rows]
        columns = {key: trigger_columns(column[rows], key) for key, column in self._columns.items()}
        return EventChunk(start, self._events[rows], groups.astype(np.int64), columns)

    def close(self) -> None:
        """Release the file."""
        self._opened.close()


class NpzSource(Source):
    """Streams the members of an npz file; reads forward only."""

    seekable = False

    def __init__(self, file: Path, data: Data) -> None:
        with ExitStack() as opened:
            self._file = opened.enter_context(zipfile.ZipFile(file))
            self._events, shape, self._dtype = self._member(opened, file, data.dataset, "data.dataset")
            _check_shape(shape, self._dtype, file, data)
            self.n_events, self._event_shape = shape[0], shape[1:]
            self._groups: IO[bytes] | None = None
            if data.group:
                self._groups, shape, self._group_dtype = self._member(opened, file, data.group, "data.group")
                _check_groups(shape, self._group_dtype, self.n_events, file, data.group)
            self._columns: dict[str, tuple[IO[bytes], tuple[int, ...], np.dtype[np.generic]]] = {}
            for key, name in data.columns.named.items():
                if f"{name}.npy" in self._file.namelist():
                    stream, shape, dtype = self._member(opened, file, name, f"data.columns.{key}")
                    _check_column(shape, dtype, self.n_events, file, key)
                    self._columns[key] = stream, shape[1:], dtype
            self._opened = opened.pop_all()  # the members hold the file open, too

    def _member(
        self, opened: ExitStack, file: Path, name: str, key: str
    ) -> tuple[IO[bytes], tuple[int, ...], np.dtype[np.generic]]:
        if f"{name}.npy" not in self._file.namelist():
            there = ", ".join(member.removesuffix(".npy") for member in self._file.namelist()) or "none"
            way_out = " or set it to null" if key == "data.group" else ""
            raise InputError(f"{file} has no array `{name}` (there: {there}); correct `{key}`{way_out}")
        stream = opened.enter_context(self._file.open(f"{name}.npy"))
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        if fortran or dtype.hasobject:
            raise InputError(
                f"{file}: `{name}` must be a C-ordered array of numbers; save it with np.ascontiguousarray"
            )
        return stream, shape, dtype

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        events = _read_rows(self._events, count, self._event_shape, self._dtype)
        groups: NDArray[Any] = np.arange(start, start + count)
        if self._groups is not None:
            groups = _read_rows(self._groups, count, (), self._group_dtype)
        columns = {
            key: trigger_columns(_read_rows(stream, count, shape, dtype), key)
            for key, (stream, shape, dtype) in self._columns.items()
        }
        return EventChunk(start, events, groups.astype(np.int64), columns)

    def close(self) -> None:
        """Release the file."""
        self._opened.close()


def _read_rows(
    stream: IO[bytes], count: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> NDArray[np.floating]:
    wanted = count * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = stream.read(wanted)
    if len(raw) != wanted:
        raise EOFError(f"{wanted - len(raw)} bytes are missing")
    return np.frombuffer(raw, dtype=dtype).reshape(count, *shape)
