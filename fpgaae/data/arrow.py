"""Tables of Parquet and CSV (needs PyArrow)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from fpgaae.data.backends import Backend, Column
from fpgaae.errors import InputError

_CSV_BLOCK_BYTES = 4 * 2**20
_PARQUET_ROWS = 16_384


class ArrowTable(Backend):
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


class ParquetTable(ArrowTable):
    """A Parquet file."""

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


class CsvTable(ArrowTable):
    """A text table; its lines are counted once before they are read.

    What a column holds is found in its first block, whose numbers may be whole by chance.

    Parameters
    ----------
    wanted
        Names of columns.
    whole
        Those that must hold whole numbers.
    has_names
        Whether the first line names the columns; else they are f0, f1 and so on.
    """

    def __init__(
        self, file: Path, wanted: Iterable[str], whole: Container[str | None], *, has_names: bool = True
    ) -> None:
        super().__init__()
        self._file = file
        options = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=_CSV_BLOCK_BYTES, autogenerate_column_names=not has_names
        )
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
