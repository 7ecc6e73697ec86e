"""C++ of the emulator that makes hardware integers of words (`firmware/emulator/words.h`), and what ports carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.fixedpoint import Codes

WORDS, INTEGERS, _FILLED = "words", "integers", "filled"  # rows: a word of each port, its hardware integer


def read_integers(features: Sequence[HardwareFeature]) -> Iterator[str]:
    """Give the lines that make the hardware integers of the words of all ports."""
    yield f"Row<int32_t> {INTEGERS}[{len(features)}], {_FILLED};"
    for place, feature in enumerate(features):
        read, to = f"{WORDS}[{place}], {bits_of(feature)}", f"{INTEGERS}[{place}]"
        if feature.word is None:
            yield f"Kernels::read_integer({read}, {to});"
            continue
        word, is_first = feature.port, place % len(QUANTITIES) == 0
        if is_first:
            none, overflow = word.none, word.overflow if word.zero_overflow else None
            codes = ", ".join(str(-1 if code is None else code) for code in (none, overflow))
            yield f"Kernels::find_filled({WORDS}[{place}], {codes}, {_FILLED});"
        offset = 0 if is_first else word.code_offset  # the code of a pT is its word
        turn = f", Turn<{word.steps}>()" if word.steps else ""
        yield f"Kernels::{'read_angle' if turn else 'read_word'}({read}, {offset}{turn}, {_FILLED}, {to});"


def bits_of(feature: HardwareFeature) -> int:
    """Give the bits of a word of 16 that count, as a mask: without a sign, it is none that is sign-extended."""
    _, high = _carried(feature)
    return 2**16 - 1 if high >= 2**15 else -1


def _carried(feature: HardwareFeature) -> tuple[int, int]:
    if feature.word is None:
        return feature.min_code, feature.max_code
    return feature.word._replace(steps=0).limits


def declared_limits(features: Sequence[HardwareFeature]) -> Codes:
    """Give the smallest and largest word that the declaration of each port has, (n_features, 2)."""
    return np.array([of.port.limits if of.word else (of.min_code, of.max_code) for of in features], dtype=np.int64)
