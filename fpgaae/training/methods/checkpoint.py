"""What a killed training goes on from: its arrays and its history, in one file that is replaced whole."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.files import Json

_FILE = "method.npz"
_SECONDS_BETWEEN = 2.0


class Saved(NamedTuple):
    """A state of a training."""

    arrays: list[NDArray[Any]]
    notes: Json  # plain values: the epoch, the history


class Checkpoint:
    """Writes a state at most every two seconds, since an epoch may take less."""

    def __init__(self, scratch: Path) -> None:
        self._file = scratch / _FILE
        self._latest = time.monotonic()

    def is_due(self) -> bool:
        """Tell whether the latest state is old enough for a new one."""
        return time.monotonic() - self._latest > _SECONDS_BETWEEN

    def save(self, arrays: Sequence[Any], notes: Json) -> None:
        """Replace the saved state."""
        partial = self._file.with_name(f".{_FILE}")
        with partial.open("wb") as stream:
            np.savez(stream, *[np.asarray(array) for array in arrays], notes=json.dumps(notes))
        partial.replace(self._file)
        self._latest = time.monotonic()

    def load(self) -> Saved | None:
        """Read the saved state, if there is one."""
        if not self._file.is_file():
            return None
        with np.load(self._file, allow_pickle=False) as saved:
            notes = json.loads(str(saved["notes"]))
            return Saved([saved[f"arr_{i}"] for i in range(len(saved.files) - 1)], notes)
