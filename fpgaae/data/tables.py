"""Events in tables: Parquet, CSV and ROOT, of which the config's `data.table` says which column holds what.

A column holds one number an event, or a list of them, one a slot. How the formats are read does not belong here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data, ObjectWidths, Table, TableValues
from fpgaae.data.backends import Backend, Column
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.source import EventChunk, Source, trigger_columns
from fpgaae.errors import InputError
from fpgaae.optional import require


class TableSource(Source):
    """A table as the trigger's objects.

    Raises
    ------
    InputError
        If a column is missing, is no number or list of numbers, or has another length than the pT of its object.
    """

    def __init__(self, file: Path, data: Data) -> None:
        self._file, self._data, self._table = file, data, _required(file, data)
        optional = data.columns.named
        whole: Container[str | None] = {data.group}
        if self._table.values is TableValues.INTEGERS:
            whole = self._wanted()
        once = dict.fromkeys([*self._wanted(), *optional.values()])  # a column may be wanted for two purposes
        self._backend = open_backend(file, self._table, once, whole)
        self._columns = {key: name for key, name in optional.items() if name in self._backend.names}
        for name, key in self._wanted().items():
            if name not in self._backend.names:
                there = ", ".join(list(self._backend.names)[:30]) or "none"
                self._backend.close()
                raise InputError(f"{file} has no column `{name}` (there: {there}); correct `{key}`")
        self.n_events, self.seekable = self._backend.n_rows, self._backend.seekable
        if self.n_events == 0:
            self._backend.close()
            raise InputError(f"{file} holds no events")

    def _wanted(self) -> dict[str, str]:
        """Give the key in the config that asks for each column."""
        wanted = {}
        for kind in self._data.hardware.objects:
            for quantity in QUANTITIES:
                pattern = getattr(self._table.objects[kind.name], quantity)
                for name in _names(pattern, kind):
                    wanted[name] = f"data.table.objects.{kind.name}.{quantity}"
        if self._data.group:
            wanted[self._data.group] = "data.group"
        return wanted

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events; Level-1 integers are given in GeV and rad, which the stage `data` codes back."""
        rows = self._backend.read(start, count)
        particles = np.concatenate([self._objects(rows, kind, start) for kind in self._data.hardware.objects], axis=1)
        groups = np.arange(start, start + count)
        if self._data.group:
            groups = self._scalar(rows, self._data.group, start)
            if groups.dtype.kind not in "iu":
                raise InputError(
                    f"{self._file}: `{self._data.group}` holds {groups.dtype} values, but whole numbers are needed; "
                    "correct `data.group`"
                )
        columns = {key: trigger_columns(self._scalar(rows, name, start), key) for key, name in self._columns.items()}
        return EventChunk(start, particles, groups.astype(np.int64), columns)

    def close(self) -> None:
        """Release the file."""
        self._backend.close()

    def _objects(self, rows: Mapping[str, Column], kind: ObjectWidths, start: int) -> NDArray[np.float64]:
        """Give the objects of one kind, (n, slots, 3)."""
        hardware = self._data.hardware
        scale = {"pt": hardware.pt_lsb_gev, "eta": hardware.eta_lsb, "phi": 2 * np.pi / hardware.phi_steps}
        found: dict[str, NDArray[np.float64]] = {}
        lengths: dict[str, NDArray[np.int64]] = {}
        for quantity in QUANTITIES:
            names = _names(getattr(self._table.objects[kind.name], quantity), kind)
            columns = [self._numbers(rows, name) for name in names]
            if not columns:
                continue
            found[quantity] = self._slots(columns, names[0], kind)
            if columns[0].lengths is not None:
                lengths[quantity] = columns[0].lengths
            if self._table.values is TableValues.INTEGERS:
                found[quantity] = found[quantity] * scale[quantity]
        self._check_lengths(lengths, kind, start)
        zero = np.zeros_like(found["pt"])
        return np.stack([found.get(quantity, zero) for quantity in QUANTITIES], axis=-1)

    def _slots(self, columns: list[Column], name: str, kind: ObjectWidths) -> NDArray[np.float64]:
        """Give one quantity of the objects of a kind, (n, slots); slots that a list does not reach are empty."""
        lists = [column for column in columns if column.lengths is not None]
        if len(lists) == len(columns) == 1:
            return _padded(columns[0], kind.slots)
        if lists or len(columns) != kind.slots:
            raise InputError(
                f"{self._file}: the column `{name}` must hold {'a list' if not lists else 'one number'} an event for "
                f"the {kind.slots} slots of {kind.name}; name a list column, or one a slot with {{slot}} in its name"
            )
        return np.stack([column.values.astype(np.float64) for column in columns], axis=1)

    def _check_lengths(self, lengths: Mapping[str, NDArray[np.int64]], kind: ObjectWidths, start: int) -> None:
        for quantity, found in lengths.items():
            differ = found != lengths.get("pt", found)
            if differ.any():
                row = int(np.argmax(differ))
                raise InputError(
                    f"{self._file}: event {start + row} has {lengths['pt'][row]} pt but {found[row]} {quantity} of "
                    f"{kind.name}; each object needs all of its values"
                )

    def _numbers(self, rows: Mapping[str, Column], name: str) -> Column:
        column = rows[name]
        kinds = "iu" if self._table.values is TableValues.INTEGERS else "iuf"
        if column.values.dtype.kind not in kinds:
            wanted = "whole numbers (`data.table.values: integers`)" if kinds == "iu" else "numbers"
            raise InputError(f"{self._file}: the column `{name}` holds {column.values.dtype}, but needs {wanted}")
        return column

    def _scalar(self, rows: Mapping[str, Column], name: str, start: int) -> NDArray[Any]:
        column = rows[name]
        if column.lengths is not None or column.values.dtype.kind not in "biuf":
            raise InputError(f"{self._file}: the column `{name}` must hold one number an event (from event {start} on)")
        return column.values


def _required(file: Path, data: Data) -> Table:
    if data.table is None:
        raise InputError(f"{file} is a table; say in `data.table` which of its columns holds what")
    return data.table


def _names(pattern: str | None, kind: ObjectWidths) -> list[str]:
    """Name the columns of a quantity: none, the one, or one a slot."""
    if pattern is None or "{slot}" not in pattern:
        return [pattern] if pattern else []
    return [pattern.replace("{slot}", str(slot)) for slot in range(1, kind.slots + 1)]


def _padded(column: Column, slots: int) -> NDArray[np.float64]:
    """Give the first numbers of every row's list, (n, slots), 0 where it is shorter."""
    lengths = np.asarray(column.lengths)
    index = (np.cumsum(lengths) - lengths)[:, None] + np.arange(slots)
    there = np.arange(slots) < lengths[:, None]
    padded = np.zeros(index.shape)
    padded[there] = column.values[index[there]]
    return padded


def open_backend(file: Path, table: Table, wanted: Iterable[str], whole: Container[str | None]) -> Backend:
    """Open a table for some of its columns, of which some must hold whole numbers.

    Raises
    ------
    ToolMissing
        If a package that reads its format is missing.
    """
    with file.open("rb") as stream:
        is_root = stream.read(4) == b"root" and file.suffix.lower() != ".csv"
    if is_root:
        require("awkward", "ROOT files are read with it")
        require("uproot", "ROOT files are read with it")
        from fpgaae.data.root import RootTable  # noqa: PLC0415

        return RootTable(file, table.tree, wanted)
    require("pyarrow", "Parquet and CSV files are read with it")
    from fpgaae.data.arrow import CsvTable, ParquetTable  # noqa: PLC0415

    return CsvTable(file, wanted, whole) if file.suffix.lower() == ".csv" else ParquetTable(file, wanted)
