"""What columns say of each event: whether `where` keeps it, which split it belongs to, and its group."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.config.selection import Condition
from fpgaae.data.backends import as_text, held, is_text
from fpgaae.data.splits import SPLITS, splitmix64
from fpgaae.errors import InputError
from fpgaae.limits import ITEM_BYTES

Column = Callable[[str], NDArray[Any]]  # gives one value an event by the name of a column
_COMPARE = MappingProxyType(
    {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
)


class Selection(NamedTuple):
    """Of consecutive events, (n,) each."""

    kept: NDArray[np.bool_] | None  # None: all
    splits: NDArray[np.int64] | None  # index in `SPLITS`, -1 where the column says none of them; None: no such column


def selecting_columns(data: Data) -> dict[str, str]:
    """Give the columns that a selection needs, each with its key in the config."""
    wanted = {condition.column: "data.where" for condition in data.conditions}
    if data.split.column is not None:
        wanted[data.split.column] = "data.split.column"
    return wanted


def select(data: Data, column: Column, file: Path) -> Selection:
    """Find which events are kept, and the split of each.

    Raises
    ------
    InputError
        If a column holds text where numbers are compared or the other way round, or a split of no known name.
    """
    kept: NDArray[np.bool_] | None = None
    for condition in data.conditions:
        fulfilled = _fulfilled(_values(column, condition.column, "data.where", file), condition, file)
        kept = fulfilled if kept is None else kept & fulfilled
    splits = None
    if data.split.column is not None:
        splits = _named_splits(data, _values(column, data.split.column, "data.split.column", file), kept, file)
    return Selection(kept, splits)


def _fulfilled(values: NDArray[Any], condition: Condition, file: Path) -> NDArray[np.bool_]:
    is_text, wants_text = values.dtype.kind == "U", isinstance(condition.value, str)
    if is_text is not wants_text:
        kinds = ("text", "a number") if is_text else (f"{values.dtype} values", "a text")
        raise InputError(
            f"{file}: the column `{condition.column}` holds {kinds[0]}, but `data.where` compares it with {kinds[1]}, "
            f"{condition.value!r}; correct it"
        )
    if values.dtype.kind == "f" and isinstance(condition.value, int):
        if condition.needs_whole_numbers:
            raise InputError(
                f"{file}: the column `{condition.column}` holds {values.dtype} values, which do not tell "
                f"{condition.value} of `data.where` from its neighbours; write whole numbers of 64 bits"
            )
        values = values.astype(np.promote_types(values.dtype, np.float64))  # a narrow type would round the number
    with np.errstate(over="ignore"):  # of a number beyond the column's narrow type
        return np.asarray(_COMPARE[condition.operator](values, condition.value), dtype=np.bool_)


def _named_splits(
    data: Data, values: NDArray[Any], kept: NDArray[np.bool_] | None, file: Path
) -> NDArray[np.int64]:  # fmt: skip
    values = _names_of(values)
    found = np.full(len(values), -1, dtype=np.int64)
    for index, name in enumerate(SPLITS):
        found[np.isin(values, data.split.names.get(name, ()))] = index
    unknown = (found < 0) if kept is None else (found < 0) & kept
    if unknown.any():
        known = ", ".join(name for names in data.split.names.values() for name in names)
        raise InputError(
            f"{file}: the column `{data.split.column}` says `{values[np.argmax(unknown)]}`, which is no split "
            f"({known}); name it in `data.split.names`, or leave such events out by `data.where`"
        )
    return found


def _names_of(values: NDArray[Any]) -> NDArray[Any]:
    """Give what a column says of splits as texts, also where it holds whole numbers, or true and false."""
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    texts = values.astype("U")
    if values.dtype.kind == "f":  # whole numbers of a text (CSV)
        whole = np.isfinite(values) & (np.rint(values) == values)
        texts[whole] = values[whole].astype(np.int64).astype("U")
    return texts


def _values(column: Column, name: str, key: str, file: Path) -> NDArray[Any]:
    """Give the numbers or texts of a column.

    Raises
    ------
    InputError
        If it holds something else.
    """
    values = column(name)
    if values.dtype.kind not in "biuf" and not is_text(values):
        raise InputError(
            f"{file}: the column `{name}` holds {held(values)}, but `{key}` takes numbers and texts; write it as these"
        )
    if values.dtype.kind in "OT" and (longest := max(map(len, values), default=0)) > ITEM_BYTES:
        raise InputError(
            f"{file}: a text of the column `{name}` has {longest:,} characters, more than {ITEM_BYTES:,}; shorten it"
        )
    return as_text(values)


def joined_groups(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Give one number for the numbers of several columns, (n,); that of one column is itself."""
    if len(columns) == 1:
        return np.asarray(columns[0].astype(np.int64))
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for values in columns:
        mixed = splitmix64(mixed ^ values.astype(np.int64).view(np.uint64))
    return mixed.view(np.int64)
