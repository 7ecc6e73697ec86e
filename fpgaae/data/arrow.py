"""Tables of Parquet and CSV (needs PyArrow)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
_LONGEST_LINE = 2**20
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_OTHER_TYPE = re.compile(r"column #(\d+): (?:Row #(\d+): )?CSV conversion error to (\w+): invalid value '(.*)'", re.S)
_COMMENT = re.compile(r"(?:Row #(\d+): )?Expected \d+ columns, got \d+: *#")


class ArrowTable(Backend):
    """Record batches of whatever size, given out as many rows at a time as are asked for."""

    _batches: Iterator[pyarrow.RecordBatch]
    _file: Path
    _wanted: Sequence[str]

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
        return {name: _column(taken, name, self._file, start) for name in self._wanted}


def _column(table: pyarrow.Table, name: str, file: Path, start: int) -> Column:
    """Give a column, or with a dot in its name a field of the structs in one."""
    column, field = (name, "") if name in table.column_names else _struct_field(name, table.column_names)
    array = pyarrow.concat_arrays(table.column(column).chunks)
    _refuse_nulls(array, name, file, start)
    if field and pyarrow.types.is_struct(array.type):  # which may hold lists
        array, field = pyarrow.compute.struct_field(array, field.split(".")), ""
        _refuse_nulls(array, name, file, start)
    lengths = None
    if pyarrow.types.is_fixed_size_list(array.type):
        array = array.cast(pyarrow.list_(array.type.value_type))
    if pyarrow.types.is_list(array.type) or pyarrow.types.is_large_list(array.type):
        lengths = pyarrow.compute.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
        array = array.flatten()
        _refuse_nulls(array, name, file, start)
    if field:
        array = pyarrow.compute.struct_field(array, field.split("."))
        _refuse_nulls(array, name, file, start)
    return Column(lengths, _to_numpy(array))


def _struct_field(name: str, columns: Iterable[str]) -> tuple[str, str]:
    column = max((column for column in columns if name.startswith(f"{column}.")), key=len)
    return column, name[len(column) + 1 :]


def _field_names(schema: pyarrow.Schema) -> list[str]:
    """Name the columns, and behind them the fields of structs and of lists of structs, as COLUMN.FIELD."""
    fields = [name for field in schema for name in _fields_within(field.name, field.type)]
    return [*schema.names, *(name for name in fields if name not in schema.names)]


def _fields_within(name: str, kind: pyarrow.DataType) -> Iterator[str]:
    if hasattr(kind, "value_type") and not pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_struct(kind):
        for index in range(kind.num_fields):
            yield f"{name}.{kind.field(index).name}"
            yield from _fields_within(f"{name}.{kind.field(index).name}", kind.field(index).type)


def _refuse_one_twice(wanted: Iterable[str], columns: Sequence[str], file: Path) -> None:
    """Refuse a name that stands for two columns."""
    for name in wanted:
        if (n := columns.count(name)) > 1:
            raise InputError(f"{file} has {n} columns `{name}`; rename or remove what is not meant")


def _to_numpy(array: pyarrow.Array) -> NDArray[Any]:
    if pyarrow.types.is_null(array.type):  # of lists that are all empty, as whoever writes them knows no other
        return np.zeros(len(array), dtype=np.int32)
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
        columns = self._opened.schema_arrow.names
        self.names = _field_names(self._opened.schema_arrow)
        self.n_rows = self._opened.metadata.num_rows
        self._wanted = [name for name in wanted if name in self.names]
        read = {name if name in columns else _struct_field(name, columns)[0] for name in self._wanted}
        _refuse_one_twice(read, columns, file)
        self._batches = self._opened.iter_batches(_PARQUET_ROWS, columns=sorted(read))

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
        if has_names:
            _refuse_other_text(file)
        options = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=_CSV_BLOCK_BYTES, autogenerate_column_names=not has_names
        )
        with _lines_named(file), pyarrow.csv.open_csv(file, options) as first:
            self.names = [name.strip() for name in first.schema.names]
            integers = {self.names[i] for i, kind in enumerate(first.schema.types) if pyarrow.types.is_integer(kind)}
            if self.names != first.schema.names:
                options.column_names, options.skip_rows = self.names, 1
        self._wanted = [name for name in wanted if name in self.names]
        _refuse_one_twice(self._wanted, self.names, file)
        types = {name: pyarrow.float64() for name in self._wanted if name in integers and name not in whole}
        convert = pyarrow.csv.ConvertOptions(include_columns=self._wanted, column_types=types)
        with _lines_named(file), pyarrow.csv.open_csv(file, options, convert_options=convert) as reader:
            self.n_rows = sum(batch.num_rows for batch in reader)
        self._reader = pyarrow.csv.open_csv(file, options, convert_options=convert)
        self._batches = iter(self._reader)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def _refuse_other_text(file: Path) -> None:
    """Refuse a text whose first lines are not names and numbers with commas between them."""
    with file.open("rb") as beginning:
        if beginning.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            raise InputError(f"{file} is UTF-16; write it as UTF-8, or as Parquet")
    with file.open(encoding="utf-8", errors="replace") as stream:
        names, numbers = (stream.readline(_LONGEST_LINE).strip() for _ in range(2))
    if names.startswith("#"):
        raise InputError(_comment(file, 1))
    for separator, shown in ((";", ";"), ("\t", "a tab"), ("|", "|"), (" ", "a space")):
        if separator in names and separator in numbers and "," not in names:
            decimal = _DECIMAL_COMMA.search(numbers)
            also = f", and line 2 has `{decimal[0]}` with a decimal comma" if decimal else ""
            raise InputError(
                f"{file}: line 1 has {shown} between its columns{also}; a table has commas between columns and points "
                "in numbers (237.5), so write it like that, or as Parquet"
            )


@contextmanager
def _lines_named(file: Path) -> Iterator[None]:
    """Say that a line is a comment, or has another kind of value than those before, where the reader stumbles."""
    try:
        yield
    except pyarrow.ArrowInvalid as error:
        if other := _OTHER_TYPE.search(str(error)):
            column, line, kind, value = other.groups()
            where = f"line {line}" if line else "a line"
            raise InputError(
                f"{file}: {where} has `{value}` in column {int(column) + 1}, whose first values are {kind}; write "
                "values of one kind in a column"
            ) from None
        if (found := _COMMENT.search(str(error))) is None:
            raise
        raise InputError(_comment(file, int(found[1]) if found[1] else None)) from None


def _comment(file: Path, line: int | None) -> str:
    where = "a line" if line is None else f"line {line}"
    return f"{file}: {where} begins with `#`; a table has no comments, so delete them (line 1 names the columns)"
