"""Objects with declared words of every convention, scaled to inputs of a network, and words for their ports."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpgaae.config.data import Hardware
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.data.words import word_limits
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.hls.word_stimulus import edge_words

# Both conventions of CMS, an overflow that empties its slot, words with and without a sign and with offsets, an angle
# whose port carries several turns, and one kind whose hardware integers arrive as they are.
OBJECTS: list[dict[str, Any]] = [
    {"name": "met", "slots": 1, "pt": {"bits": 12}, "phi": {"bits": 8, "steps": 144}},
    {
        "name": "muon", "slots": 2, "pt": {"bits": 9, "code_offset": 1}, "eta": {"bits": 9, "lsb": 0.010875},
        "phi": {"bits": 10, "steps": 576}, "saturated": "zero",
    },
    {
        "name": "jet", "slots": 1, "pt": {"bits": 11, "none": 3, "overflow": 2000}, "saturated": "zero",
        "eta": {"bits": 7, "signed": False, "code_offset": 60}, "phi": {"bits": 6, "signed": True, "steps": 9},
    },
    {"name": "tau", "slots": 1, "pt": {"bits": 5, "none": None}, "phi": {"bits": 7, "steps": 8, "code_offset": 5}},
    {"name": "plain", "slots": 1, "pt_bits": 6, "eta_bits": 5, "phi_bits": 8},
    {
        "name": "wide", "slots": 1, "pt": {"bits": 16}, "eta": {"bits": 16, "signed": False, "code_offset": -9},
        "phi": {"bits": 16, "steps": 65536, "code_offset": -7},
    },
]  # fmt: skip
HARDWARE = Hardware.model_validate({"objects": OBJECTS})
_SCALING = ((40, 5), (-3, 4), (2, 3), (0, 0), (9, 2), (-1, 6))


_PTS = tuple(range(0, 3 * sum(kind.slots for kind in HARDWARE.objects), 3))
SUMS = (BinnedSum(_PTS[:-1], False, (300, 900, 1500)), BinnedSum(_PTS, True, (3, len(_PTS) - 1)))


def word_features(hardware: Hardware = HARDWARE) -> FeatureMap:
    """Give the features of objects, with offsets and shifts that differ from slot to slot."""
    found = []
    for index, feature in enumerate(hardware_features(hardware)):
        offset, shift = _SCALING[index % len(_SCALING)]
        wider = max(feature.bits - 8, 0)
        found.append(Feature(feature, offset if feature.bits else 0, shift + wider if feature.bits else 0))
    return FeatureMap(tuple(found))


def one_word_at_a_time(features: FeatureMap) -> Codes:
    """Give every word of every port (of wide ones those at the edges and some), the others in the middle of theirs."""
    hardware = [feature.hardware for feature in features.features]
    low, high = word_limits(hardware)
    rows = [np.stack([low, high, np.zeros_like(low)])]
    for index, feature in enumerate(hardware):
        words = np.arange(low[index], high[index] + 1)
        if len(words) > 2048:
            words = np.unique(np.concatenate([edge_words(feature), words[:: len(words) // 500]]))
        for others in ((low + high) // 2, high):
            block = np.tile(others, (len(words), 1))
            block[:, index] = words
            rows.append(block)
    return np.concatenate(rows)
