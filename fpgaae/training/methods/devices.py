"""Where members and events lie when JAX has several devices: members apart, or the events of each batch apart.

This module imports JAX.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from fpgaae.errors import InputError

MEMBERS, EVENTS = "members", "events"
_USABLE = 0.8  # share of a device's memory that the events may take
_GIB = 2**30


class Placement(NamedTuple):
    """The mesh of devices and what is spread over it; no mesh: one device holds all."""

    mesh: Mesh | None
    axis: str

    @property
    def n_devices(self) -> int:
        """Number of devices."""
        return 1 if self.mesh is None else int(self.mesh.size)

    def sharding(self, *axes: str | None) -> NamedSharding | None:
        """Give the sharding over the named axes; those that are not of this mesh are replicated."""
        if self.mesh is None:
            return None
        return NamedSharding(self.mesh, PartitionSpec(*(axis if axis == self.axis else None for axis in axes)))

    def padded(self, n_members: int) -> int:
        """Give the number of members that are trained, so that every device has as many."""
        return -(-n_members // self.n_devices) * self.n_devices if self.axis == MEMBERS else n_members


def place(n_members: int, batch_size: int) -> Placement:
    """Spread members over the devices if there are several, else the events of a batch if they come out even."""
    devices = jax.devices()
    n = min(len(devices), n_members) if n_members > 1 else len(devices)
    if n == 1 or (n_members == 1 and batch_size % n):
        return Placement(None, MEMBERS)
    axis = MEMBERS if n_members > 1 else EVENTS
    return Placement(Mesh(np.array(devices[:n]), (axis,)), axis)


def require_memory(columns: Mapping[str, NDArray[Any]]) -> None:
    """Refuse events that a device can't hold.

    Raises
    ------
    InputError
        With both sizes.
    """
    size = sum(column.nbytes for column in columns.values())
    limit = _memory_bytes()
    if size > _USABLE * limit:
        raise InputError(
            f"the {len(columns['x']):,} training events take {size / _GIB:.1f} GiB, more than {_USABLE:.0%} of the "
            f"{limit / _GIB:.1f} GiB of a device; give fewer events in `data.files`, or a smaller `data.split.train`"
        )


def _memory_bytes() -> int:
    """Give the memory of a device; a CPU has the machine's."""
    stats = jax.devices()[0].memory_stats() or {}
    return int(stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
