"""The words that a trigger sends for an object: bits, sign, step, offset, and what "none" and "overflow" look like.

What the firmware makes of a word does not belong here: `fpgaae.data.words` says that.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field, model_validator

from fpgaae.section import Lsb, Section

Bits = Annotated[int, Field(ge=1, le=16)]
Offset = Annotated[int, Field(ge=-65536, le=65536)]  # a word of 16 bits is no further from 0


class Saturated(str, Enum):
    """What becomes of an object whose pT is the overflow code."""

    KEEP = "keep"  # it is an object like any other
    ZERO = "zero"  # its slot counts as empty, in the firmware, too
    DROP = "drop"  # its event is left out of every split; the firmware gets such events all the same


class PtWord(Section):
    """The word of a transverse momentum, which has no sign: `pT = (word - code_offset) * lsb_gev`."""

    bits: Bits
    lsb_gev: Lsb | None = None  # None: `hardware.pt_lsb_gev`
    code_offset: Annotated[int, Field(ge=-65536, le=65536)] = 0
    none: int | None = 0  # of an empty slot; null: there is no such word
    overflow: int | None = None  # of a pT beyond the range; null: the largest word that is not `none`

    @model_validator(mode="after")
    def _words_fit(self) -> PtWord:
        largest = 2**self.bits - 1
        for key in ("code_offset", "none", "overflow"):
            word = getattr(self, key)
            if word is not None and not 0 <= word <= largest:
                raise ValueError(f"{key} {word} is no word of {self.bits} bits (0 to {largest})")
        if self.none is not None and self.none == self.overflow:
            raise ValueError(f"none: {self.none} is `overflow`, too; an overflow and no object need two words")
        return self

    @property
    def overflow_word(self) -> int:
        """The word of a pT beyond the range."""
        largest = 2**self.bits - 1
        return largest - (self.none == largest) if self.overflow is None else self.overflow


class EtaWord(Section):
    """The word of a pseudorapidity: `eta = (word - code_offset) * lsb`."""

    bits: Bits
    signed: bool = True
    lsb: Lsb | None = None  # None: `hardware.eta_lsb`
    code_offset: Offset = 0


class PhiWord(Section):
    """The word of an azimuth: `phi = (word - code_offset) * 2 pi / steps`."""

    bits: Bits
    signed: bool = False
    steps: Annotated[int, Field(ge=4, le=65536)] | None = None  # None: `hardware.phi_steps`
    code_offset: Offset = 0
