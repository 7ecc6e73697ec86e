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

from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.fixedpoint import Codes

_ROWS = 1024  # events that are worked on at once, so that those of a hundred features stay in the cache
_NO_WORD = -1  # no pT has it
_BEYOND = 1 << 30  # beyond every word


class _Rules(NamedTuple):
    """The arithmetic of all features at once; words are of 16 bits, so that 32 bits hold whatever is made of them."""

    unused: NDArray[np.int64]  # features without a port
    offset: NDArray[np.int32]  # (n_features,)
    steps: NDArray[np.int32]  # (n_slots,) of the turn of phi; 0: it does not go round
    half: NDArray[np.int32]  # (n_slots,)
    none: NDArray[np.int32]  # (n_slots,) word of an empty slot
    overflow: NDArray[np.int32]  # (n_slots,) word that empties its slot


@lru_cache(maxsize=32)
def _rules(features: tuple[HardwareFeature, ...]) -> _Rules | None:
    """Give the rules, or None where every word is its code."""
    if all(feature.word is None for feature in features):
        return None
    words = [feature.word for feature in features]
    is_pt = [feature.quantity == "pt" for feature in features]
    offset = [0 if word is None or pt else word.code_offset for word, pt in zip(words, is_pt, strict=True)]
    pts, phis = words[:: len(QUANTITIES)], words[2 :: len(QUANTITIES)]
    steps = np.array([0 if word is None else word.steps for word in phis], dtype=np.int32)
    none = [_NO_WORD if word is None or word.none is None else word.none for word in pts]
    overflow = [word.overflow if word is not None and word.zero_overflow else None for word in pts]
    return _Rules(
        np.flatnonzero([feature.bits == 0 for feature in features]),
        np.array(offset, dtype=np.int32),
        steps,
        steps // 2,
        np.array(none, dtype=np.int32),
        np.array([_NO_WORD if word is None else word for word in overflow], dtype=np.int32),
    )


def codes_of_words(words: NDArray[np.integer], features: Sequence[HardwareFeature]) -> Codes:
    """Give the hardware integers of words, both (n_events, n_features); without a declared word, it is the code.

    Words are those that a port can carry: of 16 bits at most.
    """
    return np.asarray(narrow_codes_of_words(words, features, np.int64), dtype=np.int64)


def narrow_codes_of_words(
    words: NDArray[np.integer], features: Sequence[HardwareFeature], dtype: type[np.signedinteger]
) -> NDArray[np.signedinteger]:
    """Give the same in a type that holds them all."""
    rules = _rules(tuple(features))
    if rules is None:
        return np.array(words, dtype=dtype)
    codes = np.empty(words.shape, dtype=dtype)
    for start in range(0, len(words), _ROWS):
        piece = slice(start, start + _ROWS)
        codes[piece] = _codes(np.array(words[piece], dtype=np.int32), rules)
    return codes


def _codes(codes: NDArray[np.int32], rules: _Rules) -> NDArray[np.int32]:
    """Turn words into codes, in place."""
    pt = np.ascontiguousarray(codes[:, :: len(QUANTITIES)])
    if rules.offset.any():
        codes -= rules.offset
    codes[:, 2 :: len(QUANTITIES)] = _centred(np.ascontiguousarray(codes[:, 2 :: len(QUANTITIES)]), rules)
    codes[:, rules.unused] = 0
    slots = codes.reshape(len(codes), -1, len(QUANTITIES))
    slots *= ((pt != rules.none) & (pt != rules.overflow))[..., None]
    return codes


def _centred(phi: NDArray[np.int32], rules: _Rules) -> NDArray[np.int32]:
    """Bring angles within half a turn around 0, (n_events, n_slots), in place."""
    turns = rules.steps > 0
    phi -= rules.steps * (phi >= np.where(turns, rules.steps - rules.half, _BEYOND))
    beyond = turns & ((phi < -rules.half) | (phi >= rules.steps - rules.half)).any(axis=0)
    if beyond.any():  # a port can carry more than a turn, but what a trigger sends is within one
        steps, half = rules.steps[beyond], rules.half[beyond]
        phi[:, beyond] = (phi[:, beyond] + half) % steps - half
    return phi


def words_of_codes(codes: Codes, features: Sequence[HardwareFeature]) -> Codes:
    """Give words that become these codes, both (n_events, n_features); of several, the one within a turn.

    Codes that no word becomes, as those of an empty slot with an eta, have none: `codes_of_words` then differs.
    """
    words = np.array(codes, dtype=np.int64)
    rules = _rules(tuple(features))
    if rules is None:
        return words
    words += rules.offset
    for slot in np.flatnonzero(rules.steps).tolist():
        place = 2 + len(QUANTITIES) * slot
        low, _ = features[place].port.limits
        words[:, place] = (words[:, place] - low) % rules.steps[slot] + low
    words[:, rules.unused] = 0
    slots = words.reshape(len(words), -1, len(QUANTITIES))
    empty = ~codes.reshape(slots.shape).any(axis=2) & (rules.none != _NO_WORD)
    slots[empty] = 0
    slots[..., 0][empty] = np.broadcast_to(rules.none, empty.shape)[empty]
    return words


def word_limits(features: Sequence[HardwareFeature]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest and largest word that each port can carry, each (n_features,)."""
    limits = np.array([_port_limits(feature) for feature in features], dtype=np.int64)
    return limits[:, 0], limits[:, 1]


def _port_limits(feature: HardwareFeature) -> tuple[int, int]:
    if feature.word is None:
        return feature.min_code, feature.max_code
    return feature.word._replace(steps=0).limits
