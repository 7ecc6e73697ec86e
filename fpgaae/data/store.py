"""The events as the later stages read them: hardware integers in HDF5, by process and split.

They are not compressed: by lzf they take two fifths of the space, and writing them a quarter of the stage's time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.data.hdf5_writing import HDF5Writer
from fpgaae.fixedpoint import Codes

EVENTS_FILE = "events.h5"
_COLUMNS = "columns"
_CACHE_BYTES = 4 * 2**20  # of each dataset that is written: two chunks of 256 features in 16 bits
_ROWS = 4096  # events an HDF5 chunk


class EventWriter:
    """Appends events of each (process, split) to an HDF5 file."""

    def __init__(self, folder: Path, n_features: int, dtype: type[np.signedinteger]) -> None:
        self._writer = HDF5Writer(folder / EVENTS_FILE, rdcc_nbytes=_CACHE_BYTES)
        self._n_features = n_features
        self.dtype = dtype
        self._open: dict[str, h5py.Dataset] = {}  # which keep what does not fill a chunk yet

    def append(
        self, process: str, split: str, codes: NDArray[np.integer], groups: NDArray[np.int64],
        columns: Mapping[str, NDArray[np.float64]] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Write events behind those that are there: codes (n, n_features), groups (n,), columns (n,) each."""
        where = _place(process, split)
        with self._writer.writing() as file:
            if where not in file:
                rows = (_ROWS, self._n_features)
                most = (None, self._n_features)
                file.create_dataset(f"{where}/codes", (0, self._n_features), self.dtype, maxshape=most, chunks=rows)
                file.create_dataset(f"{where}/groups", (0,), np.int64, maxshape=(None,), chunks=(_ROWS,))
                for name in columns:
                    file.create_dataset(
                        f"{where}/{_COLUMNS}/{name}",
                        (0,),
                        np.float64,
                        maxshape=(None,),
                        chunks=(_ROWS,),
                        compression="lzf",
                    )
            named = {f"{_COLUMNS}/{name}": values for name, values in columns.items()}
            narrow = codes.astype(self.dtype, copy=False)
            for name, rows_to_add in (("codes", narrow), ("groups", groups), *named.items()):
                dataset = self._dataset(file, f"{where}/{name}")
                dataset.resize(len(dataset) + len(rows_to_add), axis=0)
                dataset[len(dataset) - len(rows_to_add) :] = rows_to_add

    def _dataset(self, file: h5py.File, name: str) -> h5py.Dataset:
        if name not in self._open:
            self._open[name] = file[name]
        return self._open[name]

    def __enter__(self) -> EventWriter:
        """Open for writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._writer.__exit__(kind, error, trace)
        self._open.clear()


def _place(process: str, split: str) -> str:
    """Give the group of a process' split; a name of one part, whatever characters it has."""
    name = process.replace("%", "%25").replace("/", "%2F")
    return f"{'%2E' + name[1:] if name.startswith('.') else name}/{split}"


class EventStore:
    """Reads what `EventWriter` wrote; nothing is kept in memory."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE

    def count(self, process: str, split: str) -> int:
        """Give the number of events."""
        with h5py.File(self._path, "r") as file:
            place = _place(process, split)
            return len(file[f"{place}/codes"]) if place in file else 0

    def chunks(self, process: str, split: str, chunk_events: int, limit: int | None = None) -> Iterator[Codes]:
        """Give the hardware codes in order, (n, n_features) a chunk, at most `limit` events in all."""
        with h5py.File(self._path, "r") as file:
            place = _place(process, split)
            if place not in file:
                return
            codes = file[f"{place}/codes"]
            total = len(codes) if limit is None else min(limit, len(codes))
            for start in range(0, total, chunk_events):
                yield codes[start : min(start + chunk_events, total)].astype(np.int64)

    def read(self, process: str, split: str, start: int, stop: int) -> Codes:
        """Give the hardware codes of consecutive events, (stop - start, n_features)."""
        with h5py.File(self._path, "r") as file:
            return np.asarray(file[f"{_place(process, split)}/codes"][start:stop], dtype=np.int64)

    def groups(self, process: str, split: str, limit: int | None = None) -> NDArray[np.int64]:
        """Give the group of each event."""
        with h5py.File(self._path, "r") as file:
            return np.asarray(file[f"{_place(process, split)}/groups"][:limit], dtype=np.int64)

    def columns(self, process: str, split: str, limit: int | None = None) -> dict[str, NDArray[np.float64]]:
        """Give the columns of `fpgaae.config.data.Columns` that the process has, one number an event each."""
        with h5py.File(self._path, "r") as file:
            found = file.get(f"{_place(process, split)}/{_COLUMNS}", {})
            return {name: np.asarray(values[:limit], dtype=np.float64) for name, values in found.items()}
