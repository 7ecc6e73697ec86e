from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.correlation import correlations, distance_correlation, profile
from fpgaae.runs.record import plain


def by_definition(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The U-centred form of Szekely and Rizzo (2014), element by element."""
    n = x.size
    centred = []
    for values in (x, y):
        a = np.abs(values[:, None] - values)
        rows = a.sum(axis=1)
        c = a - rows[:, None] / (n - 2) - rows / (n - 2) + a.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(c, 0)
        centred.append(c)
    a, b = centred
    return float(np.sqrt(max((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), 0)))


@pytest.mark.parametrize("n", [4, 17, 600], ids=["fewest", "few", "more-than-a-block"])
def test_it_is_that_of_the_definition(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.integers(0, 9, n).astype(float)
    y = x**2 + rng.normal(0, 20, n)
    assert distance_correlation(x, y) == pytest.approx(by_definition(x, y), abs=1e-9)


def test_it_sees_what_a_linear_correlation_does_not() -> None:
    x = np.random.default_rng(0).normal(size=2000)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 0.1
    assert distance_correlation(x, x**2) > 0.4
    assert distance_correlation(x, -3 * x + 1) == pytest.approx(1)
    assert distance_correlation(x, np.random.default_rng(1).normal(size=2000)) < 0.06
    assert distance_correlation(x, np.ones(2000)) == 0


def test_arrays_that_do_not_pair_are_refused() -> None:
    with pytest.raises(InputError, match="4 pairs"):
        distance_correlation(np.arange(5), np.arange(4))


def test_a_profile_worked_by_hand() -> None:
    found = plain(profile(np.array([1, 1, 2, 2, 3]), {"float": np.array([0.0, 2.0, 5.0, 5.0, 7.0])}, np.arange(5)))
    assert (found["low"], found["high"], found["events"]) == ([1, 2, 3], [1, 2, 3], [2, 2, 1])
    assert found["models"]["float"] == {"mean": [1, 5, 7], "standard_error": [pytest.approx(1), 0, None]}


def test_an_ht_trigger_is_seen_as_one() -> None:
    rng = np.random.default_rng(2)
    ht = rng.exponential(100, 5000)
    scores = {"float": rng.normal(size=5000), "firmware": np.exp(ht / 50)}
    found = plain(correlations({"ht_gev": ht}, scores, np.arange(5000), [0.01], 1)["ht_gev"])
    assert found["distance_correlation"]["firmware"] == pytest.approx(1)
    assert found["distance_correlation"]["float"] < 0.06
    assert found["shared_decisions"]["firmware"] == [1.0]
    assert found["shared_decisions"]["float"][0] < 0.1
    assert found["events_of_correlation"] == 4000


def test_a_cut_that_ties_forbid_shares_nothing_that_could_be_told() -> None:
    """Above the largest number of objects there is no event, whatever the score goes with."""
    number = np.minimum(np.arange(4000) // 100, 30)
    scores = {"firmware": number + np.linspace(0, 1, 4000)}
    found = correlations({"multiplicity": number}, scores, np.arange(4000), [0.01, 0.5], 1)
    assert found["multiplicity"].shared_decisions["firmware"] == (None, 1.0)
