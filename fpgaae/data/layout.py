"""The event layout: which feature stands where, the hardware width of each, and the word that it arrives as."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.config.hardware import SUMS_OF_EVENT
from fpgaae.config.words import EtaWord, PhiWord, PtWord, Saturated

QUANTITIES = ("pt", "eta", "phi")  # of an object, in the order of its features
AMOUNT, LEVEL = "amount", "level"  # of a cell of an array: never negative, or of either sign
_UNSIGNED = frozenset({"pt", AMOUNT})


class Word(NamedTuple):
    """A property as the trigger sends it; `fpgaae.data.words` says which hardware integer a word becomes."""

    bits: int
    signed: bool
    lsb: float  # what a step stands for: GeV, eta, or rad
    code_offset: int = 0  # value = (word - code_offset) * lsb
    steps: int = 0  # of a turn; 0: the property does not go round
    none: int | None = None  # of pT: the word of an empty slot
    overflow: int | None = None  # of pT: the word of whatever is larger
    zero_overflow: bool = False  # an overflow empties its slot

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest word; of an angle, those of one turn."""
        half = 1 << (self.bits - 1)
        low, high = (-half, half - 1) if self.signed else (0, 2 * half - 1)
        if self.steps:
            low, high = (-(self.steps // 2), (self.steps - 1) // 2) if self.signed else (0, self.steps - 1)
        return low, high


class HardwareFeature(NamedTuple):
    """One hardware integer of an event: one of `QUANTITIES` of an object, or a cell of an array."""

    name: str
    quantity: str
    bits: int
    word: Word | None = None  # None: the integer itself arrives

    @property
    def port(self) -> Word:
        """The word that arrives; of one that is not declared, the hardware integer."""
        return self.word or Word(self.bits, self.signed, 1.0)

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


def is_pt_of_object(feature: HardwareFeature) -> bool:
    """Tell whether a feature is the pT of an object, and not that of a sum over the event, as the missing momentum."""
    return feature.quantity == "pt" and not feature.name.startswith(SUMS_OF_EVENT)


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
        HardwareFeature(f"{kind.name}_{slot}_{prop}" if kind.slots > 1 else f"{kind.name}_{prop}", prop, bits, word)
        for kind in hardware.objects
        for slot in range(1, kind.slots + 1)
        for prop, (bits, word) in zip(QUANTITIES, _properties(hardware, kind), strict=True)
    )


def _properties(hardware: Hardware, kind: ObjectWidths) -> list[tuple[int, Word | None]]:
    """Give the bits of the code and the word of each property of an object."""
    widths = kind.pt_bits, kind.eta_bits, kind.phi_bits
    words = object_words(hardware, kind)
    if words is None:
        return [(bits, None) for bits in widths]
    return [
        (_code_bits(word, quantity) if bits else 0, word if bits else None)
        for quantity, bits, word in zip(QUANTITIES, widths, words, strict=True)
    ]


def object_words(hardware: Hardware, kind: ObjectWidths) -> tuple[Word, Word, Word] | None:
    """Give the words of an object's pT, eta and phi, or None where its hardware integers arrive as they are."""
    zero = hardware.saturated_of(kind) is Saturated.ZERO
    if not (kind.has_words or zero):
        return None
    pt = kind.pt or PtWord(bits=kind.pt_bits)
    eta = kind.eta or EtaWord(bits=max(kind.eta_bits, 1))
    phi = kind.phi or PhiWord(bits=max(kind.phi_bits, 1), signed=True)
    steps = hardware.steps_of(kind)
    return (
        Word(pt.bits, False, hardware.pt_lsb_of(kind), pt.code_offset, 0, pt.none, pt.overflow_word, zero),
        Word(eta.bits, eta.signed, hardware.eta_lsb_of(kind), eta.code_offset),
        Word(phi.bits, phi.signed, 2 * math.pi / steps, phi.code_offset, steps),
    )


def _code_bits(word: Word, quantity: str) -> int:
    """Give the bits of the code that a word becomes: pT stays, what has an offset or goes round lies around 0."""
    if quantity in _UNSIGNED:
        return word.bits
    low, high = word.limits
    if word.steps:
        low, high = -(word.steps // 2), (word.steps - 1) // 2
    else:
        low, high = low - word.code_offset, high - word.code_offset
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1


def code_limits(features: tuple[HardwareFeature, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest and largest code of every feature, each of shape (n_features,)."""
    low = np.array([feature.min_code for feature in features], dtype=np.int64)
    high = np.array([feature.max_code for feature in features], dtype=np.int64)
    return low, high
