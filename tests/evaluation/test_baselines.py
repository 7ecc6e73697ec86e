from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from fpgaae.errors import InputError
from fpgaae.evaluation.baselines import BLOCK_EVENTS, PcaBaseline, n_objects, sum_pt


def correlated(n_events: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_events, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(n_events, 12)) + 1000


def test_a_line_worked_by_hand() -> None:
    # the points lie on y = x with mean (1, 1); (3, 0) is (3 - 0)^2 / 2 = 4.5 away from it, squared
    baseline = PcaBaseline.fit([np.array([[0, 0], [1, 1]]), np.array([[2, 2]])], 1)
    assert baseline.mean == pytest.approx([1, 1])
    assert np.abs(baseline.components[0]) == pytest.approx([0.5**0.5] * 2)
    assert baseline.score(np.array([[3, 0], [7, 7]])) == pytest.approx([4.5, 0], abs=1e-12)


def test_chunks_agree_with_scikit_learn_on_the_whole() -> None:
    events = correlated(3000)
    reference = PCA(n_components=4, svd_solver="full").fit(events)
    expected = ((events - reference.inverse_transform(reference.transform(events))) ** 2).sum(axis=1)
    for sizes in ([3000], [1, 10, 989, 2000]):
        baseline = PcaBaseline.fit(iter(np.split(events, np.cumsum(sizes)[:-1])), 4)
        assert baseline.score(events) == pytest.approx(expected, rel=1e-6)
        assert baseline.components @ baseline.components.T == pytest.approx(np.eye(4), abs=1e-12)


def test_features_are_flattened_and_long_chunks_cut() -> None:
    codes = np.random.default_rng(1).integers(0, 100, (BLOCK_EVENTS + 10, 2, 2))
    whole = PcaBaseline.fit([codes], 2)
    parts = PcaBaseline.fit([codes[:40_000], codes[40_000:]], 2)
    assert whole.score(codes).shape == (BLOCK_EVENTS + 10,)
    assert whole.score(codes[-5:]) == pytest.approx(parts.score(codes)[-5:], rel=1e-9)


def test_a_large_offset_does_not_cancel() -> None:
    events = correlated(500)
    moved = PcaBaseline.fit(np.split(events + 1e8, 5), 3).score(events + 1e8)
    assert moved == pytest.approx(PcaBaseline.fit(np.split(events, 5), 3).score(events), rel=1e-3)


def test_all_components_leave_no_error() -> None:
    events = correlated(50)
    assert PcaBaseline.fit([events], 12).score(events) == pytest.approx(np.zeros(50), abs=1e-15)


def test_objects_are_summed_and_counted() -> None:
    codes = np.zeros((2, 18), dtype=np.int16)
    codes[1, [0, 6, 17]] = [10, 20, 30_000]
    assert sum_pt(codes).tolist() == [0, 30_030]
    assert n_objects(codes).tolist() == [0, 3]
    assert sum_pt(codes).dtype == n_objects(codes).dtype == np.int64


def test_sums_do_not_wrap_in_a_narrow_type() -> None:
    assert sum_pt(np.full((1, 18), 65_535, dtype=np.uint16)).tolist() == [18 * 65_535]


@pytest.mark.parametrize("score", [sum_pt, n_objects])
@pytest.mark.parametrize("codes", [np.zeros((4, 19, 3), dtype=int), np.zeros((4, 18))], ids=["objects", "float"])
def test_other_layouts_are_refused(score: Callable[[NDArray[Any]], NDArray[np.int64]], codes: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"\(events, objects\)"):
        score(codes)


@pytest.mark.parametrize(
    ("chunks", "n_components", "message"),
    [
        ([np.zeros((1, 3))], 1, "at least 2"),
        ([], 1, "at least 2"),
        ([np.zeros((5, 3))], 4, "1 to 3"),
        ([np.zeros((5, 3))], 0, "1 to 3"),
        ([np.zeros((5, 3)), np.zeros((5, 4))], 1, "one layout"),
        ([np.full((5, 3), np.nan)], 1, "not finite"),
    ],
    ids=["one event", "nothing", "too many", "none", "layout", "nan"],
)
def test_fits_that_mean_nothing_are_refused(chunks: list[NDArray[Any]], n_components: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PcaBaseline.fit(chunks, n_components)


def test_other_events_are_refused() -> None:
    with pytest.raises(InputError, match="has 12"):
        PcaBaseline.fit([correlated(50)], 2).score(np.zeros((2, 5)))
