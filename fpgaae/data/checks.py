"""What every chunk of events is held to before it is used: finite numbers, pT, units, and declared integers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.data.cells import within_bits
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.limits import ObjectLimits, kind_slots, object_limits
from fpgaae.data.source import WEIGHT, EventChunk, EventFile, with_counts
from fpgaae.errors import InputError

_ROWS = 1024  # events that are looked at at once, so that they stay in the cache
_PHI = QUANTITIES.index("phi")
_FAR = 2**31 - 1  # as far as integers of 32 bits go, and beyond every declaration
_LARGEST_WEIGHT = 1e30
_LARGEST_PHI = 2 * np.pi * 1.002  # 2 pi, rounded by a narrow type


def checked(chunk: EventChunk, file: EventFile | Path, data: Data) -> EventChunk:
    """Give the events as they may be used: integers of objects saturated where `data.clip` says so.

    Raises
    ------
    InputError
        If a value is none, or can't be what the config says.
    """
    _check_columns(chunk, file)
    if data.hardware.array is not None:
        _check_cells(chunk, file, signed=data.hardware.array.signed)
        return within_bits(chunk, file, data, data.hardware.array)
    if chunk.integers:
        chunk = _whole_numbers(chunk, file)
    _check_objects(chunk, file)
    if not chunk.integers:
        _check_radians(chunk, file, data)
        return chunk
    return _within_declaration(chunk, file, data)


def _check_columns(chunk: EventChunk, file: EventFile | Path) -> None:
    """Refuse values of events that `data.where` keeps."""
    for name, values in chunk.columns.items():
        used = np.ones(len(values), dtype=np.bool_) if chunk.kept is None else chunk.kept
        far = (values > _LARGEST_WEIGHT) | ((values > 0) & (values < 1 / _LARGEST_WEIGHT))
        weights = f"sums of their squares need 0, or {1 / _LARGEST_WEIGHT:g} to {_LARGEST_WEIGHT:g}; scale them"
        for bad, what in (
            (~np.isfinite(values), "NaN or infinite; repair such events, or leave them out by `data.where`"),
            ((values < 0) & (name == WEIGHT), "negative; rates need weights of 0 or more"),
            (far & (name == WEIGHT), f"too large or small; {weights}"),
        ):
            if (bad & used).any():
                event = chunk.first_event + int(np.argmax(bad & used))
                raise InputError(f"{file}: the {name} of event {event} is {what}")


def _check_cells(chunk: EventChunk, file: EventFile | Path, *, signed: bool) -> None:
    cells = chunk.values.reshape(len(chunk.values), -1)
    for bad, what, cure in (
        (~np.isfinite(cells), "a NaN or infinite value", "remove or repair such events"),
        (cells < 0, "a negative value", "set `data.hardware.array.signed` if that is meant"),
    ):
        if bad.any() and not (signed and what == "a negative value"):
            event, cell = (int(i) for i in np.argwhere(bad)[0])
            raise InputError(f"{file}: event {chunk.first_event + event}, cell {cell} holds {what}; {cure}")


def _check_objects(chunk: EventChunk, file: EventFile | Path) -> None:
    used = chunk.values[..., :3]
    finite = np.isfinite(used) if used.dtype.kind == "f" else np.ones(1, dtype=np.bool_)
    for bad, what, cure in (
        (~finite, "a NaN or infinite value", "remove or repair such events, and set empty slots to 0"),
        (used[..., :1] < 0, "a negative pT", "empty slots must be 0"),
    ):
        if bad.any():
            event, slot = (int(i) for i in np.argwhere(bad)[0][:2])
            raise InputError(f"{file}: event {chunk.first_event + event}, slot {slot} holds {what}; {cure}")


def _check_radians(chunk: EventChunk, file: EventFile | Path, data: Data) -> None:
    """Refuse a phi of more than a turn: degrees, or a trigger's integers."""
    phi = np.abs(chunk.values[..., _PHI].astype(np.float64))
    beyond = (phi > _LARGEST_PHI) & (chunk.values[..., 0] > 0) & object_limits(data.hardware).is_used[:, _PHI]
    if not beyond.any():
        return
    event, slot = (int(i) for i in np.argwhere(beyond)[0])
    filled = chunk.values[..., :3][chunk.values[..., 0] > 0]
    looks = "a trigger's integers; declare them with `data.values: integers`" if not (filled % 1).any() else "degrees"
    raise InputError(
        f"{file}: event {chunk.first_event + event}, slot {slot} holds a phi of {chunk.values[event, slot, _PHI]:g}, "
        f"beyond 2 pi ({int(beyond.sum())} such among the {len(filled)} objects of its chunk, up to "
        f"{phi[beyond].max():g}): physical values are in GeV and rad, and these look like {looks}"
    )


def _whole_numbers(chunk: EventChunk, file: EventFile | Path) -> EventChunk:
    """Give integers that a file may hold as floats."""
    used = chunk.values[..., :3]
    if used.dtype.kind == "f":
        fraction = ~np.isfinite(used) | (np.rint(used) != used)
        if fraction.any():
            event, slot, quantity = (int(i) for i in np.argwhere(fraction)[0])
            raise InputError(
                f"{file}: event {chunk.first_event + event}, slot {slot} holds a {QUANTITIES[quantity]} of "
                f"{used[event, slot, quantity]:g}, but `values: integers` needs whole numbers; declare physical values"
            )
        used = np.clip(used.astype(np.float64), -(2.0**62), 2.0**62).astype(np.int64)
    if used.dtype.kind == "u" and used.dtype.itemsize == 8:
        used = np.minimum(used, 2**62)
    return chunk._replace(values=used if used.dtype == np.int32 else used.astype(np.int64))


def _within_declaration(chunk: EventChunk, file: EventFile | Path, data: Data) -> EventChunk:
    limits = object_limits(data.hardware)
    values = chunk.values
    low, high = (np.clip(limit, -_FAR, _FAR).astype(values.dtype) for limit in (limits.low, limits.high))
    pieces = (values[start : start + _ROWS] for start in range(0, len(values), _ROWS))
    if not any((piece < low).any() or (piece > high).any() for piece in pieces):
        return chunk
    outside = (values < low) | (values > high)
    outside &= (values[..., :1] != limits.none[:, None]) | np.array([True, False, False])  # an empty slot is pT only
    if data.clip:
        clipped = outside & np.array([True, True, False])  # an angle beyond its turn is no saturation
        outside &= ~clipped
        values = np.where(clipped, np.clip(values, limits.low, limits.saturated), values)
        chunk = with_counts(chunk._replace(values=values), "clipped", dict(_counted(clipped, data)))
    if outside.any():
        raise InputError(_beyond(chunk, file, data, limits, outside))
    return chunk


def _counted(mask: NDArray[np.bool_], data: Data) -> Iterator[tuple[str, int]]:
    for name, slots in kind_slots(data.hardware).items():
        for index, quantity in enumerate(QUANTITIES):
            if n := int(np.count_nonzero(mask[:, slots, index])):
                yield f"{name}.{quantity}", n


def _beyond(
    chunk: EventChunk, file: EventFile | Path, data: Data, limits: ObjectLimits, outside: NDArray[np.bool_]
) -> str:  # fmt: skip
    """Say which integers are beyond their declaration, how many, where, and what to do."""
    event, slot, quantity = (int(i) for i in np.argwhere(outside)[0])
    kind, slots = next((n, s) for n, s in kind_slots(data.hardware).items() if s.start <= slot < s.stop)
    name = QUANTITIES[quantity]
    own = outside[:, slots, quantity]
    found = chunk.values[:, slots, quantity][own]
    extreme = int(found[np.argmax(np.abs(found.astype(np.float64)))])
    filled = int(np.count_nonzero(chunk.values[:, slots, 0] != limits.none[slots]))
    low, high = int(limits.low[slot, quantity]), int(limits.high[slot, quantity])
    column = f" (the column `{chunk.names[f'{kind}.{name}']}`)" if f"{kind}.{name}" in chunk.names else ""
    cure = f"declare `{name}` of {kind} as it arrives: its bits, its sign"
    cure += " and the `steps` of its turn" if quantity == _PHI else ", or let it be saturated with `data.clip: true`"
    return (
        f"{file}: the {name} of {kind}{column} is {_shown(int(chunk.values[event, slot, quantity]))} in event "
        f"{chunk.first_event + event}, but its declaration holds {low} to {high}: {own.sum()} of the {filled} {kind} "
        f"objects of its chunk are beyond, up to {_shown(extreme)}; {cure}"
    )


def _shown(value: int) -> str:
    """Write an integer; readers cut those that are far beyond every declaration."""
    return f"{value} or further" if abs(value) in {_FAR, 2**62} else f"{value}"
