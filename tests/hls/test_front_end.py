"""The generated trigger block, compiled around a stand-in for the network: ports, scaling and thresholds."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from compiled_block import INPUT, Block

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.fixedpoint import FixedPointType
from fpgaae.hls.front_end import write_golden_vectors

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]

HARDWARE = Hardware(
    phi_steps=100,
    objects=(
        ObjectWidths(name="met", slots=1, pt_bits=12, eta_bits=0, phi_bits=8),
        ObjectWidths(name="muon", slots=2, pt_bits=9, eta_bits=8, phi_bits=0),
        ObjectWidths(name="jet", slots=2, pt_bits=16, eta_bits=3, phi_bits=7),
    ),
)
# Offset and shift, slot by slot: offsets at both ends of the code's range, shifts of every sign.
SCALING = (
    (4095, 6), (0, 0), (-128, 5),
    (0, 3), (127, 4), (0, 0),
    (77, -2), (-3, 0), (0, 0),
    (300, 14), (3, -1), (-64, 1),
    (65535, 9), (-4, 2), (63, 0),
)  # fmt: skip
FEATURES = FeatureMap(
    tuple(Feature(hardware, *scaling) for hardware, scaling in zip(hardware_features(HARDWARE), SCALING, strict=True))
)
OBJECTS = HARDWARE, FEATURES
ELEMENTS = [i for i, feature in enumerate(FEATURES.features) if feature.hardware.bits]


def _one_at_a_time() -> np.ndarray:
    """Give every code of every feature, the others in the middle of theirs."""
    low, high = FEATURES.limits
    middle = (low + high) // 2
    rows = []
    for index in ELEMENTS:
        codes = np.arange(low[index], high[index] + 1)
        if len(codes) > 5000:  # both ends and what surrounds the offset whole, and a part of the rest
            offset = FEATURES.features[index].offset
            near = np.arange(max(offset - 300, low[index]), min(offset + 300, high[index]) + 1)
            codes = np.unique(np.concatenate([codes[:500], codes[-500:], near, codes[::17]]))
        block = np.tile(middle, (len(codes), 1))
        block[:, index] = codes
        rows.append(block)
    return np.concatenate(rows)


def _rational_input(feature: Feature, code: int) -> int:
    scaled = (Fraction(code) - feature.offset) / Fraction(2) ** feature.shift * 2**INPUT.fraction
    return max(INPUT.min_code, min(round(scaled), INPUT.max_code))  # Python rounds a Fraction half to even


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(None, id="parallel"),
        pytest.param(15, id="stream"),
        pytest.param(3, id="stream_of_slots", marks=pytest.mark.slow),
    ],
)
def block(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Block:
    return Block(tmp_path_factory.mktemp("block"), OBJECTS, [0, 5, 5, 4095, 100, 101, 2048, 4094], pack=request.param)


def test_every_hardware_code_gives_the_golden_input_code(block: Block) -> None:
    hardware = _one_at_a_time()
    found = block.run([0] * len(hardware), hardware).inputs
    np.testing.assert_array_equal(found, FEATURES.input_codes(hardware, INPUT))
    for index, feature in enumerate(FEATURES.features):
        expected = {code: _rational_input(feature, code) for code in set(hardware[:, index].tolist())}
        assert found[:, index].tolist() == [expected[code] for code in hardware[:, index].tolist()]


def test_all_features_at_their_ends_at_once(block: Block) -> None:
    low, high = FEATURES.limits
    alternating = np.arange(len(FEATURES)) % 2 == 0
    hardware = np.stack([low, high, np.where(alternating, low, high), np.where(alternating, high, low)])
    np.testing.assert_array_equal(block.run([1, 2, 3, 4], hardware).inputs, FEATURES.input_codes(hardware, INPUT))


def test_an_event_is_accepted_above_each_threshold_and_not_at_it(block: Block) -> None:
    scores = np.arange(4096)
    hardware = np.zeros((4096, len(FEATURES)), dtype=np.int64)
    found = block.run(scores.tolist(), hardware)
    np.testing.assert_array_equal(found.scores.astype(np.int64), scores)
    expected = (scores[:, None] > block.block.accept.thresholds) << np.arange(8)
    np.testing.assert_array_equal(found.accept.astype(np.int64), expected.sum(axis=1))


@pytest.mark.parametrize(
    ("score", "thresholds"),
    [
        pytest.param("ap_ufixed<12,8>", [7], id="one"),
        pytest.param("ap_uint<10>", [0, 1023], id="no_fraction", marks=pytest.mark.slow),
        pytest.param("ap_ufixed<40,20>", [2**40 - 2, 2**31, 2**32 + 1], id="wide", marks=pytest.mark.slow),
    ],
)
def test_thresholds_of_any_number_and_width(tmp_path: Path, score: str, thresholds: list[int]) -> None:
    block = Block(tmp_path, OBJECTS, thresholds, score)
    largest = 2 ** int(re.findall(r"\d+", score)[0]) - 1
    scores = sorted({min(max(code + step, 0), largest) for code in [0, *thresholds] for step in (-1, 0, 1)})
    found = block.run(scores, np.zeros((len(scores), len(FEATURES)), dtype=np.int64))
    assert found.scores.tolist() == scores
    for code, accept in zip(scores, found.accept.tolist(), strict=True):
        assert accept == sum((code > threshold) << i for i, threshold in enumerate(thresholds)), code


def test_a_property_of_no_bits_has_no_port(block: Block, tmp_path: Path) -> None:
    assert block.block.n_elements == len(ELEMENTS) == 12
    (tmp_path / "firmware").mkdir()
    block.block.write(tmp_path)
    assert {file.name for file in (tmp_path / "firmware").iterdir()} == {  # and none that reads words
        "autoencoder_trigger.h", "autoencoder_trigger.cpp", "fpgaae_front_end.h", "thresholds.h",
    }  # fmt: skip
    header = (tmp_path / "firmware" / "autoencoder_trigger.h").read_text()
    structs = dict(re.findall(r"struct (\w+) \{\n(.*?)\};", header, re.DOTALL))
    assert {name: re.findall(r"(ap_u?int<\d+>) (\w+);", body) for name, body in structs.items()} == {
        "met_object": [("ap_uint<12>", "pt"), ("ap_int<8>", "phi")],
        "muon_object": [("ap_uint<9>", "pt"), ("ap_int<8>", "eta")],
        "jet_object": [("ap_uint<16>", "pt"), ("ap_int<3>", "eta"), ("ap_int<7>", "phi")],
    }
    (ports,) = re.findall(r"void autoencoder_trigger\((.*?)\);", header, re.DOTALL)
    assert " ".join(ports.split()) == (
        "met_object met[1], muon_object muon[2], jet_object jet[2], score_t &score, ap_uint<n_thresholds> &accept"
    )


def test_golden_vectors_are_hexadecimal_in_twos_complement_without_what_has_no_port(
    block: Block, tmp_path: Path
) -> None:
    low, high = FEATURES.limits
    codes = np.stack([low, high, np.where(low < 0, -1, 0)])
    accept = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0]])
    write_golden_vectors(tmp_path, block.block, codes, np.array([0, 4095, 171]), accept)
    assert (tmp_path / "tb_data" / "stimulus.dat").read_text().splitlines() == [
        "0 80 0 80 0 80 0 4 40 0 4 40",
        "fff 7f 1ff 7f 1ff 7f ffff 3 3f ffff 3 3f",
        "0 ff 0 ff 0 ff 0 7 7f 0 7 7f",
    ]
    assert (tmp_path / "tb_data" / "expected.dat").read_text().splitlines() == ["0 4", "fff 7", "ab 1"]


def test_the_input_type_of_the_test_rounds_and_saturates() -> None:
    hardware = _one_at_a_time()
    scaled = (hardware - FEATURES.offsets) / 2.0**FEATURES.shifts * 2.0**INPUT.fraction
    assert (scaled > INPUT.max_code + 1).any()
    assert (scaled < INPUT.min_code - 1).any()
    assert {0, 1} <= set((np.floor(scaled)[scaled % 1 == 0.5] % 2).astype(int).tolist())
    assert isinstance(INPUT, FixedPointType)
