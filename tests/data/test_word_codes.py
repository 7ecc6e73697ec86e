"""Words of a trigger to hardware integers and back, worked by hand and over every word of a port."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fpgaae.config.data import Hardware
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.integers import event_codes, event_words, hardware_codes
from fpgaae.data.layout import code_limits, hardware_features
from fpgaae.data.source import EventChunk
from fpgaae.data.words import codes_of_words, word_limits, words_of_codes
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.runs.record import as_json, from_json
from fpgaae.runs.results.data import DataResult

CMS = {  # as a CMS global trigger sends them
    "objects": [
        {"name": "met", "slots": 1, "pt": {"bits": 12}, "phi": {"bits": 8, "steps": 144}},
        {
            "name": "muon",
            "slots": 2,
            "pt": {"bits": 9, "code_offset": 1},
            "eta": {"bits": 9, "lsb": 0.010875},
            "phi": {"bits": 10, "steps": 576},
        },
        {"name": "jet", "slots": 1, "pt": {"bits": 11}, "eta": {"bits": 8}, "phi": {"bits": 8}},
    ]
}
HARDWARE = Hardware.model_validate(CMS)
FEATURES = hardware_features(HARDWARE)
INPUT = FixedPointType(10, 6, True, Rounding.HALF_EVEN, Overflow.SATURATE)


def _with(**muon: object) -> Hardware:
    objects = [CMS["objects"][0], {**CMS["objects"][1], **muon}, CMS["objects"][2]]
    return Hardware.model_validate({"objects": objects})


def test_words_by_hand() -> None:
    words = np.array([[4095, 0, 143, 1, -100, 575, 0, 7, 300, 40, -3, 72]])
    #        met: no eta, one step below 0; muon: pT 0 GeV is there; empty muon; jet at the half turn
    assert codes_of_words(words, FEATURES).tolist() == [[4095, 0, -1, 1, -100, -1, 0, 0, 0, 40, -3, -72]]


@pytest.mark.parametrize(("steps", "bits"), [(144, 8), (576, 10), (5, 3), (7, 5)])
def test_every_word_of_an_angle_is_centred_by_whole_turns(steps: int, bits: int) -> None:
    hardware = _with(phi={"bits": bits, "steps": steps})
    words = np.zeros((2**bits, 12), dtype=np.int64)
    words[:, 3], words[:, 5] = 9, np.arange(2**bits)
    codes = codes_of_words(words, hardware_features(hardware))[:, 5]
    assert codes.min() == -(steps // 2)
    assert codes.max() == (steps - 1) // 2
    assert np.array_equal(codes % steps, np.arange(2**bits) % steps)
    low, high = code_limits(hardware_features(hardware))
    assert low[5] <= codes.min() <= codes.max() <= high[5]


def test_codes_lie_within_their_width_and_go_back_to_the_same_word() -> None:
    rng = np.random.default_rng(1)
    low, high = word_limits(FEATURES)
    assert (low[3:6].tolist(), high[3:6].tolist()) == ([0, -256, 0], [511, 255, 1023])
    words = rng.integers(low, high + 1, size=(5000, len(FEATURES)))
    words[::7, 3] = 0
    codes = codes_of_words(words, FEATURES)
    smallest, largest = code_limits(FEATURES)
    assert ((smallest <= codes) & (codes <= largest)).all()
    back = words_of_codes(codes, FEATURES)
    assert np.array_equal(codes_of_words(back, FEATURES), codes)
    within = (words[:, 5] < 576) & (words[:, 3] != 0)
    assert np.array_equal(back[within, 3:6], words[within, 3:6])


def test_an_eta_may_have_an_offset_and_no_sign() -> None:
    hardware = _with(eta={"bits": 8, "signed": False, "code_offset": 128})
    words = np.zeros((256, 12), dtype=np.int64)
    words[:, 3], words[:, 4] = 1, np.arange(256)
    features = hardware_features(hardware)
    assert features[4].bits == 8
    assert codes_of_words(words, features)[:, 4].tolist() == list(range(-128, 128))
    assert hardware_features(_with(eta={"bits": 8, "signed": False}))[4].bits == 9


def test_another_word_may_mean_none() -> None:
    features = hardware_features(_with(pt={"bits": 9, "none": 511}))
    words = np.array([[1, 0, 0, 511, 5, 5, 0, 5, 5, 1, 0, 0]])
    codes = codes_of_words(words, features)
    assert codes[0, 3:9].tolist() == [0, 0, 0, 0, 5, 5]
    assert words_of_codes(codes, features)[0, 3:9].tolist() == [511, 0, 0, 0, 5, 5]


def test_an_overflow_may_empty_its_slot_and_leaves_the_others_where_they_are() -> None:
    features = hardware_features(_with(saturated="zero"))
    words = np.array([[4095, 0, 9, 511, 5, 5, 100, 6, 6, 2047, 1, 1]])
    assert codes_of_words(words, features).tolist() == [[4095, 0, 9, 0, 0, 0, 100, 6, 6, 2047, 1, 1]]
    own = hardware_features(_with(saturated="zero", pt={"bits": 9, "overflow": 100}))
    assert codes_of_words(words, own)[0, 3:9].tolist() == [511, 5, 5, 0, 0, 0]
    today = Hardware.model_validate(
        {"saturated": "zero", "objects": [{"name": "jet", "slots": 1, "pt_bits": 4, "eta_bits": 3, "phi_bits": 8}]}
    )
    assert codes_of_words(np.array([[15, 1, -72], [14, 1, -72]]), hardware_features(today)).tolist() == [
        [0, 0, 0],
        [14, 1, -72],
    ]


def test_physical_values_become_the_codes_of_their_words() -> None:
    lsb = 2 * np.pi / 576
    values = np.array([[[10, 0, -2 * np.pi / 144], [0, 9, 9], [20, 0.010875, -3 * lsb], [1e9, 99, 0]]])
    codes = hardware_codes(values[:, [0, 2, 1, 3]], HARDWARE)
    assert codes.tolist() == [[20, 0, -1, 41, 1, -3, 0, 0, 0, 2047, 127, 0]]
    words = FeatureMap(tuple(Feature(f, 0, 0) for f in FEATURES)).words_of_codes(codes)
    assert words.tolist() == [[20, 0, 143, 41, 1, 573, 0, 0, 0, 2047, 127, 0]]


def test_integers_of_a_file_become_the_codes_of_their_words() -> None:
    from fpgaae.config.data import Data  # noqa: PLC0415

    data = Data.model_validate({"files": {"background": "x"}, "values": "integers", "hardware": CMS})
    words = np.array([[[7, 0, 143], [9, -4, 575], [0, 5, 5], [3, 1, 1]]])
    chunk = EventChunk(0, words, np.zeros(1, dtype=np.int64), integers=True)
    assert event_codes(chunk, data).tolist() == [[7, 0, -1, 9, -4, -1, 0, 0, 0, 3, 1, 1]]
    assert event_words(chunk, data).tolist() == [[7, 0, 143, 9, -4, 575, 0, 5, 5, 3, 1, 1]], "as they arrived"
    in_gev = EventChunk(0, np.array([[[3.5, 9, -0.01], [4, 0, 0], [0, 1, 1], [1, 0, 0]]]), np.zeros(1, dtype=np.int64))
    assert event_words(in_gev, data).tolist() == [[7, 0, 0, 9, 0, 0, 0, 0, 0, 2, 0, 0]]


def test_the_features_in_the_result_file_know_their_words() -> None:
    features = FeatureMap(tuple(Feature(f, i % 3, i % 2) for i, f in enumerate(FEATURES)))
    result = DataResult(events={}, feature_types=features.entries(), files={})
    again = FeatureMap.of(from_json(DataResult, json.loads(json.dumps(result.to_json())), "", ""))
    assert again == features
    assert "word" not in as_json(Feature(FEATURES[0]._replace(word=None), 0, 0).entry())
    words = np.array([[80, 0, 143, 5, -100, 575, 0, 7, 300, 40, -3, 72]])
    found = again.input_codes_of_words(words, INPUT)
    assert np.array_equal(found, features.input_codes(codes_of_words(words, FEATURES), INPUT))


def test_a_pt_beyond_the_range_is_the_overflow_and_never_none() -> None:
    """It became the largest word: one that is no overflow, or that says that there is no object."""
    values = np.array([[[0, 0, 0], [249.5, 0, 0], [250, 0, 0], [0, 0, 0]]]), np.array([[[0, 0, 0]] + [[300, 1, 1]] * 3])
    for word, saturated, wanted in (
        ({"none": 511, "overflow": 500}, "keep", [499, 500, 500, 500]),
        ({"overflow": 500}, "zero", [499, 0, 0, 0]),
        ({"none": 511}, "keep", [499, 500, 510, 510]),
    ):
        hardware = _with(pt={"bits": 9, **word}, saturated=saturated)
        first, second = (hardware_codes(of, hardware).reshape(4, 3) for of in values)
        assert [*first[1:3, 0], *second[1:3, 0]] == wanted
        assert second[3].tolist() == [600, 23, 23], "a jet's overflow is its largest word"
