"""Readers of event files, chunk by chunk, so that memory stays bounded whatever the size of the file."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import TOY_PREFIX, Data, reader_module
from fpgaae.config.experiment import Config
from fpgaae.data.arrays import Hdf5Source, NpzSource
from fpgaae.data.source import EventChunk, EventFile, Reader, Source, toy_file
from fpgaae.errors import InputError
from fpgaae.files import sha256, sha256_of_text

CHUNK_EVENTS = 32_768
SAMPLE_PREFIX = "sample:"
_LONGEST_LINE = 200
_TABLE_MAGIC = (b"PAR1", b"root")  # how Parquet and ROOT files begin
_DAMAGE = (  # what h5py, zipfile and NumPy's header parser raise for damaged bytes
    OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip


def event_files(config: Config, config_file: Path) -> dict[str, EventFile]:
    """Give the file of each process; a relative path starts at the config file's folder or the current one.

    Raises
    ------
    InputError
        If a file does not exist, or a toy has no number of events.
    """
    found = {}
    for process, entry in config.data.files.items():
        name, selection = entry, ""
        if config.data.reader is not None:
            name, _, selection = entry.partition("#")
        if name.startswith(TOY_PREFIX):
            found[process] = toy_file(name, selection)
            continue
        if name.startswith(SAMPLE_PREFIX):
            path = Path(str(resources.files("fpgaae.data") / "sample" / name.removeprefix(SAMPLE_PREFIX)))
        else:
            path = Path(name).expanduser()
            beside = config_file.parent / path
            path = beside if beside.exists() else path
        if not (path.is_file() or (config.data.reader is not None and path.is_dir())):
            raise InputError(f"the event file {name} of `data.files.{process}` does not exist; correct {config_file}")
        found[process] = EventFile(str(path), path, selection=selection)
    return found


def event_hashes(config: Config, config_file: Path) -> dict[str, str]:
    """Give the SHA-256 of each process' event file, and of the code of a reader."""
    hashes = {
        process: sha256_of_text(file.name) if file.path is None else _sha256(file.path)
        for process, file in event_files(config, config_file).items()
    }
    if config.data.reader is not None:
        hashes["data.reader"] = sha256(Path(str(reader_module(config.data.reader).__file__)))
    return hashes


def _sha256(path: Path) -> str:
    """Give the SHA-256 of a file, or of the names and contents of those in a folder."""
    if path.is_file():
        return sha256(path)
    return sha256_of_text("".join(f"{file.name} {sha256(file)}\n" for file in sorted(path.iterdir()) if file.is_file()))


def _reader(data: Data) -> Reader:
    reader: Reader = reader_module(str(data.reader)).READER
    return reader


def event_spans(file: EventFile | Path, data: Data, n_events: int) -> list[range]:
    """Divide a file into spans that `read_events` can begin with.

    They have at most `n_events` events, but a file that is only read forward (npz, Parquet, CSV) is one span.

    Raises
    ------
    InputError
        As `count_events`.
    """
    with _open(file, data) as source:
        step = n_events if source.seekable else source.n_events
        return [range(start, min(start + step, source.n_events)) for start in range(0, source.n_events, step)]


def count_events(file: EventFile | Path, data: Data) -> int:
    """Give the number of events of a file after checking its layout.

    Raises
    ------
    InputError
        If the file can't be read or has another layout than the config says.
    """
    with _open(file, data) as source:
        return source.n_events


def read_events(
    file: EventFile | Path, data: Data, chunk_events: int = CHUNK_EVENTS, span: range | None = None
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
            _check_columns(chunk, file)
            if data.hardware.array is None:
                _check_objects(chunk, file)
            else:
                _check_cells(chunk, file, signed=data.hardware.array.signed)
            yield chunk


def _check_columns(chunk: EventChunk, file: EventFile | Path) -> None:
    for name, values in chunk.columns.items():
        if not np.isfinite(values).all():
            event = chunk.first_event + int(np.argmin(np.isfinite(values)))
            raise InputError(f"{file}: the {name} of event {event} is NaN or infinite; remove or repair such events")


def _check_cells(chunk: EventChunk, file: EventFile | Path, *, signed: bool) -> None:
    cells = chunk.values.reshape(len(chunk.values), -1)
    for bad, what, cure in (
        (~np.isfinite(cells), "a NaN or infinite value", "remove or repair such events"),
        (cells < 0, "a negative value", "set `data.hardware.array.signed` if that is meant"),
    ):
        if bad.any() and not (signed and what == "a negative value"):
            event, cell = (int(i) for i in np.argwhere(bad)[0])
            raise InputError(f"{file}: event {chunk.first_event + event}, cell {cell} holds {what}; {cure}")


def _check_objects(chunk: EventChunk, file: EventFile | Path) -> None:
    used = chunk.values[..., :3]
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


def _open(given: EventFile | Path, data: Data) -> Source:
    file = EventFile(str(given), given) if isinstance(given, Path) else given
    try:
        if data.reader is not None:
            found = _reader(data).open(file, data, _reader(data).options.model_validate(data.options))
            if found is not None:
                return found
        if file.path is None:
            raise InputError(f"the reader {data.reader} can't give {file}")
        return _open_common(file.path, data)
    except _DAMAGE as error:
        raise InputError(f"{file} is damaged ({_line(error)}); copy it again") from None


def _open_common(file: Path, data: Data) -> Source:
    """Open a file of a format that is no domain's own."""
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty; copy it again")
    if h5py.is_hdf5(file):
        return Hdf5Source(file, data)
    if zipfile.is_zipfile(file):
        return NpzSource(file, data)
    if data.hardware.array is None and _is_table(file):
        from fpgaae.data.tables import TableSource  # noqa: PLC0415  (three libraries that few files need)

        return TableSource(file, data)
    known = (
        "an HDF5 nor an npz, Parquet, ROOT or .csv file" if data.hardware.array is None else "an HDF5 nor an npz file"
    )
    if data.reader is not None:
        known += f" nor one that the reader {data.reader} knows"
    raise InputError(f"{file} is neither {known}, or it is truncated; give one of these")


def _is_table(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) in _TABLE_MAGIC or file.suffix.lower() == ".csv"


def _line(error: Exception) -> str:
    """Give what a reader said, on one line, and no more of it than a line."""
    return " ".join(str(error).split())[:_LONGEST_LINE] or type(error).__name__
