"""Which points are tried: a grid whole and once, Optuna's from what is known already."""

from __future__ import annotations

from pathlib import Path

import pytest
from scans import write_scan

from fpgaae.scan.plan import Axis, ScanConfig, load_scan
from fpgaae.scan.proposals import OptunaSearch, _decode, _encode
from fpgaae.scan.search import GridSearch, Tried

AXES = {
    "bits": {"keys": ["quantization.weights.bits"], "low": 2, "high": 16},
    "model.score": {"values": ["squared_error", "absolute_error"]},
    "pruning.sparsity": {"low": 0.1, "high": 0.9},
}


def _settings(trials: int, **keys: object) -> ScanConfig:
    return ScanConfig.model_validate({"base": "x", "axes": AXES, "optuna": {"trials": trials, **keys}})


def _objectives(values: object) -> list[float]:
    assert isinstance(values, dict)
    return [1 - 1 / values["bits"], 100.0 * values["bits"], 5.0]


def test_a_grid_is_tried_whole_and_once(tmp_path: Path) -> None:
    search = GridSearch(load_scan(write_scan(tmp_path)))
    assert search.n_points == 2
    assert [search.ask(), search.ask(), search.ask()] == [{"bits": 4}, {"bits": 8}, None]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_optuna_gives_as_many_points_as_are_wanted_all_of_them_possible(sampler: str) -> None:
    settings = _settings(12, sampler=sampler)
    search = OptunaSearch(settings, [])
    asked = []
    while (values := search.ask()) is not None:
        asked.append(values)
        search.tell(values, _objectives(values) if len(asked) % 4 else None)
    assert len(asked) == 12
    assert len({str(values) for values in asked}) > 6
    for values in asked:
        assert values["bits"] in range(2, 17)
        assert values["model.score"] in {"squared_error", "absolute_error"}
        assert 0.1 <= values["pruning.sparsity"] <= 0.9


def test_the_same_seed_gives_the_same_points() -> None:
    found = []
    for seed in (3, 3, 4):
        search = OptunaSearch(_settings(5, seed=seed), [])
        found.append([search.ask() for _ in range(5)])
    assert found[0] == found[1] != found[2]


def test_what_an_earlier_process_finished_is_known_and_what_it_began_comes_first() -> None:
    points = [{"bits": b, "model.score": "squared_error", "pruning.sparsity": 0.25} for b in (3, 5, 7)]
    tried = [Tried(points[0], _objectives(points[0])), Tried(points[1], None), Tried(points[2], _objectives(points[2]))]
    search = OptunaSearch(_settings(4), tried)
    assert search.ask() == points[1]
    last = search.ask()
    assert last is not None
    assert last not in points
    assert search.ask() is None
    search.tell(points[1], _objectives(points[1]))
    known = [trial.values for trial in search._study.trials if trial.values]
    assert sorted(known) == sorted(_objectives(point) for point in points)


def test_a_point_that_is_proposed_twice_is_told_twice() -> None:
    point = {"bits": 3, "model.score": "absolute_error", "pruning.sparsity": 0.5}
    search = OptunaSearch(_settings(2), [Tried(point, None), Tried(point, None)])
    assert search.ask() == search.ask() == point
    search.tell(point, _objectives(point))
    assert [trial.values for trial in search._study.trials] == [_objectives(point)] * 2


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (Axis(keys=("a",), values=(2, 4, 8)), [2, 4, 8]),
        (Axis(keys=("a",), values=("x", "y")), ["x", "y"]),
        (Axis(keys=("a",), values=((32, 16), (8,))), [(32, 16), (8,)]),
        (Axis(keys=("a",), low=2, high=5), [2, 3, 4, 5]),
        (Axis(keys=("a",), low=2, high=8, step=3), [2, 5, 8]),
        (Axis(keys=("a",), low=0.1, high=0.4, step=0.1), [0.1, 0.2, 0.3, 0.4]),
        (Axis(keys=("a",), low=0.1, high=0.4), [0.1, 0.4]),
    ],
)
def test_the_choices_of_an_axis_come_back_from_optuna(axis: Axis, values: list[object]) -> None:
    assert list(axis.choices) == values
    assert [_decode(axis, _encode(axis, value)) for value in axis.choices] == values


def test_a_rounded_value_stays_within_a_range_of_more_digits() -> None:
    axis = Axis(keys=("a",), low=0.12344, high=0.65436)
    assert [_decode(axis, end) for end in (0.12344, 0.65436)] == [0.12344, 0.65436]
