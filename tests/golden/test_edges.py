"""Events at the edges tell a network from one whose thresholds, comparison or table entries are off by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
import word_objects

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EdgeEvents, _ranges, _Search, edge_events
from fpgaae.golden.extremes import extreme_event
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.reach import reachable_ends
from fpgaae.golden.trigger import GoldenTrigger

FEATURES = networks.feature_map()
WORDS = word_objects.word_features()


def _at_observed_thresholds(score: Score, known: Codes) -> GoldenTrigger:
    """Give a random network whose thresholds are scores of known events, as `convert` chooses them."""
    trigger = GoldenTrigger(FEATURES, IntegerNetwork(networks.random_network(score, FEATURES).layers[:-1]))
    codes = np.sort(trigger.scores(known))
    return trigger.with_thresholds(codes[[len(codes) // 2, -3]])


@pytest.mark.slow
@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_wrong_comparisons_and_thresholds_are_told_apart(score: Score) -> None:
    known = networks.events(FEATURES, 300)
    trigger = _at_observed_thresholds(score, known)
    found = edge_events(trigger, known, seed=1)
    low, high = FEATURES.limits
    assert ((found.hardware >= low) & (found.hardware <= high)).all()
    scores = trigger.scores(found.hardware)
    for index, threshold in enumerate(trigger.thresholds.tolist()):
        right = scores > threshold
        assert (right != (scores >= threshold)).any(), "M1: the other comparison"
        assert (right != (scores > threshold - 1)).any(), "M2: one lower"
        one_above = f"score one above threshold {index} (code {threshold + 1})"
        assert (right != (scores > threshold + 1)).any() != (one_above in found.not_reached)
    assert scores.min() <= trigger.scores(known).min()
    assert scores.max() >= trigger.scores(known).max()


def test_every_code_that_the_score_reads_is_found_or_named() -> None:
    known = networks.events(FEATURES, 300)
    trigger = _at_observed_thresholds(Score.MU_SQUARED_OVER_VARIANCE, known)
    found = edge_events(trigger, known, seed=1)
    tensors = trigger.run(found.hardware)
    for name in trigger.network.score.inputs:
        layer = trigger.network[name]
        for channel in range(layer.size):
            seen = set(tensors[name].codes[:, channel].tolist())
            unseen = [code for code in range(layer.type.min_code, layer.type.max_code + 1) if code not in seen]
            low, high = (int(ends[channel]) for ends in reachable_ends(trigger)[name])
            inside = [code for code in unseen if low <= code <= high]
            outside = [code for code in unseen if not low <= code <= high]
            assert set(_ranges(f"{name}[{channel}]", inside)) <= set(found.not_reached)
            assert set(_ranges(f"{name}[{channel}]", outside)) <= set(found.unreachable)
            assert len(seen) > 3
    assert len(found.hardware) < 300


def test_a_search_reaches_codes_that_no_known_event_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of the absolute error lie close enough to find the neighbours of a threshold from one event."""
    trigger = _at_observed_thresholds(Score.ABSOLUTE_ERROR, networks.events(FEATURES, 300))
    low, high = FEATURES.limits
    one = np.clip(FEATURES.offsets, low, high)[None]
    monkeypatch.setattr("fpgaae.golden.edges._RANDOM_EVENTS", 0)
    found = edge_events(trigger, one, seed=1)
    assert not [name for name in found.not_reached if name.startswith("score")]
    wanted = {code + step for code in trigger.thresholds.tolist() for step in (-1, 0, 1)}
    assert wanted <= set(trigger.scores(found.hardware).tolist())


def test_the_same_seed_gives_the_same_events() -> None:
    known = networks.events(FEATURES, 100)
    trigger = _at_observed_thresholds(Score.KL_DIVERGENCE, known)
    first, second = (edge_events(trigger, known, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.hardware, second.hardware)
    assert first.not_reached == second.not_reached


def test_a_network_that_is_too_large_for_the_budget_ends_and_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = networks.events(FEATURES, 100)
    trigger = _at_observed_thresholds(Score.SQUARED_ERROR, known)
    monkeypatch.setattr("fpgaae.golden.edges._BUDGET", 1)
    found = edge_events(trigger, known, seed=3)
    assert len(found.hardware) >= 2
    assert "one above threshold" in " ".join(found.not_reached)


def test_a_feature_without_bits_stays_as_it_is() -> None:
    known = networks.events(FEATURES, 100)
    trigger = _at_observed_thresholds(Score.MU_SQUARED, known)
    hardware = edge_events(trigger, known, seed=3).hardware
    absent = [index for index, feature in enumerate(FEATURES.features) if not feature.hardware.bits]
    assert absent
    assert not hardware[:, absent].any()


def test_codes_that_follow_each_other_are_named_as_one() -> None:
    assert list(_ranges("mu[0]", [-8, -7, -6, 0, 3, 4])) == [
        "mu[0]: codes -8 to -6", "mu[0]: code 0", "mu[0]: codes 3 to 4",
    ]  # fmt: skip
    assert not list(_ranges("mu[0]", []))


def test_events_are_kept_in_a_file(tmp_path: Path) -> None:
    made = EdgeEvents(np.arange(6).reshape(2, 3), ("score at threshold 1", "mu[0]: code 3"), ("mu[1]: code 7",))
    made.save(tmp_path / "edges.npz")
    read = EdgeEvents.load(tmp_path / "edges.npz")
    np.testing.assert_array_equal(read.hardware, made.hardware)
    assert read.not_reached == made.not_reached
    assert read.unreachable == made.unreachable
    with pytest.raises(InputError, match=r"holds no events at the edges .*run the stage `convert` again"):
        EdgeEvents.load(tmp_path / "none.npz")


def test_no_word_leaves_the_bounds_that_hold_for_all_words() -> None:
    """Ports carry words that are other numbers than the hardware integers of which the bounds are made."""
    trigger = GoldenTrigger(WORDS, networks.random_network(Score.SQUARED_ERROR, WORDS))
    tensors = trigger.run(word_objects.one_word_at_a_time(WORDS))
    for name, (low, high) in reachable_ends(trigger).items():
        assert ((tensors[name].codes >= low) & (tensors[name].codes <= high)).all(), name


@pytest.mark.parametrize("words", [False, True], ids=["codes", "words"])
def test_a_linear_program_finds_events_beyond_all_random_ones(words: bool) -> None:
    """Or some as good, but for rounding; sums of the first layer are at their bounds where ports carry codes."""
    features = WORDS if words else networks.feature_map(12)
    trigger = GoldenTrigger(features, networks.random_network(Score.KL_DIVERGENCE, features))
    random = np.random.default_rng(1).integers(*features.port_limits, size=(20_000, len(features)), endpoint=True)
    tensors = trigger.run(random)
    for layer in trigger.network.weighted:
        codes, ends = tensors[layer.name].codes, reachable_ends(trigger)[layer.name]
        for sign, end in zip((-1, 1), ends, strict=True):
            event = extreme_event(trigger, layer.name, 0, sign)
            assert event is not None
            found = trigger.run(event[None])[layer.name].codes[0, 0]
            assert sign * found > (sign * codes[:, 0]).max() - 0.05 * np.ptp(codes[:, 0]), (layer.name, sign)
            assert found == end[0] or words or layer is not trigger.network.weighted[0]


def test_no_event_is_made_up_behind_a_layer_that_no_linear_program_knows() -> None:
    features = networks.feature_map(6)
    trigger = GoldenTrigger(features, networks.convolutional_network(features))
    assert extreme_event(trigger, trigger.network.weighted[-1].name, 0, 1) is None


def test_codes_far_from_those_of_known_events_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    features = networks.feature_map(12)
    trigger = GoldenTrigger(features, networks.random_network(Score.KL_DIVERGENCE, features))
    known = networks.events(features, 100)

    def number_of_unknown_codes() -> int:
        search = _Search(trigger, known, seed=1)
        for column in range(1, 1 + len(search.read)):
            search.go_further(column)
        return sum(len(search.unseen(column)) for column in range(1, 1 + len(search.read)))

    with_programs = number_of_unknown_codes()
    monkeypatch.setattr("fpgaae.golden.edges._between", lambda _, end, __: end[None])
    without_the_way_there = number_of_unknown_codes()
    monkeypatch.setattr("fpgaae.golden.edges._PROGRAMS", 0)
    assert with_programs < without_the_way_there < number_of_unknown_codes()


@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.KL_DIVERGENCE], ids=lambda score: score.value)
def test_no_event_leaves_the_bounds_that_hold_for_all(score: Score) -> None:
    trigger = _at_observed_thresholds(score, networks.events(FEATURES, 300))
    ends = reachable_ends(trigger)
    tensors = trigger.run(networks.events(FEATURES, 20_000, seed=5))
    assert list(ends) == [layer.name for layer in trigger.network.layers[:-2]]
    for name, (low, high) in ends.items():
        codes = tensors[name].codes
        assert ((codes >= low) & (codes <= high)).all(), name
        assert (low >= trigger.network[name].type.min_code).all()
    first = trigger.network.weighted[0]  # of a single sum all corners are reached, and the bounds are exact
    x, kernel, bias = ends["features"], first.kernel, first.bias
    up = first.type.fraction - trigger.network.input_type.fraction - first.kernel_types.fraction
    for sign in (-1, 1):
        corner = np.where(sign * kernel > 0, x[1][:, None], x[0][:, None])
        exact = ((corner * kernel).sum(axis=0) << up) + (bias << first.type.fraction - first.bias_types.fraction)
        np.testing.assert_array_equal(exact, ends[first.name][(sign + 1) // 2])


def test_a_code_that_no_sum_reaches_is_called_unreachable() -> None:
    """Without weights the latents are their biases: every other code is proven to be out of reach."""
    known = networks.events(FEATURES, 300)
    layers = [
        replace(layer, kernel=np.zeros_like(layer.kernel)) if isinstance(layer, Weighted) else layer
        for layer in _at_observed_thresholds(Score.MU_SQUARED, known).network.layers
    ]
    found = edge_events(GoldenTrigger(FEATURES, IntegerNetwork(tuple(layers))), known, seed=1)
    assert {name.split("[")[0] for name in found.unreachable} == {"mu_quantized"}
    assert not [name for name in found.not_reached if name.startswith("mu")]
