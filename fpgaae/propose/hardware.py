"""Bits and steps that hold what was observed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fpgaae.errors import InputError
from fpgaae.propose.observed import Observed

_TURNS = (64, 72, 128, 144, 256, 288, 512, 576, 1024, 1152, 2048, 4096, 8192, 16384, 32768, 65536)
_TWO_PI = 2 * math.pi * 1.002
_MOST_BITS = 16
_PT_LSB_GEV, _ETA_LSB, _PHI_STEPS = 0.5, 0.0435, 144
_PT_BITS = 10  # with which a step is chosen where half a GeV is none
_ARRAY_BITS = 8
_NOT_FINITE = "holds a NaN or infinite value; remove such events, or set empty slots to 0"


class Kind(NamedTuple):
    """A kind of object as it was observed; a quantity that is not there is missing from `seen`."""

    name: str
    slots: int
    seen: Mapping[str, Observed]


class Widths(NamedTuple):
    """What `data.hardware` says of objects."""

    integers: bool
    pt_lsb: float
    eta_lsb: float
    phi_steps: int
    bits: Mapping[str, tuple[int, int, int]]  # by kind: pT, eta, phi
    notes: tuple[str, ...]  # what has to be looked at


class ArrayWidths(NamedTuple):
    """What `data.hardware.array` says."""

    bits: int
    signed: bool
    lsb: float


def are_integers(kinds: Sequence[Kind]) -> bool:
    """Tell whether objects are a trigger's integers: each number is whole, and angles go beyond a turn in rad."""
    seen = [own for kind in kinds for own in kind.seen.values()]
    angles = [own for kind in kinds for quantity, own in kind.seen.items() if quantity != "pt"]
    if not all(own.whole for own in seen):
        return False
    return all(own.kind in "iu" for own in seen) or any(own.largest > _TWO_PI for own in angles)


def object_widths(kinds: Sequence[Kind]) -> Widths:
    """Choose bits and steps for objects.

    Raises
    ------
    InputError
        If no choice holds the numbers: a phi in degrees, integers of more than 16 bits.
    """
    _refuse_what_is_none(kinds)
    return _of_integers(kinds) if are_integers(kinds) else _of_physical(kinds)


def _refuse_what_is_none(kinds: Sequence[Kind]) -> None:
    for kind in kinds:
        for quantity, own in kind.seen.items():
            if not own.is_empty and not own.is_finite:
                raise InputError(f"the {quantity} of {kind.name} {_NOT_FINITE}")
        if kind.seen["pt"].low < 0:
            raise InputError(f"the pt of {kind.name} goes down to {kind.seen['pt'].low:g}; empty slots must be 0")


def _of_integers(kinds: Sequence[Kind]) -> Widths:
    notes, bits, turns = [], {}, {}
    for kind in kinds:
        pt, eta, phi = (kind.seen.get(quantity) for quantity in ("pt", "eta", "phi"))
        pt_bits = _spare_bit(int(pt.largest)) if pt else 1
        eta_bits = 1 + _spare_bit(int(eta.largest)) if eta else 0
        if phi:
            turns[kind.name] = next((turn for turn in _TURNS if turn >= max(phi.high, 0) - min(phi.low, 0) + 1), 0)
        bits[kind.name] = pt_bits, eta_bits, 0
        if max(pt_bits, eta_bits) > _MOST_BITS or turns.get(kind.name) == 0:
            raise InputError(f"the integers of {kind.name} need more than {_MOST_BITS} bits; give those of a trigger")
    steps = max(turns.values(), default=_PHI_STEPS)
    if len(set(turns.values())) > 1:
        said = ", ".join(f"{turn} of {name}" for name, turn in turns.items())
        notes.append(
            f"a turn of phi seems to have steps that differ ({said}): see `phi: {{steps: ...}}` in docs/own_events.md"
        )
    phi_bits = max((steps - 1).bit_length(), 1)
    wide = {name: (pt, eta, phi_bits if name in turns else 0) for name, (pt, eta, _) in bits.items()}
    return Widths(True, _PT_LSB_GEV, _ETA_LSB, steps, wide, tuple(notes))


def _spare_bit(largest: int) -> int:
    """Give the bits of an amount with room for twice as much, or just those whose largest word it is: an overflow."""
    bits = max(largest.bit_length(), 1)
    return bits if largest == 2**bits - 1 and bits > 4 else bits + 1


def _of_physical(kinds: Sequence[Kind]) -> Widths:
    hardest = max(kind.seen["pt"].largest for kind in kinds)
    angle = max((kind.seen["phi"].largest for kind in kinds if "phi" in kind.seen), default=0.0)
    if angle > _TWO_PI:
        raise InputError(
            f"a phi goes up to {angle:g}, beyond 2 pi: an object is pT, eta and phi in rad, in this order; convert "
            "degrees or four-vectors first, and set the angles of empty slots to 0"
        )
    notes = []
    lsb = _PT_LSB_GEV
    if not 20 <= hardest < lsb * 2**14:
        lsb = 2.0 ** math.ceil(math.log2(max(hardest, 1e-30) / (2**_PT_BITS - 1)))
        notes.append(f"pT goes up to {hardest:g}: if it is not in GeV, `pt_lsb_gev` is in its unit")
    bits = {}
    for kind in kinds:
        pt_bits = max(int(kind.seen["pt"].largest / lsb + 1).bit_length(), 4)
        eta = kind.seen.get("eta")
        eta_bits = 1 + int(eta.largest / _ETA_LSB + 1).bit_length() if eta and eta.largest else 0
        if eta_bits > _MOST_BITS:
            raise InputError(
                f"the eta of {kind.name} goes up to {eta.largest if eta else 0:g}; is it a pseudorapidity?"
            )
        bits[kind.name] = pt_bits, eta_bits, (_PHI_STEPS - 1).bit_length() if "phi" in kind.seen else 0
    return Widths(False, lsb, _ETA_LSB, _PHI_STEPS, bits, tuple(notes))


def array_widths(seen: Observed) -> ArrayWidths:
    """Choose bits and step for the cells of an array.

    Raises
    ------
    InputError
        If it holds no finite numbers.
    """
    if not seen.is_finite:
        raise InputError(f"the array {_NOT_FINITE}")
    signed = seen.low < 0
    if seen.whole and seen.largest < 2 ** (_MOST_BITS - signed):
        return ArrayWidths(max(int(seen.largest).bit_length(), 1) + signed, signed, 1.0)
    most = 2 ** (_ARRAY_BITS - signed) - 1
    lsb = 2.0 ** math.ceil(math.log2(seen.largest / most)) if seen.largest else 1.0
    return ArrayWidths(_ARRAY_BITS, signed, lsb)
