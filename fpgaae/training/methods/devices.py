"""Where members and events lie when JAX has several devices: members apart, or the events of each batch apart.

This module imports JAX.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.training.methods.together import all_devices, picked, spans_processes, spread_events

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

    @property
    def spans_processes(self) -> bool:
        """Whether some of the devices are of other processes."""
        return self.mesh is not None and spans_processes()

    def put(self, tree: Any, *axes: str | None) -> Any:  # noqa: ANN401
        """Lay arrays that every process has on the devices, spread over the named axes."""
        sharding = self.sharding(*axes)
        if sharding is None or not self.spans_processes:
            return jax.device_put(tree, sharding)
        return jax.tree.map(lambda own: jax.make_array_from_callback(own.shape, sharding, lambda at: own[at]), tree)

    def put_events(self, columns: Mapping[str, NDArray[Any]], n: int) -> Any:  # noqa: ANN401
        """Lay events on every device; or this process' share of `n` on its own, each on one device only."""
        if self.mesh is None or not self.spans_processes:
            return jax.device_put(dict(columns), self.sharding())
        return spread_events(self.mesh, self.sharding(EVENTS), columns, n)

    def pick(self, columns: Mapping[str, Any], rows: Any) -> dict[str, Any]:  # noqa: ANN401
        """Give rows of what `put_events` laid down: a batch, spread over the devices where its events are to be."""
        if self.mesh is not None and self.spans_processes:
            return {name: picked(self.mesh, EVENTS, column, rows) for name, column in columns.items()}
        batch = {name: column.at[rows].get(mode="promise_in_bounds") for name, column in columns.items()}
        spread = self.sharding(EVENTS) if self.axis == EVENTS else None
        return batch if spread is None else jax.lax.with_sharding_constraint(batch, spread)

    def compile(self, function: Callable[..., Any], **options: Any) -> Any:  # noqa: ANN401
        """Compile a function; what it gives, every process has."""
        if self.spans_processes:
            options["out_shardings"] = self.sharding()
        return jax.jit(function, **options)

    def padded(self, n_members: int) -> int:
        """Give the number of members that are trained, so that every device has as many."""
        return -(-n_members // self.n_devices) * self.n_devices if self.axis == MEMBERS else n_members


def place(n_members: int, batch_size: int) -> Placement:
    """Spread members over the devices if there are several, else the events of a batch if they come out even.

    Of several processes it is always the events, so that each has its share of them.

    Raises
    ------
    InputError
        If the events of a batch do not come out even over several processes.
    """
    if spans_processes():
        everywhere = all_devices()
        if batch_size % len(everywhere):
            raise InputError(
                f"a batch of {batch_size} events can't be spread evenly over the {len(everywhere)} devices of "
                f"{jax.process_count()} processes; give a multiple of {len(everywhere)} as "
                "`training.reference.batch_size`, or start as many processes as divide it"
            )
        return Placement(Mesh(np.array(everywhere), (EVENTS,)), EVENTS)
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
    stats = jax.local_devices()[0].memory_stats() or {}
    return int(stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
