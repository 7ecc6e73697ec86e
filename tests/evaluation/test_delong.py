from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import area_tests, compare
from fpgaae.evaluation.delong import ScoredGroups, compare_areas, delong, two_sided_p_value
from fpgaae.evaluation.metrics import auc

BACKGROUND, SIGNAL = np.array([1, 2, 3, 3]), np.array([2, 3, 5])


def single(*models: NDArray[np.float64]) -> list[ScoredGroups]:
    return [ScoredGroups(scores, np.arange(scores.size)) for scores in models]


def test_the_variance_of_an_example_worked_by_hand() -> None:
    # shares of the background below 2, 3, 5 (ties half): 1.5/4, 3/4, 1; of the signal above 1, 2, 3, 3: 1, 2.5/3, 1.5/3
    below, above = np.array([0.375, 0.75, 1.0]), np.array([1, 2.5 / 3, 0.5, 0.5])
    areas = delong(single(BACKGROUND), single(SIGNAL))
    assert areas.auc == pytest.approx([8.5 / 12])
    expected = np.var(below, ddof=1) / 3 + np.var(above, ddof=1) / 4
    assert areas.covariance == pytest.approx(expected)
    assert areas.auc[0] == auc(BACKGROUND, SIGNAL)


def test_copies_in_one_group_carry_no_information() -> None:
    once = delong(single(BACKGROUND), single(SIGNAL))
    copied = [
        [ScoredGroups(np.repeat(scores, 5), np.repeat(np.arange(scores.size), 5))] for scores in (BACKGROUND, SIGNAL)
    ]
    assert delong(*copied).covariance == pytest.approx(once.covariance)


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(1)
    background, signal = rng.normal(size=900), rng.normal(1, 1, 400)
    noisy = [values + 0.1 * rng.normal(size=values.size) for values in (background, signal)]
    areas = delong(single(background, noisy[0]), single(signal, noisy[1]))
    test = compare_areas(areas, 1, 0)
    assert test.difference == pytest.approx(auc(*noisy) - auc(background, signal))
    assert test.standard_error < 0.3 * np.sqrt(areas.covariance[0, 0])
    assert test.p_value == pytest.approx(2 * norm.sf(abs(test.difference) / test.standard_error))
    assert compare_areas(areas, 0, 0) == (0.0, 0.0, 1.0)


def test_bootstrap_and_delong_agree_on_grouped_events() -> None:
    rng = np.random.default_rng(2)
    groups = {"background": np.arange(3000) // 3, "signal": np.arange(900) // 3}
    exact = {p: np.repeat(rng.normal(p == "signal", 1, g.size // 3), 3) for p, g in groups.items()}
    scores = {m: {p: x + 0.5 * rng.normal(size=x.size) for p, x in exact.items()} for m in ("float", "firmware")}
    drawn = compare(scores, groups, "background", BootstrapSettings(400)).differences["firmware"]["signal"].auc
    test = area_tests(scores, groups, "background")["signal"]["firmware"]
    assert test.standard_error == pytest.approx(drawn.standard_error, rel=0.15)
    ignored = area_tests(scores, {p: np.arange(g.size) for p, g in groups.items()}, "background")
    assert "quantized" not in ignored["signal"]
    assert area_tests({"pca": exact}, groups, "background") == {}


@pytest.mark.parametrize(
    ("difference", "error", "margin", "expected"),
    [
        (0, 0, 0, 1),
        (0.1, 0, 0, 0),
        (0.1, 0, 0.1, 1),
        (1.96, 1, 0, 0.05),
        (-2.96, 1, 1, 0.025),
        (1, 1, 1, 0.5 + 0.02275),
    ],
)
def test_p_values(difference: float, error: float, margin: float, expected: float) -> None:
    assert two_sided_p_value(difference, error, margin) == pytest.approx(expected, abs=1e-4)


def test_one_group_has_no_variance() -> None:
    with pytest.raises(InputError, match="at least 2"):
        delong([ScoredGroups(BACKGROUND, np.zeros(4, dtype=np.int64))], single(SIGNAL))
