"""Readers of event files, chunk by chunk, so that memory stays bounded whatever the size of the file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from math import prod
from pathlib import Path

import h5py

from fpgaae.config.data import TOY_PREFIX, Data, reader_module
from fpgaae.config.experiment import Config
from fpgaae.config.selection import files_by_split
from fpgaae.data.arrays import Hdf5Source, NpzSource
from fpgaae.data.checks import checked
from fpgaae.data.damage import damage_named
from fpgaae.data.order import ordered
from fpgaae.data.paths import SUFFIXES, event_files_in, files_of_pattern
from fpgaae.data.source import EventChunk, EventFile, Reader, Source, toy_file
from fpgaae.errors import InputError
from fpgaae.files import sha256, sha256_of_text
from fpgaae.limits import READ_BYTES

CHUNK_EVENTS = 32_768
SAMPLE_PREFIX = "sample:"
_TABLE_MAGIC = (b"PAR1", b"root")  # how Parquet and ROOT files begin


def event_files(config: Config, config_file: Path) -> dict[str, tuple[EventFile, ...]]:
    """Give the files of each process, in order; a relative path starts at the config file's folder or the current one.

    A pattern stands for the files that match it, a folder for the event files in it, by name.

    Raises
    ------
    InputError
        If a file does not exist, a pattern matches none, a process has a file twice, or a toy has no number of events.
    """
    found = {
        process: tuple(
            file
            for split, named in files_by_split(files).items()
            for entry in ((named,) if isinstance(named, str) else named)
            for file in _files_of_entry(entry, process, split, config, config_file)
        )
        for process, files in config.data.files.items()
    }
    for process, own in found.items():
        _refuse_one_twice(own, process, config_file)
    return found


def _refuse_one_twice(files: Sequence[EventFile], process: str, config_file: Path) -> None:
    """Refuse a file whose events would count twice, and be trained on and tested with."""
    seen: dict[tuple[Path, str], EventFile] = {}
    for file in files:
        if file.path is None:
            continue
        first = seen.setdefault((file.path.resolve(), file.selection), file)
        if first is not file:
            where = f", for {first.split} and for {file.split}" if first.split != file.split else ""
            raise InputError(
                f"`data.files.{process}` has {file} twice{where}: its events would count twice, and could be trained "
                f"on and tested with; correct {config_file}"
            )


def _files_of_entry(entry: str, process: str, split: str, config: Config, config_file: Path) -> list[EventFile]:
    name, selection = entry, ""
    if config.data.reader is not None:
        name, _, selection = entry.partition("#")
    if name.startswith(TOY_PREFIX):
        return [replace(toy_file(name, selection), split=split)]
    if name.startswith(SAMPLE_PREFIX):
        path = Path(str(resources.files("fpgaae.data") / "sample" / name.removeprefix(SAMPLE_PREFIX)))
    else:
        path = Path(name).expanduser()
        beside = config_file.parent / path
        path = beside if beside.exists() else path
    if path.is_file() or (config.data.reader is not None and path.is_dir()):
        return [EventFile(str(path), path, selection=selection, split=split)]
    found = event_files_in(path) if path.is_dir() else _matches(Path(name).expanduser(), config_file)
    if not found:
        what = (
            f"the folder {name} of `data.files.{process}` holds no event file ({', '.join(sorted(SUFFIXES))})"
            if path.is_dir()
            else f"the event file {name} of `data.files.{process}` does not exist"
        )
        raise InputError(f"{what}; correct {config_file}")
    return [EventFile(str(file), file, selection=selection, split=split) for file in found]


def _matches(pattern: Path, config_file: Path) -> list[Path]:
    """Give the files that match a pattern, beside the config or else in the current folder."""
    for folder in (config_file.parent, Path()):
        if found := files_of_pattern(folder / pattern):
            return found
    return []


def event_hashes(config: Config, config_file: Path) -> dict[str, str]:
    """Give the SHA-256 of each process' event files, and of the code of a reader."""
    reader = None if config.data.reader is None else _reader(config.data)
    hashes = {process: _sha256_of_files(files, reader) for process, files in event_files(config, config_file).items()}
    if config.data.reader is not None:
        hashes["data.reader"] = sha256(Path(str(reader_module(config.data.reader).__file__)))
    return hashes


def _sha256_of_files(files: tuple[EventFile, ...], reader: Reader | None) -> str:
    hashes = []
    for file in files:
        hashes.append(sha256_of_text(file.name) if file.path is None else content_hash(file.path))
        if reader is not None and file.path is not None:
            hashes += [sha256(other) for other in reader.beside(file.path) if other.is_file()]
    return hashes[0] if len(hashes) == 1 else sha256_of_text("".join(f"{one}\n" for one in hashes))


def content_hash(path: Path) -> str:
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
        return _spans(source, n_events)


def count_events(file: EventFile | Path, data: Data) -> int:
    """Give the number of events of a file after checking its layout.

    Raises
    ------
    InputError
        If the file can't be read or has another layout than the config says.
    """
    with _open(file, data) as source:
        return source.n_events


def shard_spans(files: Sequence[EventFile], data: Data, n_events: int) -> list[list[range]]:
    """Divide each file of a process into spans as `event_spans`, after checking that all have the columns of the first.

    Raises
    ------
    InputError
        As `count_events`, or if a file has other columns.
    """
    spans = []
    first: tuple[str, ...] | None = None
    for file in files:
        with _open(file, data) as source:
            spans.append(_spans(source, n_events))
            first = source.layout if first is None else first
            if source.layout != first:
                lacks, more = sorted({*first} - {*source.layout}), sorted({*source.layout} - {*first})
                differs = [f"lacks {_some(lacks)}"] * bool(lacks) + [f"has {_some(more)} besides"] * bool(more)
                raise InputError(
                    f"{file} has other columns than {files[0]}, the first file of its process: it "
                    f"{' and '.join(differs)}; give files of one kind"
                )
    return spans


def _spans(source: Source, n_events: int) -> list[range]:
    step = n_events if source.seekable else source.n_events
    return [range(start, min(start + step, source.n_events)) for start in range(0, source.n_events, step)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def read_events(
    file: EventFile | Path, data: Data, chunk_events: int = CHUNK_EVENTS, span: range | None = None
) -> Iterator[EventChunk]:
    """Read a file chunk by chunk, checking every value; objects are sorted unless the order of the file counts.

    Parameters
    ----------
    span
        One of `event_spans`; by default the whole file.

    Raises
    ------
    InputError
        If the file is damaged, or holds what the config does not allow: NaN, infinite or negative pT, a phi of more
        than a turn, integers beyond their declaration.
    """
    with _open(file, data) as source:
        most = max(READ_BYTES // (8 * prod(data.hardware.image_shape)), 1)
        chunk_events = min(chunk_events, 1 << (most.bit_length() - 1))  # of which a whole number is a part of a result
        first, end = (span.start, span.stop) if span is not None else (0, source.n_events)
        for start in range(first, end, chunk_events):
            with damage_named(file, f" near event {start}"):
                chunk = source.read(start, min(chunk_events, end - start))
            yield ordered(checked(chunk, file, data), data)


def _open(given: EventFile | Path, data: Data) -> Source:
    file = EventFile(str(given), given) if isinstance(given, Path) else given
    with damage_named(file):
        if data.reader is not None:
            found = _reader(data).open(file, data, _reader(data).options.model_validate(data.options))
            if found is not None:
                return found
        if file.path is None:
            raise InputError(f"the reader {data.reader} can't give {file}")
        return _open_common(file.path, data)


def _open_common(file: Path, data: Data) -> Source:
    """Open a file of a format that is no domain's own."""
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty; copy it again")
    is_table = data.hardware.array is None and _is_table(file, data)
    if h5py.is_hdf5(file) and not is_table:
        return Hdf5Source(file, data)
    if zipfile.is_zipfile(file) and not is_table:
        return NpzSource(file, data)
    if is_table:
        from fpgaae.data.tables import TableSource  # noqa: PLC0415  (three libraries that few files need)

        return TableSource(file, data)
    known = (
        "an HDF5 nor an npz, Parquet, ROOT or .csv file" if data.hardware.array is None else "an HDF5 nor an npz file"
    )
    if data.reader is not None:
        known += f" nor one that the reader {data.reader} knows"
    raise InputError(f"{file} is neither {known}, or it is truncated; give one of these")


def _is_table(file: Path, data: Data) -> bool:
    """Tell whether a file is to be read by `data.table`; of arrays, one without the dataset of the config."""
    if h5py.is_hdf5(file):
        with h5py.File(file, "r") as opened:
            return data.table is not None and not isinstance(opened.get(data.dataset), h5py.Dataset)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return data.table is not None and f"{data.dataset}.npy" not in archive.namelist()
    with file.open("rb") as stream:
        return stream.read(4) in _TABLE_MAGIC or file.suffix.lower() == ".csv"
