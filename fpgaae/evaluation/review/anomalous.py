"""The most anomalous events of the background, and which slots drive their scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.layout import QUANTITIES
from fpgaae.evaluation.review.quantities import EventQuantities
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.results.review import Anomalous, AnomalousEvent, DrivingSlot

N_EVENTS = 20
_DRIVING = 3
_BLOCK = 4096
_DIGITS = 4


class Slot(NamedTuple):
    """Neighbouring features that are emptied together: an object's, or a cell of an array."""

    name: str
    features: slice


def slots_of(quantities: EventQuantities) -> tuple[Slot, ...]:
    """Give the slots of an event, without cells that an array has not."""
    features = quantities.features.features
    if quantities.data.hardware.array is not None:
        return tuple(Slot(f.hardware.name, slice(i, i + 1)) for i, f in enumerate(features) if f.hardware.bits)
    width = len(QUANTITIES)
    return tuple(
        Slot(features[i].hardware.name.removesuffix(f"_{QUANTITIES[0]}"), slice(i, i + width))
        for i in range(0, len(features), width)
    )


def largest(scores: NDArray[np.float64], number: int = N_EVENTS) -> NDArray[np.int64]:
    """Give the places of the largest scores, the largest first and the first of equals."""
    return np.argsort(-scores, kind="stable")[:number]


def describe(
    places: NDArray[np.int64],
    codes: Codes,
    groups: NDArray[np.int64],
    golden: GoldenTrigger,
    quantities: EventQuantities,
) -> Anomalous:
    """Say what is in events, and by what share of itself the exact score falls when each slot is emptied.

    The share is negative where the score rises. A score of 0 has none, and they are 0.

    Parameters
    ----------
    places
        Of the events among those of the test split, (n,).
    codes, groups
        Hardware codes (n, n_features) and groups (n,) of these events.
    """
    slots = slots_of(quantities)
    scores = golden.scores(codes)
    shares = _shares(codes, scores, slots, golden)
    fraction = golden.network.score.type.fraction
    known = quantities.of(codes)
    events = tuple(
        AnomalousEvent(
            event=int(place),
            group=int(groups[i]),
            score_code=int(scores[i]),
            score=float(np.ldexp(scores[i], -fraction)),
            quantities={name: float(found[i]) for name, found in known.items() if not np.isnan(found[i])},
            shares=tuple(round(float(share), _DIGITS) for share in shares[i]),
            driving=tuple(_driving(slots[k], float(shares[i, k]), codes[i], quantities) for k in _leading(shares[i])),
        )
        for i, place in enumerate(places)
    )
    return Anomalous(slots=tuple(slot.name for slot in slots), events=events)


def _shares(codes: Codes, scores: Codes, slots: tuple[Slot, ...], golden: GoldenTrigger) -> NDArray[np.float64]:
    """Give by what share each score falls without each slot, (n_events, n_slots)."""
    emptied = np.repeat(codes, len(slots), axis=0).reshape(len(codes), len(slots), -1)
    for index, slot in enumerate(slots):
        emptied[:, index, slot.features] = 0
    flat = emptied.reshape(-1, codes.shape[1])
    blocks = [golden.scores(flat[i : i + _BLOCK]) for i in range(0, len(flat), _BLOCK)]
    without = np.concatenate(blocks).reshape(len(codes), len(slots))
    whole = scores[:, None].astype(np.float64)
    return np.divide(whole - without, whole, out=np.zeros(without.shape), where=whole != 0)


def _leading(shares: NDArray[np.float64]) -> list[int]:
    order = np.argsort(-shares, kind="stable")[:_DRIVING]
    return [int(k) for k in order if shares[k] > 0]


def _driving(slot: Slot, share: float, codes: Codes, quantities: EventQuantities) -> DrivingSlot:
    values = codes[slot.features].tolist()
    if (array := quantities.data.hardware.array) is not None:
        found = {"value": values[0] * array.lsb}
    else:
        place = slot.features.start // len(QUANTITIES)
        kind = next(k for k in quantities.kinds if k.first_slot <= place < k.first_slot + k.slots)
        found = {
            name: value * lsb
            for name, value, lsb, bits in zip(QUANTITIES, values, kind.lsb, kind.bits, strict=True)
            if bits
        }
    return DrivingSlot(name=slot.name, share=round(share, _DIGITS), values=found)
