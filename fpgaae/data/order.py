"""The order of the objects of a kind: by pT, the hardest first, or as the file has them."""

from __future__ import annotations

import numpy as np

from fpgaae.config.data import Data, Order
from fpgaae.data.limits import kind_slots, object_limits
from fpgaae.data.source import EventChunk, with_counts


def ordered(chunk: EventChunk, data: Data) -> EventChunk:
    """Sort the objects of each kind by pT unless the order of the file counts; equal ones stay in their order."""
    if chunk.is_ordered or data.order is not Order.PT or data.hardware.array is not None:
        return chunk
    values = chunk.values
    none = object_limits(data.hardware).none
    sorted_events = {}
    for name, slots in kind_slots(data.hardware).items():
        pt = values[:, slots, 0]
        if chunk.integers and (none[slots.start] > 0):
            pt = np.where(pt == none[slots.start], -1, pt)
        rows = np.flatnonzero((pt[:, 1:] > pt[:, :-1]).any(axis=1))
        if not rows.size:
            continue
        if values is chunk.values:
            values = np.array(values)
        order = np.argsort(-pt[rows].astype(np.float64), axis=1, kind="stable")
        values[rows, slots] = np.take_along_axis(values[rows, slots], order[..., None], axis=1)
        sorted_events[name] = len(rows)
    return with_counts(chunk._replace(values=values), "sorted", sorted_events)
