"""C++ of the emulator that makes hardware integers of words (`firmware/emulator/words.h`), and what ports carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.fixedpoint import Codes

_FILLED, _CODE = "filled", "word_code"
CODE_ROW = _CODE  # holds a hardware integer of each event of a block


def declare_rows(features: Sequence[HardwareFeature]) -> list[str]:
    """Declare what the lines of `read_lines` fill; nothing where no words are declared."""
    return [] if all(feature.word is None for feature in features) else [f"Row<int32_t> {_FILLED}, {_CODE};"]


def read_lines(features: Sequence[HardwareFeature], place: int) -> Iterator[str]:
    """Give the lines that read the hardware integer of a feature with a word from its slot into `CODE_ROW`."""
    feature, n = features[place], len(features)
    word = feature.port
    first = place - place % len(QUANTITIES)
    if place == first:
        pt = features[first].port
        none, overflow = pt.none, pt.overflow if pt.zero_overflow else None
        codes = ", ".join(str(-1 if code is None else code) for code in (none, overflow))
        yield f"find_filled(objects + {first}, {n}, n, {codes}, {_FILLED});"
    kernel = f"read_angle<{word.steps}>" if word.steps else "read_word"
    offset = 0 if place == first else word.code_offset  # the code of a pT is its word
    yield f"{kernel}({pointer(feature)} + {place}, {n}, n, {offset}, {_FILLED}, {_CODE});"


def pointer(feature: HardwareFeature) -> str:
    """Give the pointer through which a port is read: a word of 16 bits without a sign is one."""
    _, high = _carried(feature)
    return "(const uint16_t *)objects" if high >= 2**15 else "objects"


def _carried(feature: HardwareFeature) -> tuple[int, int]:
    if feature.word is None:
        return feature.min_code, feature.max_code
    return feature.word._replace(steps=0).limits


def declared_limits(features: Sequence[HardwareFeature]) -> Codes:
    """Give the smallest and largest word that the declaration of each port has, (n_features, 2)."""
    return np.array([of.port.limits if of.word else (of.min_code, of.max_code) for of in features], dtype=np.int64)
