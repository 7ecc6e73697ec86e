"""The emulator fed with raw words: the golden codes, and what lies beyond a declaration."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networks
import numpy as np
import pytest
import word_objects

from fpgaae.config.data import Data
from fpgaae.emulator import arrays
from fpgaae.emulator.arrays import Emulator
from fpgaae.emulator.export import Deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.errors import InputError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.hls.word_stimulus import word_events

pytestmark = pytest.mark.usefixtures("compiler")
FEATURES = word_objects.word_features()


@pytest.fixture(scope="module")
def trigger() -> GoldenTrigger:
    """Give a block whose thresholds follow sums over ports of all kinds, whether a word is declared or not."""
    return networks.followed(FEATURES, word_objects.SUMS)


@pytest.fixture(scope="module")
def package(trigger: GoldenTrigger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    words = word_events(FEATURES, 200, np.random.default_rng(1))
    write_package(folder, "trigger", trigger, words, port_lines(input_ports(word_objects.HARDWARE)))
    compile_package(folder, "trigger")
    return folder


@pytest.fixture(scope="module")
def emulator(package: Path) -> Any:  # noqa: ANN401
    return open_binding(package, "trigger")


def test_every_word_gives_the_golden_answer(emulator: Any, trigger: GoldenTrigger) -> None:  # noqa: ANN401
    random = word_events(FEATURES, 3000, np.random.default_rng(2))
    words = np.concatenate([random, word_objects.one_word_at_a_time(FEATURES)])
    scores, accept = emulator.score(words, check=False)
    golden = trigger.score_and_decisions(words)
    np.testing.assert_array_equal(np.column_stack([scores, accept]), golden)
    assert len(np.unique(golden[:, 0])) > 100
    assert 0 < accept.mean() < 1


def test_a_word_beyond_its_declaration_is_an_error_that_names_event_and_port(emulator: Any) -> None:  # noqa: ANN401
    words = np.zeros((5, len(FEATURES)), dtype=np.int64)
    words[:, 15] = 1
    emulator.score(words)
    words[3, 5], words[4, 2] = 576, 144
    with pytest.raises(ValueError, match=r"2 integers .* event 3: muon_1_phi is 576, but 0 to 575 are declared"):
        emulator.score(words)
    assert emulator.largest[18] == 65535
    words[3, 5], words[4, 2], words[0, 18] = 575, 143, 65535
    emulator.score(words)


def test_the_package_tests_itself_and_says_what_its_ports_carry(package: Path) -> None:
    done = subprocess.run(["make", "test"], cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong; network" in done.stdout
    header = (package / "trigger_emulator.h").read_text()
    assert " * muon[2].phi: 10 bits, unsigned; word * 2 pi / 576; 0 to 575 are sent" in header


def test_other_words_are_another_network(trigger: GoldenTrigger) -> None:
    assert network_hashes(trigger) != network_hashes(trigger.behind_words)


@pytest.fixture
def arrays_of(emulator: Any, trigger: GoldenTrigger, monkeypatch: pytest.MonkeyPatch) -> Emulator:  # noqa: ANN401
    """Give the compiled emulator as the Python interface has it."""
    data = Data.model_validate({"files": {"background": "x"}, "hardware": word_objects.HARDWARE})
    experiment: Any = SimpleNamespace(config=SimpleNamespace(data=data, firmware=SimpleNamespace(project_name="t")))
    monkeypatch.setattr(arrays, "open_deployed", lambda of: Deployed(of, trigger))
    monkeypatch.setattr(arrays, "build_package", lambda *_: None)
    monkeypatch.setattr(arrays, "open_binding", lambda *_: emulator)
    return Emulator(experiment)


def test_hardware_integers_are_no_words(arrays_of: Emulator, trigger: GoldenTrigger) -> None:
    """The ports of the words got the integers of the event store, and refused them or gave another score."""
    words = word_events(FEATURES, 500, np.random.default_rng(3))
    codes = FEATURES.codes_of_words(words)
    found = arrays_of.score(codes)
    golden = trigger.score_and_decisions(words)
    np.testing.assert_array_equal(np.column_stack([found.codes, found.accept]), golden)
    np.testing.assert_array_equal(trigger.behind_words.scores(codes), golden[:, 0])
    assert (trigger.scores(codes) != golden[:, 0]).any(), "else this shows nothing"
    codes[7, 3:6] = 0, 5, 0
    with pytest.raises(InputError, match="no word becomes the hardware integer 5 of event 7, muon_1_eta"):
        arrays_of.score(codes)
    for bad in (np.zeros((3, 2), dtype=int), np.zeros((3, len(FEATURES))), np.zeros(3, dtype=int)):
        with pytest.raises(InputError, match="the emulator can't score this: give integers of the shape"):
            arrays_of.score(bad)


def test_arrays_are_held_to_what_files_are(arrays_of: Emulator) -> None:
    values = np.zeros((2, 7, 4))
    values[0, 1, 0], values[0, 2, 0] = 10, 30  # muons, the harder one behind
    values[0, 1, 2], values[0, 2, 2] = 0.5, -0.5
    codes = arrays_of.hardware_codes(values)
    assert codes[0, 3:9].tolist() == [61, 0, -46, 21, 0, 46]
    assert codes.tolist() == arrays_of.hardware_codes(values.astype(">f4").tolist()).tolist()  # type: ignore[arg-type]
    assert arrays_of.hardware_codes(values[:0]).shape == (0, 21)
    for place, bad, words in (
        (0, -1, "event 1, slot 4 holds a negative pT"),
        (1, np.nan, "event 1, slot 4 holds a NaN"),
        (2, 90, "event 1, slot 4 holds a phi of 90, beyond 2 pi"),
    ):
        wrong = values.copy()
        wrong[1, 4, :3] = 5, 0, 0
        wrong[1, 4, place] = bad
        with pytest.raises(InputError, match=words):
            arrays_of.hardware_codes(wrong)
    for shape in ((2, 7), (2, 6, 3), (2, 7, 2), (2, 7, 3, 1)):
        with pytest.raises(InputError, match=r"events are numbers of the shape \(n, 7, 3\), not float64"):
            arrays_of.hardware_codes(np.zeros(shape))
    with pytest.raises(InputError, match="not bool"):
        arrays_of.hardware_codes(np.zeros((2, 7, 3), dtype=bool))


def test_objects_of_any_layout_in_memory_are_read(emulator: Any) -> None:  # noqa: ANN401
    words = FEATURES.words_of_codes(FEATURES.codes_of_words(word_events(FEATURES, 300, np.random.default_rng(4))))
    words[:, 18:] = 0  # wider than int16
    wanted = emulator.score(words)[0].tolist()
    for dtype in (np.int16, ">i2", np.int32, ">i8"):
        given = words.astype(dtype)
        shifted = np.frombuffer(b"\0" + given.tobytes(), dtype=given.dtype, offset=1).reshape(given.shape)
        assert shifted.ctypes.data % 2, "at an odd address"
        for layout in (
            given,
            np.asfortranarray(given),
            np.repeat(given, 2, axis=1)[:, ::2],
            given[::-1][::-1],
            shifted,
        ):
            assert emulator.score(layout)[0].tolist() == wanted
    masked = np.ma.masked_equal(words, words[0, 0])
    with pytest.raises(ValueError, match="an object is masked"):
        emulator.score(masked)
    assert emulator.score(np.ma.masked_array(words))[0].tolist() == wanted
    for kind in (np.float64, bool, "m8[s]", object):
        with pytest.raises(ValueError, match="give integers of the shape"):
            emulator.score(words.astype(kind))
