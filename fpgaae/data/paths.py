"""Which event files a path stands for: itself, those in a folder, or those that match a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from fpgaae.config.data import Data
from fpgaae.errors import InputError

SUFFIXES = frozenset({".parquet", ".root", ".csv", ".h5", ".hdf5", ".npz"})


def each_file(paths: Iterable[Path], data: Data) -> list[Path]:
    """Give the event files that files, folders and patterns stand for; a reader's own folder is one entry.

    Raises
    ------
    InputError
        As `files_behind`.
    """
    return [file for path in paths for file in ([path] if data.reader is not None else files_behind(path))]


def files_behind(path: Path) -> list[Path]:
    """Give the event files that a path stands for: itself, those in a folder, or those that match a pattern.

    A path that nothing answers to stands for itself: whoever opens it says so.

    Raises
    ------
    InputError
        If a folder has none.
    """
    if path.is_dir():
        if not (found := event_files_in(path)):
            raise InputError(f"the folder {path} holds no event file ({', '.join(sorted(SUFFIXES))}); correct its name")
        return found
    if path.exists():
        return [path]
    return files_of_pattern(path) or [path]


def event_files_in(folder: Path) -> list[Path]:
    """Give the event files in a folder, by name."""
    return those_there(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def files_of_pattern(pattern: Path) -> list[Path]:
    """Give the files that match a pattern, by name."""
    return those_there(Path(name) for name in glob(str(pattern), recursive=True))


def those_there(files: Iterable[Path]) -> list[Path]:
    """Sort files, and leave out folders.

    Raises
    ------
    InputError
        If one is a link that leads nowhere: its events would be lost without a word.
    """
    found = sorted(file for file in files if not file.is_dir())
    if lost := next((file for file in found if not file.exists()), None):
        raise InputError(f"{lost} is a link to a file that is not there; mend or remove it")
    return found
