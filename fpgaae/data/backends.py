"""Open tables: consecutive rows of named columns, in bounded memory.

What becomes of the columns does not belong here, nor how a format is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SHOWN_LENGTH = 30
_OTHERS = ((Decimal, "decimals"), (dict, "structs"), (list | np.ndarray, "lists"))


class Column(NamedTuple):
    """Consecutive rows of a column."""

    lengths: NDArray[np.int64] | None  # (n,) numbers in each row's list; None where a row is one number
    values: NDArray[Any]  # all numbers, row after row


def held(values: NDArray[Any]) -> str:
    """Say what values are: their number type, or of text the first that is no number."""
    if values.dtype.kind in "Mm":
        return "times" if values.dtype.kind == "M" else "durations"
    first = values.flat[0] if values.size else None
    if isinstance(first, str | bytes):
        text = next((value for value in values.flat if not _is_number(value)), first)
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        return f"text (`{shown[:_SHOWN_LENGTH]}`)"
    return next((name for kind, name in _OTHERS if isinstance(first, kind)), str(values.dtype))


def is_text(values: NDArray[Any]) -> bool:
    """Tell whether values are texts, of whatever type of NumPy or Python."""
    return values.dtype.kind in "SUT" or all(isinstance(value, str | bytes) for value in values[:1])


def as_text(values: NDArray[Any]) -> NDArray[Any]:
    """Give text as such, which files hold as bytes or objects; numbers stay."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "O":
        if all(isinstance(value, bytes) for value in values[:1]):
            return np.char.decode(values.astype("S"), "utf-8", "replace")
        return values.astype("U")
    return values.astype("U") if values.dtype.kind == "T" else values


def _is_number(text: str | bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
