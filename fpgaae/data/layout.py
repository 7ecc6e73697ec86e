"""The event layout: which feature stands where, and the hardware width of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware

QUANTITIES = ("pt", "eta", "phi")  # of an object, in the order of its features
AMOUNT, LEVEL = "amount", "level"  # of a cell of an array: never negative, or of either sign
_UNSIGNED = frozenset({"pt", AMOUNT})


class HardwareFeature(NamedTuple):
    """One hardware integer of an event: one of `QUANTITIES` of an object, or a cell of an array."""

    name: str
    quantity: str
    bits: int

    @property
    def signed(self) -> bool:
        """Whether the code can be negative."""
        return self.quantity not in _UNSIGNED

    @property
    def min_code(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) if self.signed and self.bits else 0

    @property
    def max_code(self) -> int:
        """Largest code."""
        return (1 << (self.bits - self.signed)) - 1 if self.bits else 0


def hardware_features(hardware: Hardware) -> tuple[HardwareFeature, ...]:
    """Name the hardware integers of an event: slot by slot, each slot's pT, eta and phi together, or cell by cell."""
    if hardware.array is not None:
        array = hardware.array
        quantity = LEVEL if array.signed else AMOUNT
        return tuple(
            HardwareFeature("_".join([array.name, *map(str, cell)]), quantity, 0 if i in array.absent else array.bits)
            for i, cell in enumerate(np.ndindex(array.shape))
        )
    return tuple(
        HardwareFeature(f"{kind.name}_{slot}_{prop}" if kind.slots > 1 else f"{kind.name}_{prop}", prop, bits)
        for kind in hardware.objects
        for slot in range(1, kind.slots + 1)
        for prop, bits in zip(QUANTITIES, (kind.pt_bits, kind.eta_bits, kind.phi_bits), strict=True)
    )


def code_limits(features: tuple[HardwareFeature, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest and largest code of every feature, each of shape (n_features,)."""
    low = np.array([feature.min_code for feature in features], dtype=np.int64)
    high = np.array([feature.max_code for feature in features], dtype=np.int64)
    return low, high
