"""Events to hardware integers, as a Level-1 trigger or a detector sends them, from GeV and rad or from its words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data, Hardware
from fpgaae.data.layout import code_limits, hardware_features
from fpgaae.data.limits import object_limits
from fpgaae.data.source import EventChunk
from fpgaae.data.words import codes_of_words, narrow_codes_of_words, word_limits
from fpgaae.fixedpoint import Codes

_ROWS = 1024  # events that are worked on at once, so that they stay in the cache
_FAR = 2.0**62  # beyond every width, and still an int64


def event_codes(chunk: EventChunk, data: Data) -> Codes:
    """Give the hardware integers of events that were read, (n_events, n_features)."""
    return np.asarray(narrow_event_codes(chunk, data, np.int64), dtype=np.int64)


def narrow_event_codes(
    chunk: EventChunk, data: Data, dtype: type[np.signedinteger]
) -> NDArray[np.signedinteger]:  # fmt: skip
    """Give the same in a type that holds them all: of a few bits, it is quick."""
    if chunk.integers:
        words = _words_of_integers(chunk.values, data.hardware)
        return narrow_codes_of_words(words.reshape(len(words), -1), hardware_features(data.hardware), dtype)
    return hardware_codes(chunk.values, data.hardware).astype(dtype, copy=False)


def event_words(chunk: EventChunk, data: Data) -> Codes:
    """Give what the ports of the firmware are sent for events that were read, (n_events, n_features).

    These are the words as they arrived, or those of GeV and rad; where no words are declared, the hardware integers.
    """
    return np.asarray(narrow_event_words(chunk, data), dtype=np.int64)


def narrow_event_words(chunk: EventChunk, data: Data) -> NDArray[np.signedinteger]:
    """Give the same in a type that holds them all."""
    hardware = data.hardware
    if hardware.array is not None or not object_limits(hardware).has_words.any():
        return event_codes(chunk, data)
    words = (_words_of_integers if chunk.integers else _words)(chunk.values, hardware)
    given = words.reshape(len(words), -1)
    low, high = word_limits(hardware_features(hardware))
    dtype = np.int16 if high.max() < 2**15 and low.min() >= -(2**15) else np.int32
    low, high = low.astype(given.dtype), high.astype(given.dtype)
    found = np.empty(given.shape, dtype=dtype)
    for start in range(0, len(given), _ROWS):
        piece = np.minimum(given[start : start + _ROWS], high)  # with a maximum, quicker than a clip
        found[start : start + _ROWS] = np.maximum(piece, low, out=piece)  # what has no port is 0
    return found


def hardware_codes(values: NDArray[np.number], hardware: Hardware) -> Codes:
    """Turn objects or cells into hardware integers: rounded to the nearest LSB, then saturated to their width.

    Phi goes round: the code of +pi is that of -pi. A slot without pT is empty, and all its codes are 0. Whatever the
    type of the numbers, the codes are those of the same numbers in float64.

    Parameters
    ----------
    values
        (n_events, n_slots, >= 3): pT in GeV, eta, phi in rad, or (n_events, *shape) of an array; finite.

    Returns
    -------
    (n_events, n_features) codes, in the order of `hardware_features`.
    """
    if hardware.array is None:
        codes = _codes_of(_words(values, hardware), hardware)
    else:
        codes = _whole(values.astype(np.float64), hardware.array.lsb).reshape(len(values), -1)
    low, high = code_limits(hardware_features(hardware))
    return np.asarray(np.clip(codes, low, high), dtype=np.int64)


def _whole(values: NDArray[np.float64], lsb: float | NDArray[np.float64]) -> Codes:
    return np.asarray(np.clip(np.rint(values / lsb), -_FAR, _FAR), dtype=np.int64)


def _words(values: NDArray[np.number], hardware: Hardware) -> Codes:
    """Give the words of objects in GeV and rad, (n_events, n_slots, 3); where none is declared, the codes."""
    given = np.asarray(values[..., :3], dtype=np.float64)
    limits = object_limits(hardware)
    words = _whole(given, limits.lsb)
    words[..., 2] = (words[..., 2] + limits.offset[:, 2] - limits.turn) % limits.steps + limits.turn
    empty = given[..., 0] == 0
    if limits.has_words.any():
        words[..., :2] = np.clip(words[..., :2] + limits.offset[:, :2], limits.low[:, :2], limits.saturated[:, :2])
    words[empty] = 0
    words[..., 0][empty] = np.broadcast_to(np.maximum(limits.none, 0), empty.shape)[empty]
    return words


def _words_of_integers(values: NDArray[np.number], hardware: Hardware) -> NDArray[Any]:
    """Give integers within their declaration as words; a phi of today's signed integers may be of any turn."""
    limits = object_limits(hardware)
    words: NDArray[Any] = values[..., :3]
    if not limits.has_words.all():
        words = np.array(words, dtype=np.int64)
        words[..., 2] = (words[..., 2] - limits.turn) % limits.steps + limits.turn
        words[..., 1:] *= (words[..., 0] != limits.none)[..., None] & limits.is_used[:, 1:]
    return words


def _codes_of(words: NDArray[np.integer], hardware: Hardware) -> Codes:
    return codes_of_words(words.reshape(len(words), -1), hardware_features(hardware))
