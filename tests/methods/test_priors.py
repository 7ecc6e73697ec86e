from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from fpgaae.methods.priors import divergence, log_normal, log_prior

pytestmark = pytest.mark.usefixtures("tensorflow")
DENSITY = {"normal": stats.norm(), "laplace": stats.laplace(), "student_t": stats.t(3)}
POSTERIORS = [(0.0, 0.0), (1.5, -1.0), (-3.0, 0.7), (0.2, -4.0)]  # mu, log sigma^2


def _numbers(tensor: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
    import keras  # noqa: PLC0415

    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)


def _by_integration(prior: str, mu: float, log_variance: float) -> float:
    q = stats.norm(mu, np.exp(0.5 * log_variance))
    span = 12 * q.std()
    points = [0.0] if abs(mu) < span else None
    value, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - DENSITY[prior].logpdf(z)), mu - span, mu + span, points=points, limit=200
    )
    return float(value)


@pytest.mark.parametrize(("mu", "log_variance"), POSTERIORS)
@pytest.mark.parametrize("prior", ["normal", "laplace"])
def test_a_closed_form_is_the_integral(prior: str, mu: float, log_variance: float) -> None:
    means, variances = (np.array([[value]], dtype=np.float32) for value in (mu, log_variance))
    found = _numbers(divergence(prior, 3, means, variances, means))
    assert found[0, 0] == pytest.approx(_by_integration(prior, mu, log_variance), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("mu", "log_variance"), POSTERIORS)
def test_the_mean_over_draws_is_the_integral_for_student_t(mu: float, log_variance: float) -> None:
    n = 200_000
    z = mu + np.exp(0.5 * log_variance) * np.random.default_rng(1).normal(size=(n, 1))
    means, variances = (np.full((n, 1), value, dtype=np.float32) for value in (mu, log_variance))
    drawn = _numbers(divergence("student_t", 3, means, variances, z.astype(np.float32)))
    error = drawn.std() / np.sqrt(n)
    assert abs(drawn.mean() - _by_integration("student_t", mu, log_variance)) < 4 * error + 1e-5


@pytest.mark.parametrize("prior", list(DENSITY))
def test_the_densities_are_those_of_scipy(prior: str) -> None:
    z = np.linspace(-9, 9, 41, dtype=np.float32)
    np.testing.assert_allclose(_numbers(log_prior(prior, 3, z)), DENSITY[prior].logpdf(z), rtol=1e-5, atol=1e-5)
    found = _numbers(log_normal(z, np.float32(0.5), np.float32(np.log(4.0))))
    np.testing.assert_allclose(found, stats.norm(0.5, 2).logpdf(z), rtol=1e-5)
