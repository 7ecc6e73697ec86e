"""The trigger block from the raw words on: every word of every port, against the golden front end and a plain one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import word_objects
from compiled_block import INPUT, Block

from fpgaae.config.data import Hardware
from fpgaae.data.layout import Word
from fpgaae.golden.cell_events import cell_events
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cells import cells_of
from fpgaae.hls.front_end import write_golden_vectors
from fpgaae.hls.port_table import input_ports, packed_lines
from fpgaae.hls.word_stimulus import word_events

pytestmark = pytest.mark.usefixtures("compiler")
FEATURES = word_objects.word_features()


@pytest.fixture(
    scope="module",
    params=[pytest.param(None, id="parallel"), pytest.param(3, id="stream_of_slots", marks=pytest.mark.slow)],
)
def block(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Block:
    objects = word_objects.HARDWARE, FEATURES
    sums = () if request.param else word_objects.SUMS  # the front end of a stream has no cells
    return Block(tmp_path_factory.mktemp("block"), objects, [7, 90, 500, 2000], pack=request.param, sums=sums)


def _code(words: list[int], declared: list[Word | None], place: int) -> int:
    """Say in plain integers what a word of a slot of three becomes."""
    pt, word = declared[0], declared[place]
    if word is None or pt is None:
        return words[place]
    if words[0] == pt.none or (pt.zero_overflow and words[0] == pt.overflow):
        return 0
    if place == 0:
        return words[0]
    code = words[place] - word.code_offset
    while word.steps and code >= word.steps - word.steps // 2:
        code -= word.steps
    while word.steps and code < -(word.steps // 2):
        code += word.steps
    return code


def test_every_word_gives_the_golden_input_code(block: Block) -> None:
    words = word_objects.one_word_at_a_time(FEATURES)
    found = block.run([0] * len(words), words).inputs
    np.testing.assert_array_equal(found, FEATURES.input_codes_of_words(words, INPUT))
    assert all(len(np.unique(column)) > 1 for column in found[:, block.elements].T)


def test_each_event_gets_the_thresholds_of_its_cell(block: Block) -> None:
    cell = block.block.cell
    if cell is None:
        pytest.skip("thresholds of a stream follow nothing")
    random = word_events(FEATURES, 1000, np.random.default_rng(2))
    words = np.concatenate([random, cell_events(GoldenTrigger(FEATURES, IntegerNetwork((cell,))))])
    scores = np.random.default_rng(3).choice([7, 8, 90, 91, 500, 501, 2000, 2001], len(words))
    cells = cells_of(cell, FEATURES.codes_of_words(words))
    bits = (scores[:, None] > block.block.accept.by_cell[cells]) << np.arange(4)
    np.testing.assert_array_equal(block.run(scores.tolist(), words).accept.astype(np.int64), bits.sum(axis=1))
    assert len(np.unique(cells)) > 6


def test_the_golden_front_end_is_the_declared_arithmetic() -> None:
    words = word_objects.one_word_at_a_time(FEATURES)
    codes = FEATURES.codes_of_words(words)
    declared = [feature.hardware.word for feature in FEATURES.features]
    for first in range(0, len(FEATURES), 3):
        slot = slice(first, first + 3)
        rows = words[:, slot].tolist()
        used = [i for i in range(3) if FEATURES.features[first + i].hardware.bits]
        expected = [[_code(row, declared[slot], i) if i in used else 0 for i in range(3)] for row in rows]
        np.testing.assert_array_equal(codes[:, slot], expected)


def test_the_ports_are_the_words_and_the_header_says_what_they_mean(block: Block, tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    block.block.write(tmp_path)
    header = " ".join((tmp_path / "firmware" / "autoencoder_trigger.h").read_text().replace("//", "").split())
    for said in (
        "struct muon_object { ap_uint<9> pt; ap_int<9> eta; ap_uint<10> phi; }",
        "struct jet_object { ap_uint<11> pt; ap_uint<7> eta; ap_int<6> phi; }",
        "muon[2].pt: 9 bits, unsigned; (word - 1) * 0.5 GeV; 0 is an empty slot, whose other words do not count; 511 "
        "is an overflow, whose slot counts as empty",
        "muon[2].eta: 9 bits, signed; word * 0.010875",
        "muon[2].phi: 10 bits, unsigned; word * 2 pi / 576; 0 to 575 are sent, any other word is taken modulo 576",
        "jet[1].phi: 6 bits, signed; word * 2 pi / 9; -4 to 4 are sent, any other word is taken modulo 9",
        "met[1].pt: 12 bits, unsigned; word * 0.5 GeV; 0 is an empty slot, whose other words do not count; 4095 is an "
        "overflow, and an object like any other",
        "tau[1].phi: 7 bits, unsigned; (word - 5) * 2 pi / 8;",
        "wide[1].eta: 16 bits, unsigned; (word + 9) * 0.0435",
        "plain[1].phi: 8 bits, signed; word * 0.04363323",
    ):
        assert said in header, said


def test_a_page_of_the_project_says_the_same(block: Block, tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    block.block.write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| `tau[1].phi` | 7 bits, unsigned; (word - 5) * 2 pi / 8; 0 to 7 are sent, " in page
    assert "@" not in page


def test_the_table_of_ports_is_complete_and_gives_the_bits_of_a_packed_vector() -> None:
    ports = input_ports(word_objects.HARDWARE)
    used = [feature for feature in FEATURES.features if feature.hardware.bits]
    assert sum(port.slots for port in ports) == len(used)
    lines = packed_lines(ports, "objects")
    for line, start in zip(
        lines,
        ("[0 +: 12] is met[1].pt: 12", "[12 +: 8] is met[1].phi: 8", "[20 + 28 * slot +: 9] is muon[2].pt: 9",
         "[29 + 28 * slot +: 9] is muon[2].eta: 9", "[38 + 28 * slot +: 10] is muon[2].phi: 10",
         "[76 +: 11] is jet[1].pt: 11"),
        strict=False,
    ):  # fmt: skip
        assert line.startswith(f"objects{start} bits, ")
    assert not input_ports(Hardware.model_validate({"objects": [word_objects.OBJECTS[4]]}))


def test_golden_vectors_hold_the_bits_of_the_words(block: Block, tmp_path: Path) -> None:
    words = np.zeros((2, len(FEATURES)), dtype=np.int64)
    words[0, 5], words[0, 7], words[1, 4], words[1, 18] = 575, -1, -256, 65535
    write_golden_vectors(tmp_path, block.block, words, np.array([1, 2]), np.array([[0], [1]]))
    rows = [line.split() for line in (tmp_path / "tb_data" / "stimulus.dat").read_text().splitlines()]
    place = {port: i for i, port in enumerate(block.elements)}
    assert [rows[0][place[i]] for i in (5, 7)] == ["23f", "1ff"]
    assert [rows[1][place[i]] for i in (4, 18)] == ["100", "ffff"]
