"""C++ that makes the hardware integer of a feature from the words of its slot, by `firmware/hls/fpgaae_words.h`."""

from __future__ import annotations

from collections.abc import Sequence

from fpgaae.data.layout import QUANTITIES, HardwareFeature, Word
from fpgaae.data.words import word_limits

WORDS_HEADER = "fpgaae_words.h"
_PT = "pt"


def code_lines(features: Sequence[HardwareFeature], expressions: Sequence[str]) -> list[str]:
    """Give a C++ expression of each feature's hardware integer.

    Parameters
    ----------
    expressions
        That of each feature's port; empty where it has none.
    """
    if all(feature.word is None for feature in features):
        return list(expressions)
    found = []
    for place, (feature, expression) in enumerate(zip(features, expressions, strict=True)):
        slot = place - place % len(QUANTITIES)
        found.append(_code(feature, expression, _is_empty(features[slot], expressions[slot])))
    return found


def _code(feature: HardwareFeature, expression: str, empty: str) -> str:
    word = feature.word
    if word is None:
        return expression
    if feature.quantity == _PT:
        return f"fpgaae::pt_code({expression}, {empty})"
    if not word.steps:
        return f"fpgaae::eta_code<{feature.bits}, {word.code_offset}>({expression}, {empty})"
    first, turn_bits = _turns(feature, word)
    return f"fpgaae::phi_code<{feature.bits}, {word.steps}, {first}, {turn_bits}>({expression}, {empty})"


def _is_empty(pt: HardwareFeature, expression: str) -> str:
    word = pt.word
    overflow = word.overflow if word is not None and word.zero_overflow else None
    if word is None or (word.none is None and overflow is None):
        return "false"
    none, overflow = (-1 if code is None else code for code in (word.none, overflow))
    return f"fpgaae::is_empty<{none}, {overflow}>({expression})"


def _turns(feature: HardwareFeature, word: Word) -> tuple[int, int]:
    """Give what brings the smallest word of the port into the first turn, and the bits of the turn of its largest."""
    (low,), (high,) = (limits.tolist() for limits in word_limits([feature]))
    first = (low + word.steps // 2 - word.code_offset) % word.steps - low
    return first, ((high + first) // word.steps).bit_length()
