"""Part files: what a worker has made of a span of an event file, so that neither its death nor a kill loses it.

A part holds what becomes of events with consecutive numbers, whoever read them and in whichever chunks. What it is that
a part holds does not belong here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.damage import damage_named
from fpgaae.errors import InputError


class SpanDone(NamedTuple):
    """What became of a span; an error in the file is told, since Dask would log a raised one as its own."""

    events: int
    failure: str | None = None


def part_files(folder: Path, n_events: int, part_events: int) -> list[Path]:
    """Name the part files of a whole event file, in order."""
    return [folder / f"{start:012d}.npz" for start in range(0, n_events, part_events)]


def write_part(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a part file atomically; two workers that were given the same part do not meet."""
    partial = file.with_name(f".{file.stem}-{socket.gethostname()}-{os.getpid()}.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]  # any name, for NumPy's types also that of an option
    partial.replace(file)


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Read a part file, each byte of it checked.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        with damage_named(file), file.open("rb") as stream, np.load(stream) as content:
            return {name: content[name] for name in content.files}
    except InputError:
        raise InputError(f"{file} is damaged; remove it, and give the same command again") from None
