"""Charges of 48 trigger cells, as the HGCAL's front-end chip ECON-T compresses them, on a map of 8 x 8.

A CSV file has one row a wafer and 48 whole numbers a row, with or without a line of names. Three blocks of 4 x 4 cells
lie on the map, and its last quadrant is absent, as in the ECON-T study (G. Di Guglielmo et al., arXiv 2105.01683). The
toys are showers on the map and no simulation.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.config.data import Data
from fpgaae.data.source import EventChunk, EventFile, Reader, Source
from fpgaae.data.toys import ToySource
from fpgaae.errors import InputError
from fpgaae.optional import require
from fpgaae.section import Section

N_CELLS, SIZE = 48, 8
_CELL_OF_PLACE = np.array([  # -1: absent
    [28, 29, 30, 31, 0, 4, 8, 12],
    [24, 25, 26, 27, 1, 5, 9, 13],
    [20, 21, 22, 23, 2, 6, 10, 14],
    [16, 17, 18, 19, 3, 7, 11, 15],
    [47, 43, 39, 35, -1, -1, -1, -1],
    [46, 42, 38, 34, -1, -1, -1, -1],
    [45, 41, 37, 33, -1, -1, -1, -1],
    [44, 40, 36, 32, -1, -1, -1, -1],
])  # fmt: skip
ABSENT = tuple(np.flatnonzero(_CELL_OF_PLACE.reshape(-1) < 0).tolist())
_KINDS = ("electrons", "hadrons", "hot_cells")


class Options(Section):
    """Of the toys."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    noise: Annotated[float, Field(ge=0, le=1e6)] = 1.5  # counts, standard deviation
    energy: Annotated[float, Field(gt=0, le=1e6)] = 60.0  # smallest shower in counts


def on_map(charges: NDArray[np.number]) -> NDArray[np.float64]:
    """Lay the charges of cells (n, 48) out on the map, (n, 8, 8)."""
    laid = np.where(_CELL_OF_PLACE >= 0, charges[:, _CELL_OF_PLACE], 0)
    return np.asarray(laid, dtype=np.float64)


class _CsvSource(Source):
    seekable = False

    def __init__(self, file: Path) -> None:
        has_names = _has_names(file)
        names = _first_line(file) if has_names else [f"f{i}" for i in range(N_CELLS)]
        require("pyarrow", "CSV files are read with it")
        from fpgaae.data.arrow import CsvTable  # noqa: PLC0415

        self._table = CsvTable(file, names, set(names), has_names=has_names)
        self._file, self._names, self.n_events = file, names, self._table.n_rows

    def read(self, start: int, count: int) -> EventChunk:
        columns = self._table.read(start, count)
        for name, column in columns.items():
            if column.values.dtype.kind not in "iu":
                raise InputError(
                    f"{self._file}: the column {name} holds {column.values.dtype}, but charges are whole numbers"
                )
        charges = np.stack([columns[name].values for name in self._names], axis=1)
        return EventChunk(start, on_map(charges), np.arange(start, start + count))

    def close(self) -> None:
        self._table.close()


def _first_line(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return [name.strip() for name in next(csv.reader(stream), [])]


def _has_names(file: Path) -> bool:
    first = _first_line(file)
    if len(first) != N_CELLS:
        raise InputError(
            f"{file}: its first line has {len(first)} columns; give one row a wafer with {N_CELLS} charges"
        )
    return not all(entry.strip().lstrip("+-").replace(".", "", 1).isdecimal() for entry in first)


def _make(rng: np.random.Generator, n: int, kind: str, options: Options) -> NDArray[np.float64]:
    """Make showers (n, 8, 8): one narrow, or several wide ones, or one with a cell that is stuck high."""
    wide = kind == "hadrons"
    n_showers = rng.integers(2, 5, size=n) if wide else rng.integers(1, 3, size=n)
    width = rng.uniform(0.9, 1.8, size=(n, 4)) if wide else rng.uniform(0.45, 0.75, size=(n, 4))
    energy = options.energy * rng.random((n, 4)) ** (-1 / 2.5) * (np.arange(4) < n_showers[:, None])
    centres = rng.uniform(0, SIZE, size=(2, n, 4, 1))
    places = np.arange(SIZE) + 0.5
    along, across = (np.exp(-0.5 * ((places - c) / width[..., None]) ** 2) for c in centres)
    image = np.einsum("ns,nsi,nsj->nij", energy / (2 * np.pi * width**2), along, across)
    image = rng.poisson(np.minimum(image, 1e6)) + rng.normal(0, options.noise, size=image.shape)
    if kind == "hot_cells":
        hot = rng.integers(N_CELLS, size=n)
        place = np.argsort(_CELL_OF_PLACE.reshape(-1))[len(ABSENT) :][hot]
        image.reshape(n, -1)[np.arange(n), place] += rng.uniform(150, 600, size=n)
    return np.asarray(np.where(_CELL_OF_PLACE >= 0, np.maximum(np.rint(image), 0), 0))


def _open(file: EventFile, data: Data, options: Options) -> Source | None:
    array = data.hardware.array
    if array is None or array.shape[:2] != (SIZE, SIZE) or array.n_cells != SIZE**2 or set(array.absent) != set(ABSENT):
        raise InputError(f"the reader econ_t needs `data.hardware.array` with shape [8, 8] and absent {list(ABSENT)}")
    if file.path is None:
        return ToySource(file, options.seed, lambda rng, n: _make(rng, n, file.toy, options).reshape(n, *array.shape))
    return _CsvSource(file.path) if file.path.suffix.lower() == ".csv" else None


READER = Reader(Options, _open, _KINDS)
