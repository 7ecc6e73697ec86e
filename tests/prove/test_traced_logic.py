"""The traced logic of random networks is proven for every event, and each damage to it or to the network is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest
import word_objects
from da4ml.cmvm.types import CombLogic, Op, Pipeline

from fpgaae.config.model import Score
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import NotFollowed
from fpgaae.prove.traced import traced_differs
from fpgaae.rtl.pipeline import interpretable
from fpgaae.rtl.project import cut_into_stages
from fpgaae.rtl.trace import trace_trigger

ADD_CONSTANT = 4  # as da4ml counts its operations
SUMS = (BinnedSum((0, 3), False, (20, 60)), BinnedSum((0, 3), True, (0,)))


def pipeline_of(trigger: GoldenTrigger) -> Pipeline:
    """Trace a trigger block and cut it into stages."""
    return cut_into_stages(trace_trigger(trigger), 3.0).pipeline


def trigger_of(score: Score) -> GoldenTrigger:
    """Give the block of a random network."""
    features = networks.feature_map()
    return GoldenTrigger(features, networks.random_network(score, features))


def said(trigger: GoldenTrigger, pipeline: Pipeline) -> str | None:
    """Say what is found, also where it can't be followed."""
    try:
        return traced_differs(trigger, pipeline)
    except NotFollowed as error:
        return str(error)


@pytest.fixture(scope="module")
def small() -> tuple[GoldenTrigger, Pipeline]:
    trigger = trigger_of(Score.SQUARED_ERROR)
    return trigger, pipeline_of(trigger)


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_is_proven(score: Score) -> None:
    trigger = trigger_of(score)
    assert traced_differs(trigger, pipeline_of(trigger)) is None


@pytest.mark.parametrize("make", [networks.leaky_network, networks.tables_network])
def test_functions_of_one_value_are_proven(make: Callable[..., IntegerNetwork]) -> None:
    features = networks.feature_map()
    trigger = GoldenTrigger(features, make(features))
    assert traced_differs(trigger, pipeline_of(trigger)) is None


def test_convolutions_and_poolings_are_proven() -> None:
    features = networks.feature_map(6)
    trigger = GoldenTrigger(features, networks.convolutional_network(features))
    assert traced_differs(trigger, pipeline_of(trigger)) is None


def test_words_and_empty_slots_are_proven() -> None:
    features = word_objects.word_features()
    trigger = GoldenTrigger(features, networks.random_network(Score.MASKED_SQUARED_ERROR, features))
    assert traced_differs(trigger, pipeline_of(trigger)) is None


@pytest.mark.parametrize("words", [False, True], ids=["codes", "words"])
def test_thresholds_that_follow_sums_are_proven(words: bool) -> None:
    features, sums = (word_objects.word_features(), word_objects.SUMS) if words else (networks.feature_map(), SUMS)
    trigger = networks.followed(features, sums)
    assert traced_differs(trigger, pipeline_of(trigger)) is None


def test_a_score_of_too_many_codes_for_a_table_is_compared_all_the_same(
    small: tuple[GoldenTrigger, Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    trigger, pipeline = small
    accept = trigger.network.accept
    assert accept is not None
    monkeypatch.setattr("fpgaae.prove.algebra.MOST_CODES", 20_000)
    assert traced_differs(trigger, pipeline) is None
    other = changed(trigger, accept.name, thresholds=accept.thresholds + np.array([1, 0, 0]))
    assert said(other, pipeline) is not None
    monkeypatch.setattr("fpgaae.prove.algebra.MOST_CODES", 100)
    with pytest.raises(NotFollowed, match="codes is neither added nor compared"):
        traced_differs(trigger, pipeline)


def changed(trigger: GoldenTrigger, name: str, **values: Any) -> GoldenTrigger:  # noqa: ANN401
    """Give a block with another constant in one layer."""
    layers = tuple(replace(x, **values) if x.name == name else x for x in trigger.network.layers)
    return replace(trigger, network=IntegerNetwork(layers))


def test_another_constant_of_the_model_is_found(small: tuple[GoldenTrigger, Pipeline]) -> None:
    trigger, pipeline = small
    network = trigger.network
    hidden, accept = network["hidden"], network.accept
    assert accept is not None
    kernel, bias = hidden.kernel.copy(), hidden.bias.copy()
    kernel[0, 0] += 1
    bias[1] -= 1
    assert said(changed(trigger, "hidden", kernel=kernel), pipeline) is not None
    assert said(changed(trigger, "hidden", bias=bias), pipeline) is not None
    assert said(changed(trigger, accept.name, thresholds=accept.thresholds + np.array([1, 0, 0])), pipeline) is not None
    assert said(changed(trigger, "hidden", bias=hidden.bias.copy()), pipeline) is None, "nothing was changed"


@pytest.mark.parametrize("score", [Score.ABSOLUTE_ERROR, Score.MAX_ABSOLUTE_ERROR], ids=lambda score: score.value)
def test_of_damaged_operations_only_those_that_change_nothing_are_proven(score: Score) -> None:
    # these scores look up no table, beyond whose end the interpreter stops
    trigger = trigger_of(score)
    pipeline, rng = pipeline_of(trigger), np.random.default_rng(1)
    hardware = networks.events(trigger.features, 2000)
    golden = trigger.score_and_decisions(hardware)
    found = 0
    for _ in range(25):
        damaged = _damaged(pipeline, rng)
        if _computed(damaged, hardware, golden):
            continue
        found += 1
        assert said(trigger, damaged) is not None
    assert found > 5


def _damaged(pipeline: Pipeline, rng: np.random.Generator) -> Pipeline:
    """Make a difference of a sum in one stage, a sum of a difference, or another constant."""
    solutions = list(pipeline.solutions)
    stage = int(rng.integers(len(solutions)))
    ops = list(solutions[stage].ops)
    places = [i for i, op in enumerate(ops) if op.opcode in (0, 1, 4)]
    if not places:
        return pipeline
    place = int(rng.choice(places))
    op: Op = ops[place]
    ops[place] = op._replace(data=op.data + 1) if op.opcode == ADD_CONSTANT else op._replace(opcode=1 - op.opcode)
    solutions[stage] = solutions[stage]._replace(ops=ops)
    return Pipeline(tuple(solutions))


def _computed(pipeline: Pipeline, hardware: Any, golden: Any) -> bool:  # noqa: ANN401
    """Tell whether the interpreter computes the golden codes of some events, stage by stage."""
    values = hardware.astype(np.float64)
    for logic in pipeline.solutions:
        own: CombLogic = interpretable(logic)
        values = own.predict(values, n_threads=1)
    return bool((values == golden).all())
