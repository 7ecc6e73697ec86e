"""Events in tables: Parquet, CSV and ROOT, of which the config's `data.table` says which column holds what.

A column holds one number an event, or a list of them, one a slot. Each backend gives consecutive rows of named columns;
what becomes of them, `TableSource` says once for all. Arrays of objects (HDF5, npz) do not belong here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import awkward
import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import uproot
from numpy.typing import NDArray

from fpgaae.config import Data, ObjectWidths, Table, TableValues
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.source import EventChunk, Source, trigger_columns
from fpgaae.errors import InputError

_CSV_BLOCK_BYTES = 4 * 2**20
_PARQUET_ROWS = 16_384
_TREES = ("TTree", "ROOT::RNTuple")


class Column(NamedTuple):
    """Consecutive rows of a column."""

    lengths: NDArray[np.int64] | None  # (n,) numbers in each row's list; None where a row is one number
    values: NDArray[Any]  # all numbers, row after row


class Backend:
    """An open table; rows are read forward only, unless it says that they can be read from anywhere."""

    n_rows: int
    names: Sequence[str]
    seekable = False

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give consecutive rows of the columns that were asked for."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""


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
        self._backend = _open(file, self._table, once, whole)
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


def _open(file: Path, table: Table, wanted: Iterable[str], whole: Container[str | None]) -> Backend:
    """Open a table for some of its columns, of which some must hold whole numbers."""
    if file.suffix.lower() == ".csv":
        return _Csv(file, wanted, whole)
    with file.open("rb") as stream:
        parquet = stream.read(4) == b"PAR1"
    return _Parquet(file, wanted) if parquet else _Root(file, table.tree, wanted)


class _Arrow(Backend):
    """Record batches of whatever size, given out as many rows at a time as are asked for."""

    _batches: Iterator[pyarrow.RecordBatch]
    _file: Path

    def __init__(self) -> None:
        self._waiting: list[pyarrow.RecordBatch] = []

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give the next rows."""
        while sum(batch.num_rows for batch in self._waiting) < count:
            batch = next(self._batches, None)
            if batch is None:
                raise EOFError(f"it ends {count - sum(batch.num_rows for batch in self._waiting)} rows early")
            self._waiting.append(batch)
        rows = pyarrow.Table.from_batches(self._waiting)
        self._waiting = rows.slice(count).to_batches()
        taken = rows.slice(0, count).combine_chunks()
        return {name: _from_arrow(taken.column(name), name, self._file, start) for name in taken.column_names}


def _from_arrow(column: pyarrow.ChunkedArray, name: str, file: Path, start: int) -> Column:
    array = pyarrow.concat_arrays(column.chunks)
    _refuse_nulls(array, name, file, start)
    if pyarrow.types.is_fixed_size_list(array.type):
        array = array.cast(pyarrow.list_(array.type.value_type))
    if pyarrow.types.is_list(array.type) or pyarrow.types.is_large_list(array.type):
        values = array.flatten()
        _refuse_nulls(values, name, file, start)
        lengths = pyarrow.compute.list_value_length(array).to_numpy(zero_copy_only=False)
        return Column(lengths.astype(np.int64), _to_numpy(values))
    return Column(None, _to_numpy(array))


def _to_numpy(array: pyarrow.Array) -> NDArray[Any]:
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _refuse_nulls(array: pyarrow.Array, name: str, file: Path, start: int) -> None:
    if array.null_count:
        raise InputError(f"{file}: the column `{name}` holds {array.null_count} nulls from event {start} on; fill them")


class _Parquet(_Arrow):
    def __init__(self, file: Path, wanted: Iterable[str]) -> None:
        super().__init__()
        self._file = file
        self._opened = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        self.names = self._opened.schema_arrow.names
        self.n_rows = self._opened.metadata.num_rows
        columns = [name for name in wanted if name in self.names]
        self._batches = self._opened.iter_batches(_PARQUET_ROWS, columns=columns)

    def close(self) -> None:
        """Release the file."""
        self._opened.close()


class _Csv(_Arrow):
    """A text table with a line of names; its lines are counted once before they are read.

    What a column holds is found in its first block, whose numbers may be whole by chance.
    """

    def __init__(self, file: Path, wanted: Iterable[str], whole: Container[str | None]) -> None:
        super().__init__()
        self._file = file
        options = pyarrow.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES)
        with pyarrow.csv.open_csv(file, options) as first:
            self.names = first.schema.names
            integers = {field.name for field in first.schema if pyarrow.types.is_integer(field.type)}
        columns = [name for name in wanted if name in self.names]
        types = {name: pyarrow.float64() for name in columns if name in integers and name not in whole}
        convert = pyarrow.csv.ConvertOptions(include_columns=columns, column_types=types)
        with pyarrow.csv.open_csv(file, options, convert_options=convert) as reader:
            self.n_rows = sum(batch.num_rows for batch in reader)
        self._reader = pyarrow.csv.open_csv(file, options, convert_options=convert)
        self._batches = iter(self._reader)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


@contextmanager
def _damage_as_os_error() -> Iterator[None]:
    """Let every reader of a format say in one way that bytes are damaged: uproot checks them with whatever comes."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - assertions and AttributeErrors among it
        said = getattr(error, "message", error)  # without the dump of what was read so far
        raise OSError(f"{type(error).__name__}: {said}") from None


class _Root(Backend):
    seekable = True

    def __init__(self, file: Path, tree: str | None, wanted: Iterable[str]) -> None:
        self._file = file
        with _damage_as_os_error():
            self._opened = uproot.open(file)
            trees = self._opened.keys(cycle=False, filter_classname=_TREES)
        chosen = tree or (trees[0] if len(trees) == 1 else None)
        if chosen not in trees:
            self._opened.close()
            raise InputError(
                f"{file} has {f'no tree `{tree}`' if tree else 'not one tree'} (there: {', '.join(trees) or 'none'}); "
                "correct `data.table.tree`"
            )
        try:
            with _damage_as_os_error():
                self._tree = self._opened[chosen]
                self.names = self._tree.keys()
                self.n_rows = int(self._tree.num_entries)
        except OSError:
            self._opened.close()
            raise
        self._columns = [name for name in wanted if name in self.names]

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give consecutive rows from anywhere."""
        with _damage_as_os_error():
            rows = self._tree.arrays(self._columns, entry_start=start, entry_stop=start + count, library="ak")
        if len(rows) != count:
            raise EOFError(f"it gives {len(rows)} rows of {count}")
        return {name: self._column(name, rows[name]) for name in self._columns}

    def _column(self, name: str, array: Any) -> Column:  # noqa: ANN401
        if array.ndim > 2:
            raise InputError(f"{self._file}: the column `{name}` holds lists of lists; give numbers or lists of them")
        if array.ndim == 1:
            return Column(None, awkward.to_numpy(array))
        return Column(awkward.to_numpy(awkward.num(array)), awkward.to_numpy(awkward.flatten(array)))

    def close(self) -> None:
        """Release the file."""
        self._opened.close()
