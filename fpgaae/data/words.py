"""From the words that a trigger sends to hardware integers and back: exact integer arithmetic, as the firmware does it.

    pT    the word itself
    eta   word - code_offset
    phi   (word - code_offset + steps // 2) mod steps - steps // 2

and 0 for all three where the slot is empty: its pT is the word for "none", or the overflow where that empties a slot.
Every word that a port can carry becomes a code, also those of an angle beyond its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.layout import QUANTITIES, HardwareFeature, Word
from fpgaae.fixedpoint import Codes

_NO_TURN = 1 << 40  # steps of what does not go round: beyond every word
_NO_WORD = -1  # no pT has it


class _Rules(NamedTuple):
    """The arithmetic of all features at once."""

    used: NDArray[np.bool_]  # (n_features,) whether there is a port
    offset: NDArray[np.int64]  # (n_features,)
    steps: NDArray[np.int64]  # (n_features,)
    none: NDArray[np.int64]  # (n_slots,) word of an empty slot
    overflow: NDArray[np.int64]  # (n_slots,) word that empties its slot


@lru_cache(maxsize=32)
def _rules(features: tuple[HardwareFeature, ...]) -> _Rules | None:
    """Give the rules, or None where every word is its code."""
    if all(feature.word is None for feature in features):
        return None
    words = [feature.word for feature in features]
    is_pt = [feature.quantity == "pt" for feature in features]
    offset = [0 if word is None or pt else word.code_offset for word, pt in zip(words, is_pt, strict=True)]
    pts = words[:: len(QUANTITIES)]
    none = [_NO_WORD if word is None or word.none is None else word.none for word in pts]
    overflow = [word.overflow if word is not None and word.zero_overflow else None for word in pts]
    return _Rules(
        np.array([feature.bits > 0 for feature in features]),
        np.array(offset, dtype=np.int64),
        np.array([word.steps if word is not None and word.steps else _NO_TURN for word in words], dtype=np.int64),
        np.array(none, dtype=np.int64),
        np.array([_NO_WORD if word is None else word for word in overflow], dtype=np.int64),
    )


def codes_of_words(words: NDArray[np.integer], features: Sequence[HardwareFeature]) -> Codes:
    """Give the hardware integers of words, both (n_events, n_features); without a declared word, it is the code."""
    codes = np.array(words, dtype=np.int64)
    rules = _rules(tuple(features))
    if rules is None:
        return codes
    codes -= rules.offset
    for place in _turning(rules):
        steps = rules.steps[place]
        codes[:, place] = (codes[:, place] + steps // 2) % steps - steps // 2
    codes *= rules.used
    pt = words[:, :: len(QUANTITIES)]
    codes.reshape(len(codes), -1, len(QUANTITIES))[(pt == rules.none) | (pt == rules.overflow)] = 0
    return codes


def words_of_codes(codes: Codes, features: Sequence[HardwareFeature]) -> Codes:
    """Give words that become these codes, both (n_events, n_features); of several, the one within a turn.

    Codes that no word becomes, as those of an empty slot with an eta, have none: `codes_of_words` then differs.
    """
    words = np.array(codes, dtype=np.int64)
    rules = _rules(tuple(features))
    if rules is None:
        return words
    words += rules.offset
    for place in _turning(rules):
        low, _ = _word_of(features[place]).limits
        words[:, place] = (words[:, place] - low) % rules.steps[place] + low
    words *= rules.used
    slots = words.reshape(len(words), -1, len(QUANTITIES))
    empty = ~codes.reshape(slots.shape).any(axis=2) & (rules.none != _NO_WORD)
    slots[empty] = 0
    slots[..., 0][empty] = np.broadcast_to(rules.none, empty.shape)[empty]
    return words


def word_limits(features: Sequence[HardwareFeature]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest and largest word that each port can carry, each (n_features,)."""
    limits = np.array([_port_limits(feature) for feature in features], dtype=np.int64)
    return limits[:, 0], limits[:, 1]


def _turning(rules: _Rules) -> list[int]:
    return [int(place) for place in np.flatnonzero(rules.steps != _NO_TURN)]


def _word_of(feature: HardwareFeature) -> Word:
    return feature.word or Word(feature.bits, feature.signed, 1.0)


def _port_limits(feature: HardwareFeature) -> tuple[int, int]:
    if feature.word is None:
        return feature.min_code, feature.max_code
    return feature.word._replace(steps=0).limits
