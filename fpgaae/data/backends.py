"""Open tables: consecutive rows of named columns, in bounded memory.

What becomes of the columns does not belong here, nor how a format is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


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
