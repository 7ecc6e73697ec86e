"""Made-up words: what a port can carry, at the edges of every declaration; and real events as their words."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import pytest
import word_objects
from support import small_config

from fpgaae.config.file import load_config
from fpgaae.config.model import Score
from fpgaae.data.layout import QUANTITIES
from fpgaae.data.store import EventWriter
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.stimulus import EXTREMES, RANDOM, WORDS, Source, Stimuli
from fpgaae.hls.word_stimulus import edge_words, word_events

FEATURES = word_objects.word_features()
LOW, HIGH = FEATURES.port_limits


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> Stimuli:
    folder = tmp_path_factory.mktemp("words")
    config = load_config(small_config(folder, csim={"random_events": 3000}))
    codes = FEATURES.codes_of_words(word_events(FEATURES, 500, np.random.default_rng(3)))
    with EventWriter(folder, len(FEATURES), np.int32) as writer:
        writer.append("background", "test", codes, np.arange(500))
    return Stimuli(config, folder, GoldenTrigger(FEATURES, networks.random_network(Score.SQUARED_ERROR, FEATURES)))


def test_edge_words_by_hand() -> None:
    muon = [feature.hardware for feature in FEATURES.features[3:6]]
    assert edge_words(muon[0]) == [0, 1, 2, 510, 511]  # none, offset, overflow
    phi = {0, 1, 287, 288, 289, 574, 575, 576, 1022, 1023}
    assert set(edge_words(muon[2])) == phi
    assert edge_words(FEATURES.features[1].hardware) == [0]  # no port


def test_words_at_every_edge_are_sent_in_full_and_in_empty_slots() -> None:
    words = word_events(FEATURES, 20_000, np.random.default_rng(1))
    assert ((words >= LOW) & (words <= HIGH)).all()
    for column, feature in enumerate(FEATURES.features):
        assert set(edge_words(feature.hardware)) <= set(words[:, column].tolist()), feature.hardware.name
    filled = FEATURES.codes_of_words(words)[:, :: len(QUANTITIES)] > 0
    assert (filled.mean(axis=0) > 0.3).all()
    assert (filled.mean(axis=0) < 0.8).all()
    assert len(np.unique(filled.sum(axis=1))) == filled.shape[1] + 1
    empty = ~filled[:, 1]
    assert len(np.unique(words[empty, 5])) > 500, "what an empty slot carries besides must not count"


@pytest.mark.parametrize("origin", [RANDOM, WORDS, EXTREMES, "background"])
def test_every_origin_enters_as_words(stimuli: Stimuli, origin: str) -> None:
    sources = [source for source in stimuli.sources() if source.origin == origin]
    assert sources
    made = stimuli.make(sources[0])
    assert len(made.hardware)
    assert ((made.hardware >= LOW) & (made.hardware <= HIGH)).all()
    golden = GoldenTrigger(FEATURES, networks.random_network(Score.SQUARED_ERROR, FEATURES)).input_codes(made.hardware)
    np.testing.assert_array_equal(made.input_codes[: len(made.hardware)], golden)
    if origin in {RANDOM, WORDS, EXTREMES}:
        assert (made.hardware.max(axis=0) > FEATURES.limits[1]).any(), "a phi without a sign is beyond its code"


def test_real_events_are_the_words_of_their_codes(stimuli: Stimuli) -> None:
    rng = np.random.default_rng(3)
    codes = FEATURES.codes_of_words(word_events(FEATURES, 500, rng))
    words = stimuli.make(Source("background", 0, 500)).hardware
    np.testing.assert_array_equal(FEATURES.codes_of_words(words), codes)


def test_made_up_words_are_those_of_objects_with_words_only(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path))
    features = networks.feature_map()
    with EventWriter(tmp_path, len(features), np.int16):
        pass
    plain = Stimuli(config, tmp_path, GoldenTrigger(features, networks.random_network(Score.SQUARED_ERROR, features)))
    assert WORDS not in {source.origin for source in plain.sources()}
