"""Thresholds that are loaded at run time: any codes of the score in any order, and sets that tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Tensor
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.loaded_thresholds import threshold_sets, with_loaded
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.trigger import GoldenTrigger

_INPUT = Input("features", (), 2, FixedPointType(4, 2))
_SCORE = MuSquared("score", ("features",), 1, FixedPointType(8, 4, signed=False))  # codes 0 .. 255
_NETWORK = IntegerNetwork((_INPUT, _SCORE)).with_thresholds(np.array([9, 50, 20]), reloadable=True)
_TRIGGER = GoldenTrigger(FeatureMap(()), _NETWORK)


def test_decisions_follow_what_is_loaded_in_any_order() -> None:
    loaded = with_loaded(_TRIGGER, np.array([255, 0, 128]))
    scores = Tensor(np.array([[0], [1], [128], [129], [255]]), _SCORE.type.fraction)
    right = [[0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 1], [0, 1, 1]]
    assert loaded.accept.run([scores]).codes.tolist() == right
    assert _TRIGGER.thresholds.tolist() == [9, 50, 20]
    assert loaded.network.layers[:-1] == _NETWORK.layers[:-1]


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([1, 2], "2 thresholds are given, and the block has 3"),
        ([1, 2, 256], "the threshold 256 is no code of the score, whose codes are 0 to 255"),
        ([1, -1, 2], "the threshold -1 is no code of the score"),
    ],
)
def test_what_no_register_holds_is_refused(codes: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_loaded(_TRIGGER, np.array(codes))


def test_the_sets_tell_each_threshold_from_each() -> None:
    scores = np.array([0, 3, 3, 40, 41, 200])
    sets = threshold_sets(_TRIGGER.accept, scores, 7)
    assert len({tuple(codes) for codes in sets.tolist()}) == len(sets) > 20
    assert (sets.min(), sets.max()) == (0, 255)
    assert {(0, 0, 0), (255, 255, 255), (0, 255, 0), (255, 0, 255)} <= {tuple(codes) for codes in sets.tolist()}
    decided = [(scores[:, None] > codes).astype(int) for codes in sets]
    for place in range(3):
        for other in {0, 1, 2} - {place}:
            assert any((bits[:, place] != bits[:, other]).any() for bits in decided)
    assert any((codes == 40).any() and (scores[:, None] == codes).any() for codes in sets), "exactly at a score"
    assert any(np.diff(codes).min() < 0 < np.diff(codes).max() for codes in sets), "in no order"
    assert np.array_equal(sets, threshold_sets(_TRIGGER.accept, scores, 7))


def test_a_saved_network_still_takes_thresholds(tmp_path: Path) -> None:
    _NETWORK.save(tmp_path / GOLDEN_FILE)
    read = IntegerNetwork.load(tmp_path / GOLDEN_FILE).accept
    assert read is not None
    assert read.reloadable
    assert not IntegerNetwork((_INPUT, _SCORE)).with_thresholds(np.array([1])).layers[-1].reloadable  # type: ignore[attr-defined]
