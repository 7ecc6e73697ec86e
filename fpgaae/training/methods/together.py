"""What processes that train together do at once: share the events, and agree on numbers. This module imports JAX.

The processes are those of `jax.distributed`. Each holds consecutive events of a split, on every device as many. All of
them must call these functions in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from numpy.typing import NDArray

from fpgaae.files import Json
from fpgaae.models.method_setting import InputMoments

Arrays = list[NDArray[Any]]


def spans_processes() -> bool:
    """Tell whether this process trains together with others."""
    return int(jax.process_count()) > 1


def is_first() -> bool:
    """Tell whether this process is the one that writes."""
    return int(jax.process_index()) == 0


def all_devices() -> list[Any]:
    """Give the devices of all processes, those of a process side by side."""
    return sorted(jax.devices(), key=lambda device: (device.process_index, device.id))


def rows_a_device(n: int, n_devices: int) -> int:
    """Give the number of events that a device holds of `n`; what is left over at the end is filled up."""
    return -(-n // n_devices)


def rows_here(n: int) -> range:
    """Give which of `n` events this process holds; the last ones may hold fewer, or none."""
    devices = all_devices()
    mine = [place for place, device in enumerate(devices) if device.process_index == jax.process_index()]
    size = rows_a_device(n, len(devices))
    return range(min(mine[0] * size, n), min((mine[-1] + 1) * size, n))


def spread_events(mesh: Mesh, sharding: Any, columns: Mapping[str, NDArray[Any]], n: int) -> dict[str, Any]:  # noqa: ANN401
    """Lay this process' events on its devices, as its part of the arrays of `n` events, filled up with zeros."""
    size = rows_a_device(n, int(mesh.size))
    first = rows_here(n).start

    def spread(column: NDArray[Any]) -> Any:  # noqa: ANN401
        def held(index: Any) -> NDArray[Any]:  # noqa: ANN401
            start = int(index[0].start or 0)
            found = column[max(start - first, 0) : max(start + size - first, 0)]
            return np.concatenate([found, np.zeros((size - len(found), *column.shape[1:]), dtype=column.dtype)])

        return jax.make_array_from_callback((size * int(mesh.size), *column.shape[1:]), sharding, held)

    return {name: spread(column) for name, column in columns.items()}


def picked(mesh: Mesh, axis: str, column: Any, rows: Any) -> Any:  # noqa: ANN401
    """Give rows of a column whose events are spread over the devices, spread over them again in the order of `rows`.

    Each device puts in the rows that it holds and zeros for the others, and the sum of all is what they have together:
    exactly the values, since all but one of those added are zero.
    """
    spread, whole = jax.sharding.PartitionSpec(axis), jax.sharding.PartitionSpec()

    def of_device(held: Any, rows: Any) -> Any:  # noqa: ANN401
        places = rows - jax.lax.axis_index(axis) * len(held)
        is_held = (places >= 0) & (places < len(held))
        found = held[jax.numpy.clip(places, 0, len(held) - 1)]
        own = jax.numpy.where(is_held.reshape(-1, *[1] * (held.ndim - 1)), found, 0)
        return jax.lax.psum_scatter(own, axis, tiled=True)

    return jax.shard_map(of_device, mesh=mesh, in_specs=(spread, whole), out_specs=spread, check_vma=False)(
        column, rows
    )


def moments_of_all(x: NDArray[np.float32]) -> InputMoments:
    """Measure the training events of all processes, from each one's share (n, n_features).

    Each process goes on with the sums of the one before it, so that they are added in the order in which one process
    adds them, and come out the same (`input_moments`).
    """
    wide = x.astype(np.float64)
    n = float(_from_all(np.array([len(x)], dtype=np.float64)).sum())
    mean = _running_sum(wide) / n
    deviation = wide - mean
    variance = _running_sum(deviation * deviation) / n
    lowest = x.min(axis=0, initial=np.inf).astype(np.float64)
    highest = x.max(axis=0, initial=-np.inf).astype(np.float64)
    low, high = _from_all(lowest).min(axis=0), _from_all(highest).max(axis=0)
    return InputMoments(*(values.astype(np.float32) for values in (mean, variance, low, high)))


def of_first(arrays: Sequence[NDArray[Any]], notes: Json) -> tuple[Arrays, Json]:
    """Give all processes what the first one has; what the others give is not looked at."""
    header = b""
    if is_first():
        forms = [[list(array.shape), array.dtype.str] for array in arrays]
        header = json.dumps({"forms": forms, "notes": notes}).encode()
    size = int(_broadcast(np.array([len(header)], dtype=np.int32))[0])
    said = json.loads(_broadcast(_as_bytes(header, size)).tobytes())
    received = []
    for i, (shape, kind) in enumerate(said["forms"]):
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        own = np.ascontiguousarray(arrays[i]).tobytes() if is_first() else b""
        received.append(np.frombuffer(_broadcast(_as_bytes(own, n_bytes)).tobytes(), dtype=kind).reshape(shape))
    return received, said["notes"]


def _running_sum(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add rows of all processes, (n, k) to (k,), one row after the other."""
    total = np.zeros(rows.shape[1])
    for process in range(jax.process_count()):
        if process == jax.process_index():
            total = np.add.reduce(np.concatenate([total[None], rows]), axis=0)
        total = _from_all(total)[process]
    return total


def _from_all(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the numbers of every process, (n_processes, ...)."""
    gathered = np.asarray(multihost_utils.process_allgather(own.view(np.uint32)))
    return gathered.reshape(jax.process_count(), -1).view(np.float64)


def _as_bytes(own: bytes, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(own, dtype=np.uint8) if own else np.zeros(size, dtype=np.uint8)


def _broadcast(own: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(multihost_utils.broadcast_one_to_all(own))
