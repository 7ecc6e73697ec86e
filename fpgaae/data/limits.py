"""What the declaration of trigger objects allows, as arrays over all slots: steps, offsets, and ranges of integers."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.config.words import Saturated
from fpgaae.data.layout import QUANTITIES, HardwareFeature, Word, object_words

_NO_WORD = -1  # no pT has it
_FAR = 2**62  # beyond every integer


class ObjectLimits(NamedTuple):
    """Of the objects of a `Hardware`, by slot, or by slot and quantity."""

    lsb: NDArray[np.float64]  # (n_slots, 3)
    steps: NDArray[np.int64]  # (n_slots,) of a turn
    offset: NDArray[np.int64]  # (n_slots, 3) of words
    turn: NDArray[np.int64]  # (n_slots,) the smallest phi of the turn that words are given in
    low: NDArray[np.int64]  # (n_slots, 3) smallest integer that may arrive
    high: NDArray[np.int64]  # (n_slots, 3) largest
    none: NDArray[np.int64]  # (n_slots,) pT of an empty slot
    overflow: NDArray[np.int64]  # (n_slots,) pT of whatever is larger
    drops: NDArray[np.bool_]  # (n_slots,) whether an overflow drops its event
    is_used: NDArray[np.bool_]  # (n_slots, 3) whether the property has bits
    has_words: NDArray[np.bool_]  # (n_slots,) whether its properties arrive as declared words

    @property
    def saturated(self) -> NDArray[np.int64]:
        """The integer that whatever is larger becomes, (n_slots, 3): of pT, the overflow."""
        return np.concatenate([self.overflow[:, None], self.high[:, 1:]], axis=1)


class _Row(NamedTuple):
    lsb: tuple[float, float, float]
    steps: int
    offset: tuple[int, int, int]
    turn: int
    limits: tuple[tuple[int, int], ...]
    none: int
    overflow: int
    drops: bool
    is_used: tuple[bool, bool, bool]
    has_words: bool


@lru_cache(maxsize=32)
def object_limits(hardware: Hardware) -> ObjectLimits:
    """Gather what the declaration allows."""
    rows = [row for kind in hardware.objects for row in [_row(hardware, kind)] * kind.slots]
    limits = np.array([row.limits for row in rows], dtype=np.int64).reshape(-1, 3, 2)  # an array has no objects
    return ObjectLimits(
        np.array([row.lsb for row in rows]),
        np.array([row.steps for row in rows], dtype=np.int64),
        np.array([row.offset for row in rows], dtype=np.int64),
        np.array([row.turn for row in rows], dtype=np.int64),
        limits[..., 0],
        limits[..., 1],
        np.array([row.none for row in rows], dtype=np.int64),
        np.array([row.overflow for row in rows], dtype=np.int64),
        np.array([row.drops for row in rows]),
        np.array([row.is_used for row in rows]),
        np.array([row.has_words for row in rows]),
    )


def kind_slots(hardware: Hardware) -> dict[str, slice]:
    """Give the slots of each kind of object, by its name."""
    found, first = {}, 0
    for kind in hardware.objects:
        found[kind.name] = slice(first, first + kind.slots)
        first += kind.slots
    return found


def none_of(hardware: Hardware, kind: ObjectWidths) -> int:
    """Give the integer that the pT of an empty slot is."""
    return _row(hardware, kind).none if kind.has_words else 0


def _row(hardware: Hardware, kind: ObjectWidths) -> _Row:
    steps = hardware.steps_of(kind)
    lsb = hardware.pt_lsb_of(kind), hardware.eta_lsb_of(kind), 2 * math.pi / steps
    drops = hardware.saturated_of(kind) is Saturated.DROP
    widths = kind.pt_bits, kind.eta_bits, kind.phi_bits
    used = kind.pt_bits > 0, kind.eta_bits > 0, kind.phi_bits > 0
    pt, eta, phi = object_words(hardware, kind) or (None, None, None)
    ranges = [_range(*entry) for entry in zip(QUANTITIES, widths, (pt, eta, phi), strict=True)]
    turn = -(steps // 2)
    if pt is None or eta is None or phi is None or not kind.has_words:
        ranges[2] = (turn, steps - 1) if kind.phi_bits else ranges[2]  # an angle of this turn or the next half one
    if pt is None or eta is None or phi is None:
        return _Row(lsb, steps, (0, 0, 0), turn, tuple(ranges), 0, ranges[0][1], drops, used, False)
    none = _NO_WORD if pt.none is None else pt.none
    offset = pt.code_offset, eta.code_offset, phi.code_offset
    overflow = ranges[0][1] if pt.overflow is None else pt.overflow
    return _Row(lsb, steps, offset, phi.limits[0], tuple(ranges), none, overflow, drops, used, True)


def _range(quantity: str, bits: int, word: Word | None) -> tuple[int, int]:
    """Give the integers that a property may arrive as; what is left out may be anything."""
    if not bits:
        return -_FAR, _FAR
    if word is not None:
        return word.limits
    feature = HardwareFeature("", quantity, bits)
    return feature.min_code, feature.max_code
