"""What every reader of event files gives: chunks of events from an open file.

How a format is read does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TRIGGER_BITS = "existing_trigger"


class EventChunk(NamedTuple):
    """Consecutive events of a file."""

    first_event: int
    particles: NDArray[np.floating]  # (n, n_slots, >= 3)
    groups: NDArray[np.int64]  # (n,)
    columns: Mapping[str, NDArray[np.float64]] = MappingProxyType({})  # (n,) each: those of `Columns` that are there


class Source:
    """An open event file."""

    n_events: int
    seekable = True  # whether reading may begin anywhere

    def read(self, start: int, count: int) -> EventChunk:
        """Read consecutive events."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""
        raise NotImplementedError

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def trigger_columns(values: NDArray[Any], column: str) -> NDArray[np.float64]:
    """Give one number an event; of trigger bits, whether any is set."""
    if column == TRIGGER_BITS:
        values = np.any(values.reshape(len(values), -1) != 0, axis=1)
    return values.astype(np.float64)
