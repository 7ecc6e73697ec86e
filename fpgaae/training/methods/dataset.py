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


def load_columns(run: StageRun, process: str, split: str, wanted: tuple[str, ...] = ()) -> Columns:
    """Read the events of a process in a split, in the order of the file, with the columns that a method wants."""
    opened = open_split(run, split)._replace(process=process)
    return {"x": load_inputs(opened), **{name: COLUMNS[name](run, process, split) for name in wanted}}


def load_inputs(split: Split) -> NDArray[np.float32]:
    """Read the clipped inputs of a split, (n, n_features)."""
    blocks = [split.clipped(block) for block in split.ordered_blocks()]
    if not blocks:
        raise InputError(
            f"the split `{split.name}` of `{split.process}` has no event; give more events or change `data.split`"
        )
    return np.concatenate(blocks)
