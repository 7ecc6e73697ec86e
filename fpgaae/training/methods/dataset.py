"""The events of a method as arrays: the clipped float inputs that the float network of the config's `model` sees, too.

Columns that a method wants beside them (`Method.columns`) are made here, by name, from `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.inputs import Split, open_split
from fpgaae.errors import InputError
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.quantities import nuisance_column

Columns = dict[str, NDArray[np.float32]]  # "x": (n, n_features); others: (n,) or (n, ...)
ColumnMaker = Callable[[StageRun, str, str], NDArray[np.float32]]  # run, process, split -> one an event
COLUMNS: Mapping[str, ColumnMaker] = {"nuisance": nuisance_column}


def load_columns(
    run: StageRun, process: str, split: str, wanted: tuple[str, ...] = (), rows: range | None = None
) -> Columns:
    """Read the events of a process in a split, in the order of the file, with the columns that a method wants.

    Parameters
    ----------
    rows
        Which of the events; None: all.
    """
    opened = open_split(run, split)._replace(process=process)
    others = {name: COLUMNS[name](run, process, split) for name in wanted}
    return {"x": load_inputs(opened, rows), **rows_of(others, rows)}


def rows_of(columns: Columns, rows: range | None) -> Columns:
    """Give a copy of some events, or the columns as they are where all are wanted."""
    return columns if rows is None else {name: own[rows.start : rows.stop].copy() for name, own in columns.items()}


def load_inputs(split: Split, rows: range | None = None) -> NDArray[np.float32]:
    """Read the clipped inputs of a split, or of some of its events, (n, n_features)."""
    blocks = [split.clipped(block) for block in split.ordered_blocks(rows)]
    if rows is not None and not blocks and split.n_events:
        return np.zeros((0, len(split.features)), dtype=np.float32)
    if not blocks:
        raise InputError(
            f"the split `{split.name}` of `{split.process}` has no event; give more events or change `data.split`"
        )
    return np.concatenate(blocks)
