"""Events in tables: Parquet, CSV, ROOT, and arrays side by side in HDF5 and npz, by columns that `data.table` names.

A column holds one number an event, or a list of them, one a slot. How the formats are read does not belong here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data, ObjectWidths, Order
from fpgaae.config.table import Table, TableValues
from fpgaae.data.array_tables import is_array_file, open_arrays
from fpgaae.data.backends import Backend, Column, held
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.limits import none_of
from fpgaae.data.lists import ListSlots
from fpgaae.data.selection import joined_groups, select, selecting_columns
from fpgaae.data.source import EventChunk, Source, trigger_columns, with_counts
from fpgaae.errors import InputError
from fpgaae.optional import require

_FORMS = MappingProxyType({True: "a list", False: "one number a slot"})
_LARGEST = 2**31 - 1  # integers beyond are as wrong as this one, and numbers of 32 bits are quick


class TableSource(Source):
    """A table as the trigger's objects.

    Raises
    ------
    InputError
        If a column is missing, is no number or list of numbers, or has another length than the pT of its object.
    """

    def __init__(self, file: Path, data: Data) -> None:
        self._file, self._data, self._table = file, data, _required(file, data)
        self._integers = self._table.values is TableValues.INTEGERS
        optional = data.columns.named
        whole = {*data.group_columns, *(of.column for of in data.conditions if of.needs_whole_numbers)}
        if self._integers:
            whole |= self._objects_columns().keys()
        wanted = self._wanted()
        once = dict.fromkeys([*wanted, *optional.values()])  # a column may be wanted for two purposes
        self._backend = open_backend(file, self._table, once, whole)
        self._columns = {key: name for key, name in optional.items() if name in self._backend.names}
        for name, key in wanted.items():
            if name not in self._backend.names:
                there = ", ".join(list(self._backend.names)[:30]) or "none"
                self._backend.close()
                raise InputError(f"{file} has no column `{name}` (there: {there}); correct `{key}`")
        self.n_events, self.seekable = self._backend.n_rows, self._backend.seekable
        self.layout = tuple(sorted(self._backend.names))
        self._lists: dict[str, bool] = {}  # by kind: whether its slots come from lists, which are sorted
        self._names = {place: name for name, place in self._objects_columns().items()}
        if self.n_events == 0:
            self._backend.close()
            raise InputError(f"{file} holds no events")

    def _objects_columns(self) -> dict[str, str]:
        """Give the `KIND.QUANTITY` that each column of objects is for."""
        return {
            name: f"{kind.name}.{quantity}"
            for kind in self._data.hardware.objects
            for quantity in QUANTITIES
            for name in _names(getattr(self._table.objects[kind.name], quantity), kind)
        }

    def _wanted(self) -> dict[str, str]:
        """Give the key in the config that asks for each column."""
        wanted = {name: f"data.table.objects.{place}" for name, place in self._objects_columns().items()}
        return wanted | dict.fromkeys(self._data.group_columns, "data.group") | selecting_columns(self._data)

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events; Level-1 integers are given as they are."""
        rows = self._backend.read(start, count)
        kinds = self._data.hardware.objects
        shape = count, sum(kind.slots for kind in kinds), len(QUANTITIES)
        values: NDArray[Any] = np.zeros(shape, dtype=np.int32 if self._integers else np.float64)
        counts: dict[str, dict[str, int]] = {}
        first = 0
        for kind in kinds:
            for what, n in self._fill(values, first, rows, kind, start).items():
                if n:
                    counts.setdefault(what, {})[kind.name] = n
            first += kind.slots
        groups = (
            joined_groups(self._groups(rows, start)) if self._data.group_columns else np.arange(start, start + count)
        )
        columns: dict[str, NDArray[np.float64]] = {}
        for key, name in self._columns.items():
            columns |= trigger_columns(self._scalar(rows, name, start), key)
        kept, splits = select(self._data, lambda name: self._any_scalar(rows, name, start), self._file)
        chunk = EventChunk(start, values, groups, columns, self._integers, kept, splits, names=self._names)
        chunk = chunk._replace(is_ordered=all(self._lists.values()))
        for what, by_kind in counts.items():
            chunk = with_counts(chunk, what, by_kind)
        return chunk

    def close(self) -> None:
        """Release the file."""
        self._backend.close()

    def _groups(self, rows: Mapping[str, Column], start: int) -> list[NDArray[Any]]:
        found = []
        for name in self._data.group_columns:
            groups = self._any_scalar(rows, name, start)
            if groups.dtype.kind not in "iu":
                raise InputError(
                    f"{self._file}: the column `{name}` holds {held(groups)}, but whole numbers are needed; "
                    "correct `data.group`"
                )
            found.append(groups)
        return found

    def _fill(
        self, values: NDArray[Any], first: int, rows: Mapping[str, Column], kind: ObjectWidths, start: int
    ) -> dict[str, int]:  # fmt: skip
        """Write the objects of one kind, from slot `first` on, and count the events whose lists were sorted or cut."""
        slots = values[:, first : first + kind.slots]
        names = {q: _names(getattr(self._table.objects[kind.name], q), kind) for q in QUANTITIES}
        columns = self._in_one_form({q: [self._numbers(rows, n) for n in own] for q, own in names.items()}, names, kind)
        is_list = columns["pt"][0].lengths is not None
        self._lists[kind.name] = is_list or kind.slots == 1
        none = none_of(self._data.hardware, kind) if self._integers else 0
        if none > 0:
            slots[..., 0] = none
        if not is_list:
            for index, quantity in enumerate(QUANTITIES):
                for slot, column in enumerate(columns[quantity]):
                    slots[:, slot, index] = self._narrowed(column.values)
            return {}
        (pt,) = columns["pt"]
        self._check_finite(pt, kind, start)
        lists = ListSlots(pt, kind.slots, by_value=self._data.order is Order.PT, none=none)
        places, flat = lists.places(values.shape[1], first) * len(QUANTITIES), values.reshape(-1)
        for index, quantity in enumerate(QUANTITIES):
            for column in columns[quantity]:
                self._check_lengths(lists, column, quantity, kind, start)
                flat[places + index] = lists.slotted(self._narrowed(column.values))
        return lists.counts

    def _in_one_form(
        self, columns: dict[str, list[Column]], names: Mapping[str, Sequence[str]], kind: ObjectWidths
    ) -> dict[str, list[Column]]:  # fmt: skip
        """Give the columns of a kind where all are lists, or all one number a slot: lists of one number may be both."""
        forms = {q: self._is_list(own, names[q][0], kind) for q, own in columns.items() if own}
        if len(set(forms.values())) == 1:
            return columns
        every = [column for own in columns.values() for column in own]
        if kind.slots == 1 and all(column.lengths is None or (column.lengths == 1).all() for column in every):
            return {q: [column._replace(lengths=None) for column in own] for q, own in columns.items()}
        quantity = next(q for q, form in forms.items() if form is not forms["pt"])
        says = [f"the {q} of {kind.name} (`{names[q][0]}`) is {_FORMS[forms[q]]}" for q in ("pt", quantity)]
        raise InputError(f"{self._file}: {', but '.join(says)}; give all columns of {kind.name} one form")

    def _narrowed(self, values: NDArray[Any]) -> NDArray[Any]:
        if self._integers and (values.dtype.itemsize > 4 or values.dtype == np.uint32):
            return np.asarray(np.clip(values, -_LARGEST if values.dtype.kind == "i" else 0, _LARGEST))
        return values

    def _is_list(self, columns: list[Column], name: str, kind: ObjectWidths) -> bool:
        lists = [column for column in columns if column.lengths is not None]
        if len(lists) == len(columns) == 1:
            return True
        if lists or len(columns) != kind.slots:
            raise InputError(
                f"{self._file}: the column `{name}` must hold {'a list' if not lists else 'one number'} an event for "
                f"the {kind.slots} slots of {kind.name}; name a list column, or one a slot with {{slot}} in its name"
            )
        return False

    def _check_lengths(
        self, lists: ListSlots, column: Column, quantity: str, kind: ObjectWidths, start: int
    ) -> None:  # fmt: skip
        differ = np.asarray(column.lengths != lists.lengths)
        if differ.any():
            row = int(np.argmax(differ))
            raise InputError(
                f"{self._file}: event {start + row} has {lists.lengths[row]} pt but {np.asarray(column.lengths)[row]} "
                f"{quantity} of {kind.name}; each object needs all of its values"
            )

    def _check_finite(self, pt: Column, kind: ObjectWidths, start: int) -> None:
        """Refuse a pT that can't be compared: lists are sorted and cut by it before the values are checked."""
        if pt.values.dtype.kind == "f" and not (finite := np.isfinite(pt.values)).all():
            row = int(np.searchsorted(np.cumsum(np.asarray(pt.lengths)), int(np.argmin(finite)), side="right"))
            raise InputError(
                f"{self._file}: the pt of {kind.name} in event {start + row} is NaN or infinite; remove or repair such "
                "events, or leave out of the list what is no object"
            )

    def _numbers(self, rows: Mapping[str, Column], name: str) -> Column:
        column = rows[name]
        if self._integers and column.values.dtype.kind == "f" and _are_whole(column.values):
            column = column._replace(values=_as_integers(column.values))
        kinds = "iu" if self._integers else "iuf"
        if column.values.dtype.kind not in kinds:
            wanted = "whole numbers (`data.table.values: integers`)" if kinds == "iu" else "numbers"
            raise InputError(f"{self._file}: the column `{name}` holds {held(column.values)}, but needs {wanted}")
        return column

    def _scalar(self, rows: Mapping[str, Column], name: str, start: int) -> NDArray[Any]:
        values = self._any_scalar(rows, name, start)
        if values.dtype.kind not in "biuf":
            raise InputError(f"{self._file}: the column `{name}` holds {held(values)}, but needs one number an event")
        return values

    def _any_scalar(self, rows: Mapping[str, Column], name: str, start: int) -> NDArray[Any]:
        """Give one value an event, which may stand in a list of its own."""
        column = rows[name]
        if column.lengths is not None and np.any(column.lengths != 1):
            raise InputError(
                f"{self._file}: the column `{name}` holds lists, but needs one value an event (from event {start} on)"
            )
        return column.values


def _as_integers(whole: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(np.clip(whole.astype(np.float64), -_LARGEST, _LARGEST), dtype=np.int64)


def _are_whole(values: NDArray[Any]) -> bool:
    return bool((np.isfinite(values) & (np.rint(values) == values)).all())


def _required(file: Path, data: Data) -> Table:
    if data.table is None:
        raise InputError(f"{file} is a table; say in `data.table` which of its columns holds what")
    return data.table


def _names(pattern: str | None, kind: ObjectWidths) -> list[str]:
    """Name the columns of a quantity: none, the one, or one a slot."""
    if pattern is None or "{slot}" not in pattern:
        return [pattern] if pattern else []
    return [pattern.replace("{slot}", str(slot)) for slot in range(1, kind.slots + 1)]


def open_backend(file: Path, table: Table, wanted: Iterable[str], whole: Container[str | None]) -> Backend:
    """Open a table for some of its columns, of which some must hold whole numbers.

    Raises
    ------
    ToolMissing
        If a package that reads its format is missing.
    """
    if is_array_file(file):
        return open_arrays(file, wanted)
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
