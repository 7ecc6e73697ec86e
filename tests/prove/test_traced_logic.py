"""The traced logic of random networks is proven for every event, and each damage to it or to the network is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest
import word_objects
from da4ml.cmvm.types import CombLogic, Op, Pipeline, QInterval
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.config.model import Score
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import Algebra, NotFollowed
from fpgaae.prove.traced import TracedLogic, Value, most_fraction, traced_differs
from fpgaae.rtl.arithmetic import HARDWARE, constant, exact_ranges, look_up
from fpgaae.rtl.pipeline import interpretable
from fpgaae.rtl.project import cut_into_stages
from fpgaae.rtl.trace import trace_trigger

READ_INPUT, ADD_CONSTANT = -1, 4  # as da4ml counts its operations
SUMS = (BinnedSum((0, 3), False, (20, 60)), BinnedSum((0, 3), True, (0,)))


def pipeline_of(trigger: GoldenTrigger) -> Pipeline:
    """Trace a trigger block and cut it into stages."""
    return cut_into_stages(trace_trigger(trigger), 3.0, three_inputs=True).pipeline


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


@pytest.mark.parametrize("make", [networks.leaky_network, networks.tables_network, networks.embedded_network])
def test_functions_of_one_value_and_inner_targets_are_proven(make: Callable[..., IntegerNetwork]) -> None:
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


def test_a_decision_that_is_another_constant_is_found(small: tuple[GoldenTrigger, Pipeline]) -> None:
    trigger, _ = small
    accept, score = trigger.network.accept, trigger.network.score
    assert accept is not None
    never, always = (accept.thresholds * [1, 0, 1] + np.array([0, of, 0]) for of in (score.type.max_code, -1))
    pipeline = pipeline_of(changed(trigger, accept.name, thresholds=never))
    assert said(changed(trigger, accept.name, thresholds=always), pipeline) == "decision 1 is -1 off"


def test_a_stage_that_gets_more_than_it_was_made_for_is_left_open(small: tuple[GoldenTrigger, Pipeline]) -> None:
    trigger, pipeline = small
    solutions = list(pipeline.solutions)
    own = solutions[1].inp_qint
    place = max(range(len(own)), key=lambda i: own[i].max)
    narrow = [QInterval(q.min, q.max - q.step, q.step) if i == place else q for i, q in enumerate(own)]
    first = [op for op in solutions[1].ops if op.opcode == READ_INPUT and op.id0 == place]
    ops = [op._replace(qint=QInterval(*narrow[place])) if op in first else op for op in solutions[1].ops]
    solutions[1] = solutions[1]._replace(ops=ops)
    with pytest.raises(NotFollowed, match=f"input {place} of stage 1 may leave the range"):
        traced_differs(trigger, Pipeline(tuple(solutions)))


@pytest.mark.parametrize("signed", [False, True])
def test_an_operation_on_every_code_is_what_the_interpreter_makes_of_it(signed: bool) -> None:
    with exact_ranges():
        ports = FixedVariableArrayInput((1,), HARDWARE)
        x = ports._vars[0].quantize(signed, 5 - signed, 0)
        made = [
            x.msb_mux(constant(3), constant(-2)), x.msb_mux(x, x * 4), x.quantize(0, 3, 0), x.quantize(1, 2, -1),
            x.relu(), abs(x), -x, look_up(x, np.arange(32) ** 2), x * 5 - 7, x.quantize(1, 6, -2) + x,
        ]  # fmt: skip
        logic = comb_trace(ports, FixedVariableArray(np.array(made, dtype=object)))
    low = -16 if signed else 0
    codes = np.arange(low, low + 32)
    algebra, pipeline = Algebra(), Pipeline((logic,))
    fraction = most_fraction(pipeline)
    port = algebra.port((low, low + 31)).scaled(1 << fraction)
    found = TracedLogic(algebra, fraction).run(pipeline, [Value(port, (low << fraction, (low + 31) << fraction))])
    expected = logic.predict(codes[:, None].astype(np.float64), n_threads=1)
    if not signed:  # the interpreter selects by signs alone, the Verilog by the highest bit
        expected[:, :2] = np.where(codes >= 16, [np.full(32, 3), codes], [np.full(32, -2), codes * 4]).T
    for own, right in zip(found, expected.T, strict=True):
        table = algebra._try_over(own.polynomial, 0)
        assert table is not None
        np.testing.assert_array_equal(table, right * 2**fraction)
        assert own.codes[0] <= table.min() <= table.max() <= own.codes[1]


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
