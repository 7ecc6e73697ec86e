"""The emulator fed with raw words: the golden codes, and what lies beyond a declaration."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import word_objects

from fpgaae.emulator.hashes import network_hashes
from fpgaae.emulator.package import compile_package, open_binding, write_package
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
