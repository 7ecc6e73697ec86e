"""The trigger block as one object: what each form of the firmware reads of it."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import pytest
from rational_network import rational_values, round_to, value_of

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger

FEATURES = networks.feature_map()
NETWORK = networks.random_network(Score.SQUARED_ERROR, FEATURES)
TRIGGER = GoldenTrigger(FEATURES, NETWORK)
EVENTS = networks.events(FEATURES, 40)


def test_hardware_integers_give_every_layer_down_to_the_decisions() -> None:
    tensors = TRIGGER.run(EVENTS)
    for row, event in enumerate(EVENTS.tolist()):
        exact = [value_of(c - f.offset, f.shift) for c, f in zip(event, FEATURES.features, strict=True)]
        inputs = [int(round_to(value, networks.INPUT) * 2**networks.INPUT.fraction) for value in exact]
        assert TRIGGER.input_codes(EVENTS)[row].tolist() == inputs
        for name, expected in rational_values(NETWORK, inputs).items():
            tensor = tensors[name]
            assert [value_of(code, tensor.fraction) for code in tensor.codes[row].tolist()] == expected, name


def test_scores_and_decisions_are_the_last_layers() -> None:
    tensors = TRIGGER.run(EVENTS)
    np.testing.assert_array_equal(TRIGGER.scores(EVENTS), tensors["score"].codes[:, 0])
    found = TRIGGER.score_and_decisions(EVENTS)
    np.testing.assert_array_equal(found[:, 0], TRIGGER.scores(EVENTS))
    np.testing.assert_array_equal(found[:, 1:], found[:, :1] > TRIGGER.thresholds)
    assert found.shape == (len(EVENTS), 1 + len(TRIGGER.thresholds))


def test_thresholds_are_added_once_they_are_chosen(tmp_path: Path) -> None:
    undecided = GoldenTrigger(FEATURES, IntegerNetwork(NETWORK.layers[:-1]))
    np.testing.assert_array_equal(undecided.scores(EVENTS), TRIGGER.scores(EVENTS))
    with pytest.raises(InputError, match="the golden network has no thresholds; run the stage `convert` again"):
        undecided.thresholds  # noqa: B018
    decided = undecided.with_thresholds(np.array([3, 1]))
    assert decided.thresholds.tolist() == [3, 1]
    assert (decided.accept.size, decided.features) == (2, FEATURES)
    decided.network.save(tmp_path / GOLDEN_FILE)
    loaded = GoldenTrigger.load(tmp_path, FEATURES)
    np.testing.assert_array_equal(loaded.score_and_decisions(EVENTS), decided.score_and_decisions(EVENTS))
