"""Readers of event files, chunk by chunk, so that memory stays bounded whatever the size of the file."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.config import Config, Data
from fpgaae.data.source import TRIGGER_BITS, EventChunk, Source, trigger_columns
from fpgaae.errors import InputError
from fpgaae.files import sha256

CHUNK_EVENTS = 32_768
SAMPLE_PREFIX = "sample:"
_LONGEST_LINE = 200
_TABLE_MAGIC = (b"PAR1", b"root")  # how Parquet and ROOT files begin
_DAMAGE = (  # what h5py, zipfile and NumPy's header parser raise for damaged bytes
    OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip


def event_files(config: Config, config_file: Path) -> dict[str, Path]:
    """Give the path of each process' file; a relative path starts at the config file's folder or the current one.

    Raises
    ------
    InputError
        If a file does not exist.
    """
    found = {}
    for process, name in config.data.files.items():
        if name.startswith(SAMPLE_PREFIX):
            path = Path(str(resources.files("fpgaae.data") / "sample" / name.removeprefix(SAMPLE_PREFIX)))
        else:
            path = Path(name).expanduser()
            beside = config_file.parent / path
            path = beside if beside.is_file() else path
        if not path.is_file():
            raise InputError(f"the event file {name} of `data.files.{process}` does not exist; correct {config_file}")
        found[process] = path
    return found


def event_hashes(config: Config, config_file: Path) -> dict[str, str]:
    """Give the SHA-256 of each process' event file."""
    return {process: sha256(file) for process, file in event_files(config, config_file).items()}


def event_spans(file: Path, data: Data, n_events: int) -> list[range]:
    """Divide a file into spans that `read_events` can begin with.

    They have at most `n_events` events, but an npz, Parquet or CSV file is one span.

    Raises
    ------
    InputError
        As `count_events`.
    """
    with _open(file, data) as source:
        step = n_events if source.seekable else source.n_events
        return [range(start, min(start + step, source.n_events)) for start in range(0, source.n_events, step)]


def count_events(file: Path, data: Data) -> int:
    """Give the number of events of a file after checking its layout.

    Raises
    ------
    InputError
        If the file can't be read or has another layout than the config says.
    """
    with _open(file, data) as source:
        return source.n_events


def read_events(
    file: Path, data: Data, chunk_events: int = CHUNK_EVENTS, span: range | None = None
) -> Iterator[EventChunk]:
    """Read a file chunk by chunk, checking every value.

    Parameters
    ----------
    span
        One of `event_spans`; by default the whole file.

    Raises
    ------
    InputError
        If the file is damaged, or holds NaN, infinite, negative-pT or all-zero events.
    """
    with _open(file, data) as source:
        first, end = (span.start, span.stop) if span is not None else (0, source.n_events)
        for start in range(first, end, chunk_events):
            try:
                chunk = source.read(start, min(chunk_events, end - start))
            except _DAMAGE as error:
                raise InputError(f"{file} is damaged near event {start} ({_line(error)}); copy it again") from None
            _check_values(chunk, file)
            yield chunk


def _check_values(chunk: EventChunk, file: Path) -> None:
    used = chunk.particles[..., :3]
    for name, values in chunk.columns.items():
        if not np.isfinite(values).all():
            event = chunk.first_event + int(np.argmin(np.isfinite(values)))
            raise InputError(f"{file}: the {name} of event {event} is NaN or infinite; remove or repair such events")
    for bad, what, cure in (
        (~np.isfinite(used), "a NaN or infinite value", "remove or repair such events"),
        (used[..., :1] < 0, "a negative pT", "empty slots must be 0"),
    ):
        if bad.any():
            event, slot = (int(i) for i in np.argwhere(bad)[0][:2])
            raise InputError(f"{file}: event {chunk.first_event + event}, slot {slot} holds {what}; {cure}")
    empty: NDArray[np.bool_] = ~np.any(used[..., 0], axis=1)
    if empty.any():
        first = chunk.first_event + int(np.argmax(empty))
        raise InputError(
            f"{file}: event {first} is all zero ({int(empty.sum())} such in its chunk of {len(empty)}); "
            "no slot of it has a pT, so remove such events"
        )


def _open(file: Path, data: Data) -> Source:
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty; copy it again")
    try:
        if h5py.is_hdf5(file):
            return _Hdf5Source(file, data)
        if zipfile.is_zipfile(file):
            return _NpzSource(file, data)
        if _is_table(file):
            from fpgaae.data.tables import TableSource  # noqa: PLC0415  (three libraries that few files need)

            return TableSource(file, data)
    except _DAMAGE as error:
        raise InputError(f"{file} is damaged ({_line(error)}); copy it again") from None
    raise InputError(
        f"{file} is neither an HDF5 nor an npz, Parquet, ROOT or .csv file, or it is truncated; give one of these"
    )


def _is_table(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) in _TABLE_MAGIC or file.suffix.lower() == ".csv"


def _line(error: Exception) -> str:
    """Give what a reader said, on one line, and no more of it than a line."""
    return " ".join(str(error).split())[:_LONGEST_LINE] or type(error).__name__


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[np.generic], file: Path, data: Data) -> None:
    slots = data.hardware.n_slots
    if len(shape) != 3 or shape[1] != slots or shape[2] < 3:
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


class _Hdf5Source(Source):
    def __init__(self, file: Path, data: Data) -> None:
        with ExitStack() as opened:
            self._file = opened.enter_context(h5py.File(file, "r"))
            self._particles = self._dataset(file, data.dataset, "data.dataset")
            self._groups = self._dataset(file, data.group, "data.group") if data.group else None
            _check_shape(self._particles.shape, self._particles.dtype, file, data)
            self.n_events = len(self._particles)
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
        rows = slice(start, start + count)
        groups = np.arange(start, start + count) if self._groups is None else self._groups[rows]
        columns = {key: trigger_columns(column[rows], key) for key, column in self._columns.items()}
        return EventChunk(start, self._particles[rows], groups.astype(np.int64), columns)

    def close(self) -> None:
        self._opened.close()


class _NpzSource(Source):
    """Streams the members of an npz file; reads forward only."""

    seekable = False

    def __init__(self, file: Path, data: Data) -> None:
        with ExitStack() as opened:
            self._file = opened.enter_context(zipfile.ZipFile(file))
            self._particles, shape, self._dtype = self._member(opened, file, data.dataset, "data.dataset")
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
        particles = _read_rows(self._particles, count, self._event_shape, self._dtype)
        groups: NDArray[Any] = np.arange(start, start + count)
        if self._groups is not None:
            groups = _read_rows(self._groups, count, (), self._group_dtype)
        columns = {
            key: trigger_columns(_read_rows(stream, count, shape, dtype), key)
            for key, (stream, shape, dtype) in self._columns.items()
        }
        return EventChunk(start, particles, groups.astype(np.int64), columns)

    def close(self) -> None:
        self._opened.close()


def _read_rows(
    stream: IO[bytes], count: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> NDArray[np.floating]:
    wanted = count * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = stream.read(wanted)
    if len(raw) != wanted:
        raise EOFError(f"{wanted - len(raw)} bytes are missing")
    return np.frombuffer(raw, dtype=dtype).reshape(count, *shape)
