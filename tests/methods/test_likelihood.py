from __future__ import annotations

import numpy as np
import pytest
from float_methods import correlated, setting
from scipy import stats

from fpgaae.methods.likelihood import log_likelihood, mean_of

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_gaussian_is_scipys_and_leaves_out_what_never_varies() -> None:
    x = correlated(500)
    x[:, 3] = 1.0
    output = correlated(500, seed=1)
    spread = x.std(axis=0)
    others = np.arange(8) != 3
    expected = stats.norm(output, 0.5 * spread + (spread == 0)).logpdf(x)[:, others].sum(axis=1)
    found = np.asarray(log_likelihood("gaussian", setting(x), np.float32(0.5), x, output))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-3)


def test_masked_counts_filled_slots_only() -> None:
    x = correlated(200)
    empty = np.array([-100, 0.5], dtype=np.float32)  # two slots of four inputs; the second is filled above 0.5
    given = setting(x, empty=empty)
    output = correlated(200, seed=1)
    terms = stats.norm(output, x.std(axis=0)).logpdf(x)
    expected = terms[:, :4].sum(axis=1) + np.where(x[:, 4] > 0.5, terms[:, 4:].sum(axis=1), 0)
    found = np.asarray(log_likelihood("masked", given, np.float32(1), x, output))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-3)


def test_bernoulli_is_the_cross_entropy_of_shares_of_the_range() -> None:
    x = correlated(200)
    given = setting(x)
    logits = correlated(200, seed=1)
    share = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = (share * np.log(p) + (1 - share) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(np.asarray(log_likelihood("bernoulli", given, 1.0, x, logits)), expected, rtol=1e-4)
    np.testing.assert_allclose(
        np.asarray(mean_of("bernoulli", given, logits)), x.min(axis=0) + np.ptp(x, axis=0) * p, rtol=1e-4, atol=1e-4
    )
