"""What was seen and done while a process' events were coded: counts for `data.json`, and what a user has to hear.

How events are coded does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data, EmptyEvents
from fpgaae.data.cells import CellTally
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.limits import ObjectLimits, kind_slots, object_limits
from fpgaae.data.source import WEIGHT, Counts, EventChunk
from fpgaae.files import Json
from fpgaae.fixedpoint import exact_sum
from fpgaae.runs.results.data import FEW_OBJECTS, SeenEvents, is_saturated

_SENSELESS_SHARE = 0.5  # of all filled slots: no longer a tail, but another unit
_RADIANS = 6  # no larger phi: an integer that looks like an angle in rad, of -pi to pi or 0 to 2 pi
_FEW_STEPS = 24  # of a turn whose integers may well be that small


class Tally:
    """Counts of one process, of all events that were read."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._overflow_now: NDArray[np.bool_] | None = None  # of the last chunk
        self.events = 0
        self.dropped = {"where": 0, "empty": 0, "saturated": 0}
        self.empty = 0
        self._weight = {"kept": 0, "left out": 0} if data.columns.weight is not None else None  # by `exact_sum`
        self._counts: dict[str, dict[str, int]] = {}
        self._slots = kind_slots(data.hardware)
        zero = np.zeros(len(self._slots), dtype=np.int64)
        self._filled, self._largest, self._nothing = zero, zero.copy(), zero.copy()
        self._far_eta = zero.copy()  # physical eta that its bits do not hold
        self._angles = {"whole": 0, "fraction": 0}  # eta and phi other than 0, of physical values
        self._largest_angle = 0.0
        self._largest_phi = dict.fromkeys(self._slots, 0)  # of integers
        self._cells = CellTally(data.hardware.array) if data.hardware.array is not None else None

    def add(self, chunk: EventChunk, codes: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
        """Take in a chunk and its hardware integers, and tell which of its events are kept, (n,)."""
        self.events += len(codes)
        kept = np.ones(len(codes), dtype=np.bool_) if chunk.kept is None else chunk.kept.copy()
        self.dropped["where"] += int(np.count_nonzero(~kept))
        self._add_counts(chunk.counts)
        if self._cells is not None:
            self._cells.add(chunk.values if kept.all() else chunk.values[kept])
            return kept
        arrived, overflow = self.count_objects(chunk, kept)
        empty = ~arrived.any(axis=1)
        if not chunk.integers:
            self._count_changed(chunk, arrived & ~overflow, codes)
        self._look_at_units(chunk, arrived)
        self.empty += int(np.count_nonzero(empty & kept))
        if self._data.empty_events is EmptyEvents.DROP:
            self.dropped["empty"] += int(np.count_nonzero(empty & kept))
            kept &= ~empty
        drops = (overflow & self._limits.drops).any(axis=1)
        self.dropped["saturated"] += int(np.count_nonzero(drops & kept))
        kept &= ~drops
        self._weigh(chunk, kept)
        return kept

    def count_objects(
        self, chunk: EventChunk, kept: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:  # fmt: skip
        """Count the objects of the events that are kept, which is what `shares` gives.

        Returns
        -------
        Which slots hold one, (n, n_slots), and which of these have the largest pT.
        """
        arrived = self._arrived(chunk) & kept[:, None]
        self._overflow_now = self._overflow(chunk)
        overflow = self._overflow_now & arrived
        self._filled += self._by_kind(arrived)
        self._largest += self._by_kind(overflow)
        return arrived, overflow

    def _add_counts(self, counts: Counts) -> None:
        for what, found in counts.items():
            own = self._counts.setdefault(what, {})
            for kind, n in found.items():
                own[kind] = own.get(kind, 0) + n

    def _by_slots(self) -> NDArray[np.int64]:
        return np.stack([self._filled, self._largest, self._nothing, self._far_eta])

    def state(self) -> Json:
        """Give the counts as JSON takes them."""
        return {
            "events": self.events,
            "dropped": self.dropped,
            "empty": self.empty,
            "weight": self._weight,
            "counts": self._counts,
            "slots": self._by_slots().tolist(),
            "angles": self._angles,
            "largest_angle": self._largest_angle,
            "largest_phi": self._largest_phi,
            "cells": None if self._cells is None else self._cells.state(),
        }

    def take(self, state: Json) -> None:
        """Take in the counts of other events of the process: what `state` gave."""
        self.events += state["events"]
        self.empty += state["empty"]
        for own, other in ((self.dropped, state["dropped"]), (self._angles, state["angles"])):
            for name in own:
                own[name] += other[name]
        if self._weight is not None:
            self._weight = {name: total + state["weight"][name] for name, total in self._weight.items()}
        self._add_counts(state["counts"])
        self._filled, self._largest, self._nothing, self._far_eta = self._by_slots() + np.array(state["slots"])
        self._largest_angle = max(self._largest_angle, state["largest_angle"])
        self._largest_phi = {kind: max(n, state["largest_phi"][kind]) for kind, n in self._largest_phi.items()}
        if self._cells is not None:
            self._cells.take(state["cells"])

    def _weigh(self, chunk: EventChunk, kept: NDArray[np.bool_]) -> None:
        """Sum the weights of the events within `where`."""
        if (weights := chunk.columns.get(WEIGHT)) is None or self._weight is None:
            return
        within = np.ones(len(kept), dtype=np.bool_) if chunk.kept is None else chunk.kept
        self._weight["kept"] += exact_sum(weights[kept])
        self._weight["left out"] += exact_sum(weights[within & ~kept])

    @property
    def dropped_weight(self) -> float | None:
        """The share of the weight within `where` that was left out; None where events have none."""
        if self._weight is None or not (total := sum(self._weight.values())):
            return None
        return self._weight["left out"] / total

    @cached_property
    def _limits(self) -> ObjectLimits:
        """Give what the declaration of the objects allows; an array has none."""
        return object_limits(self._data.hardware)

    def _arrived(self, chunk: EventChunk) -> NDArray[np.bool_]:
        """Tell which slots hold an object, (n, n_slots), also one that its overflow empties."""
        none = self._limits.none if chunk.integers else 0
        return np.asarray(chunk.values[..., 0] != none)

    def _overflow(self, chunk: EventChunk) -> NDArray[np.bool_]:
        """Tell which pT are the overflow code, (n, n_slots): as it arrived, or as GeV become it."""
        limits = self._limits
        if chunk.integers:
            return np.asarray(chunk.values[..., 0] == limits.overflow)
        gev = chunk.values[..., 0].astype(np.float64)
        return np.asarray(np.rint(gev / limits.lsb[:, 0]) + limits.offset[:, 0] >= limits.overflow)

    def _by_kind(self, flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the slots, (n, n_slots), of each kind."""
        counts = [np.count_nonzero(flags[:, slots]) for slots in self._slots.values()]
        return np.array(counts, dtype=np.int64)  # also where there is no kind

    def _count_changed(
        self, chunk: EventChunk, arrived: NDArray[np.bool_], codes: NDArray[np.signedinteger]
    ) -> None:  # fmt: skip
        """Count the physical values that codes do not tell: a pT that becomes 0, an eta beyond its bits."""
        self._nothing += self._by_kind(arrived & (codes[:, :: len(QUANTITIES)] == 0))
        limits = self._limits
        eta = np.rint(chunk.values[..., 1].astype(np.float64) / limits.lsb[:, 1]) + limits.offset[:, 1]
        self._far_eta += self._by_kind(arrived & ((eta < limits.low[:, 1]) | (eta > limits.high[:, 1])))

    def _look_at_units(self, chunk: EventChunk, arrived: NDArray[np.bool_]) -> None:
        """Gather what tells physical values and integers apart."""
        used = self._limits.is_used[:, 1:]
        if chunk.integers:
            for kind, slots in self._slots.items():
                has_steps = used[slots.start, 1] and self._limits.steps[slots.start] > _FEW_STEPS
                if has_steps and self._largest_phi[kind] <= _RADIANS:
                    # What is larger is no angle in rad, and needs no further look.
                    phi = np.abs(chunk.values[:, slots, 2]) * arrived[:, slots]
                    self._largest_phi[kind] = max(self._largest_phi[kind], int(phi.max(initial=0)))
        elif not self._angles["fraction"]:
            angles = chunk.values[..., 1:3][arrived[..., None] & used]
            fraction = int(np.count_nonzero(angles % 1))
            self._angles["fraction"] += fraction
            self._angles["whole"] += int(np.count_nonzero(angles)) - fraction
            self._largest_angle = max(self._largest_angle, float(np.abs(angles).max(initial=0.0)))

    def overflow_slots(self, chunk: EventChunk) -> NDArray[np.bool_] | None:
        """Tell which pT of the chunk that was added last arrived as an overflow, (n, n_slots); None: GeV or cells."""
        return self._overflow_now if chunk.integers else None

    def seen(self) -> SeenEvents:
        """Give the counts of the process."""
        kinds = list(self._slots)
        return SeenEvents(
            events_read=self.events,
            dropped=dict(self.dropped),
            empty_events=self.empty,
            dropped_weight=self.dropped_weight,
            objects=dict(zip(kinds, self._filled.tolist(), strict=True)),
            largest_pt=dict(zip(kinds, self._largest.tolist(), strict=True)),
            **{what: self._in_order(found) for what, found in self._counts.items()},
        )

    def _in_order(self, found: Mapping[str, int]) -> dict[str, int]:
        """Sort counts by the order of the kinds, whichever came first."""
        kinds = {kind: index for index, kind in enumerate(self._slots)}

        def place(name: str) -> tuple[int, str]:
            return kinds.get(name.partition(".")[0], len(kinds)), name

        return {name: found[name] for name in sorted(found, key=place)}

    @property
    def shares(self) -> NDArray[np.int64]:
        """Number of objects and of those at the largest pT, (n_kinds, 2)."""
        return np.stack([self._filled, self._largest], axis=1)

    def refusal(self) -> str | None:
        """Say why the values can't be what the config says, if that is so."""
        filled = int(self._filled.sum())
        if self._data.hardware.array is not None or filled < FEW_OBJECTS:
            return None
        largest, nothing = int(self._largest.sum()), int(self._nothing.sum())
        if self._is_whole and self._largest_angle > 2 * np.pi:
            return (
                f"each eta and phi of {filled:,} objects is a whole number, up to {self._largest_angle:g}: they are a "
                "trigger's integers, not GeV and rad; declare them with `data.values: integers`"
            )
        if largest > _SENSELESS_SHARE * filled:
            return (
                f"{largest:,} of {filled:,} objects ({largest / filled:.0%}) have the largest pT: is it in MeV, or its "
                "LSB another one? Physical values are in GeV and rad, and `data.hardware` says what a step stands for"
            )
        if nothing > _SENSELESS_SHARE * filled:
            return (
                f"{nothing:,} of {filled:,} objects ({nothing / filled:.0%}) have a pT that rounds to 0: is it in TeV, "
                "or the LSB too large? Physical values are in GeV and rad"
            )
        return None

    @property
    def _is_whole(self) -> bool:
        """Whether physical eta and phi are whole numbers, which detectors do not measure."""
        return not self._angles["fraction"] and self._angles["whole"] >= FEW_OBJECTS

    def warnings(self) -> Iterator[str]:
        """Say what a user has to look at."""
        if self._cells is not None:
            yield from self._cells.warnings()
        columns = (self._filled, self._largest, self._nothing, self._far_eta)
        for kind, *counts in zip(self._slots, *(own.tolist() for own in columns), strict=True):
            yield from _of_kind(kind, *counts)
        if self._is_whole and self._largest_angle <= 2 * np.pi:
            yield "each eta and phi is a whole number: are they rad, or a trigger's integers (`data.values: integers`)?"
        for kind, filled in zip(self._slots, self._filled.tolist(), strict=True):
            if 0 < self._largest_phi[kind] <= _RADIANS and filled >= FEW_OBJECTS:
                yield (
                    f"no phi of {kind} is larger than {self._largest_phi[kind]}: are these integers angles in rad that "
                    "were cut off?"
                )
        for kind, n in self._in_order(self._counts.get("cut_harder", {})).items():
            yield (
                f"in {n:,} events a {kind} that is cut off is harder than one that stays, since `data.order: file` "
                "takes the first ones"
            )
        for place, n in self._in_order(self._counts.get("clipped", {})).items():
            yield f"{n:,} integers of {place} were beyond their declaration, and saturated by `data.clip`"


def _of_kind(kind: str, filled: int, largest: int, nothing: int, far_eta: int) -> Iterator[str]:
    """Say what a share of the objects of a kind has in common."""
    if is_saturated(largest, filled):
        yield f"{largest:,} of {filled:,} {kind} objects ({largest / filled:.1%}) have the largest pT"
    if filled >= FEW_OBJECTS and nothing > _SENSELESS_SHARE * filled:
        yield (
            f"{nothing:,} of {filled:,} {kind} objects ({nothing / filled:.1%}) have a pT that rounds to 0: is it in "
            "TeV, or the LSB too large?"
        )
    if is_saturated(far_eta, filled):
        yield (
            f"{far_eta:,} of {filled:,} {kind} objects ({far_eta / filled:.1%}) have an eta beyond what its bits hold: "
            "is it a pseudorapidity, and the step right?"
        )
