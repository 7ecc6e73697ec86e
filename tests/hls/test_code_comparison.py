"""Integer codes against golden codes: what counts as equal, what is first, and how parts add up."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Tensor
from fpgaae.hls.comparison import Comparison, compare_codes, failure_sentence
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import Mismatch

EIGHT_BITS = FixedPointType(8, 4)
SCORE = FixedPointType(10, 6, signed=False)
BIT = FixedPointType(1, 1, signed=False)
THRESHOLDS = np.array([40, 55])


def _accept(score: list[int]) -> np.ndarray:
    return (np.array(score, dtype=np.int64)[:, None] > THRESHOLDS).astype(np.int64)


def _compare(
    hidden: list[list[int]],
    score: list[int],
    golden_hidden: list[list[int]],
    golden_score: list[int],
    first_event: int = 0,
    origin: str = "background",
) -> Comparison:
    """Compare a network of two layers and its decisions; codes have four bits behind the point."""
    return compare_codes(
        {
            "hidden": (np.array(hidden, dtype=np.int64), EIGHT_BITS),
            "score": (np.array(score, dtype=np.int64)[:, None], SCORE),
            "accept": (_accept(score), BIT),
        },
        {
            "hidden": Tensor(np.array(golden_hidden, dtype=np.int64), 4),
            "score": Tensor(np.array(golden_score, dtype=np.int64)[:, None], 4),
            "accept": Tensor(_accept(golden_score), 0),
        },
        origin,
        first_event,
    )


def _equal(first_event: int = 0, origin: str = "background") -> Comparison:
    return _compare([[1, 2], [3, 4]], [5, 50], [[1, 2], [3, 4]], [5, 50], first_event, origin)


def test_equal_codes_pass() -> None:
    result = _equal()
    assert result.passed
    assert (result.events, result.mismatched_events, result.score_mismatches, result.decision_flips) == (2, 0, 0, 0)
    assert result.first_mismatch is None
    assert [layer.values for layer in result.layers.values()] == [4, 2, 4]
    assert result.events_by_origin == {"background": 2}


def test_one_lsb_in_one_value_fails() -> None:
    result = _compare([[1, 2], [3, 5]], [5, 50], [[1, 2], [3, 4]], [5, 50], first_event=100, origin="signal")
    assert not result.passed
    assert result.first_mismatch == Mismatch("hidden", 1, 101, "signal", 4, 5, 1, 2.0**-4)
    assert (result.mismatched_events, result.score_mismatches, result.decision_flips) == (1, 0, 0)
    hidden = result.layers["hidden"]
    assert (hidden.values, hidden.mismatched_values, hidden.max_lsb) == (4, 1, 1)


def test_the_first_mismatch_is_of_the_first_layer_in_graph_order_not_of_the_first_event() -> None:
    result = _compare([[1, 2], [9, 4]], [6, 50], [[1, 2], [3, 4]], [5, 50])
    assert result.first_mismatch is not None
    assert (result.first_mismatch.layer, result.first_mismatch.event) == ("hidden", 1)
    assert result.layers["score"].first is not None
    assert result.layers["score"].first.event == 0
    assert result.mismatched_events == 2


def test_an_event_that_differs_in_two_layers_counts_once() -> None:
    result = _compare([[9, 9], [3, 4]], [6, 50], [[1, 2], [3, 4]], [5, 50])
    assert result.mismatched_events == 1
    assert result.layers["hidden"].max_lsb == 8


def test_a_decision_flips_where_any_accept_bit_differs_and_an_event_counts_once() -> None:
    hidden = [[0, 0]] * 5
    result = _compare(hidden, [40, 41, 40, 60, 30], hidden, [41, 40, 39, 61, 60])
    assert result.score_mismatches == 5
    assert result.decision_flips == 3, "across the first, across the first, and across both"
    assert result.layers["accept"].mismatched_values == 4
    assert result.layers["accept"].first == Mismatch("accept", 0, 0, "background", 1, 0, 1, 1.0)


def test_a_wrong_decision_on_the_right_score_fails() -> None:
    score = np.array([[5], [50]])
    found = {"score": (score, SCORE), "accept": (np.array([[0, 0], [1, 1]]), BIT)}
    golden = {"score": Tensor(score, 4), "accept": Tensor(np.array([[0, 0], [1, 0]]), 0)}
    result = compare_codes(found, golden, "random", 10)
    assert not result.passed
    assert (result.mismatched_events, result.score_mismatches, result.decision_flips) == (1, 0, 1)
    assert result.first_mismatch == Mismatch("accept", 1, 11, "random", 0, 1, 1, 1.0)


def test_values_are_compared_where_the_fractions_differ() -> None:
    finer = FixedPointType(10, 4)  # six bits behind the point
    score = {"score": (np.array([[5]]), SCORE), "accept": (np.array([[0]]), BIT)}
    golden_score = {"score": Tensor(np.array([[5]]), 4), "accept": Tensor(np.array([[0]]), 0)}

    def compare(codes: list[int]) -> Comparison:
        found = {"hidden": (np.array([codes]), finer), **score}
        return compare_codes(found, {"hidden": Tensor(np.array([[1, -2]]), 4), **golden_score}, "random", 0)

    assert compare([4, -8]).passed
    first = compare([4, -7]).first_mismatch
    assert first == Mismatch("hidden", 1, 0, "random", -8, -7, 1, 2.0**-6)


def test_scores_of_different_fractions_are_equal_where_their_values_are() -> None:
    zero = np.zeros((3, 1), dtype=np.int64)
    accept = np.array([[0], [1], [0]])
    found = {
        "hidden": (zero, EIGHT_BITS),
        "score": (np.array([[10], [11], [9]]), FixedPointType(8, 6, signed=False)),
        "accept": (accept, BIT),
    }
    golden = {
        "hidden": Tensor(zero, 4),
        "score": Tensor(np.array([[40], [44], [36]]), 4),
        "accept": Tensor(accept, 0),
    }
    result = compare_codes(found, golden, "random", 0)
    assert result.passed
    assert result.decision_flips == 0


def test_parts_add_up_in_the_order_of_their_events() -> None:
    total = Comparison.of_layers(["hidden", "score", "accept"])
    assert not total.passed, "nothing compared is nothing proven"
    total.merge(_equal(0))
    assert total.passed
    total.merge(_compare([[1, 2], [3, 5]], [5, 50], [[1, 2], [3, 4]], [5, 50], first_event=2))
    total.merge(_compare([[9, 2], [3, 4]], [5, 30], [[1, 2], [3, 4]], [5, 50], first_event=0, origin="signal"))
    assert not total.passed
    assert total.first_mismatch == Mismatch("hidden", 1, 3, "background", 4, 5, 1, 2.0**-4)
    assert total.layers["score"].first == Mismatch("score", 0, 1, "signal", 50, 30, 20, 2.0**-4)
    assert (total.events, total.mismatched_events) == (6, 3)
    assert (total.score_mismatches, total.decision_flips) == (1, 1)
    assert total.events_by_origin == {"background": 4, "signal": 2}
    hidden = total.layers["hidden"]
    assert (hidden.values, hidden.mismatched_values, hidden.max_lsb) == (12, 2, 8)


def test_a_layer_without_values_is_not_proven() -> None:
    total = Comparison.of_layers(["hidden", "between", "score", "accept"])
    total.merge(_equal())
    assert not total.passed


def test_the_result_is_plain_json() -> None:
    result = _compare([[1, 2], [3, 5]], [5, 50], [[1, 2], [3, 4]], [5, 50])
    hidden, score, accept = json.loads(json.dumps([as_json(layer) for layer in result.entries()]))
    assert {"name", "values", "mismatched_values", "max_lsb"} <= hidden.keys()
    assert hidden["first_mismatch"] == {
        "layer": "hidden", "channel": 1, "event": 1, "origin": "background",
        "expected_code": 4, "found_code": 5, "distance_lsb": 1, "lsb": 0.0625,
    }  # fmt: skip
    assert score["first_mismatch"] is accept["first_mismatch"] is None


class _Result(NamedTuple):
    events: int
    mismatched_events: int
    first_mismatch: Mismatch | None


def test_the_failure_in_one_sentence() -> None:
    first = Mismatch("mu", 2, 17, "ato4l", -5, -3, 2, 0.25)
    assert failure_sentence(_Result(3000, 1500, first)) == (
        "1,500 of 3,000 events differ; first in layer mu, channel 2, ato4l event 17: "
        "expected code -5, found -3, 2 LSB (of 0.25) apart"
    )
    assert "nothing was compared" in failure_sentence(_Result(0, 0, None))


def test_codes_that_do_not_fit_are_refused_and_not_wrapped() -> None:
    with pytest.raises(InputError, match="does not fit"):
        compare_codes(
            {"hidden": (np.array([[2**60]]), FixedPointType(62, 62)), "score": (np.array([[0]]), SCORE)},
            {"hidden": Tensor(np.array([[0]]), 40), "score": Tensor(np.array([[0]]), 4)},
            "random",
            0,
        )
