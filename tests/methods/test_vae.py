from __future__ import annotations

import numpy as np
import pytest
from float_methods import method, setting
from numpy.typing import NDArray
from scipy import stats

from fpgaae.methods.base import Step

pytestmark = pytest.mark.usefixtures("tensorflow")
_SIGMA = 0.5


def _step(seed: int) -> Step:
    rng = np.random.default_rng(seed)
    return Step(
        False, 1.0, {"likelihood_width": np.float32(1), "beta": 1.0, "annealing": 0.0, "free_bits": 0.0},
        lambda shape: rng.normal(size=tuple(shape)).astype(np.float32), lambda shape: rng.random(tuple(shape)),
    )  # fmt: skip


@pytest.mark.slow
def test_importance_sampling_bounds_the_known_evidence_and_closes_in_on_it() -> None:
    """x = W z + sigma eps has log p(x) in closed form; the posterior here is deliberately too narrow and shifted."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(4, 2)).astype(np.float32)
    x = (rng.normal(size=(400, 2)) @ loadings.T + _SIGMA * rng.normal(size=(400, 4))).astype(np.float32)
    known = stats.multivariate_normal(np.zeros(4), loadings @ loadings.T + _SIGMA**2 * np.eye(4)).logpdf(x)
    given = setting(x, (), 2)._replace(variance=np.full(4, _SIGMA**2, dtype=np.float32))
    precision = np.eye(2) + loadings.T @ loadings / _SIGMA**2
    exact = x @ loadings @ np.linalg.inv(precision) / _SIGMA**2

    def encoder(events: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        del events
        shifted = (exact + 0.1).astype(np.float32)
        return shifted, np.full_like(shifted, np.log(0.7 * np.linalg.inv(precision).diagonal().mean()))

    networks = {"encoder": encoder, "decoder": lambda z: np.asarray(z) @ loadings.T}
    made = method("vae", given)
    gaps = []
    for n_samples in (1, 8, 256):
        found = np.asarray(made.log_evidence(networks, x, _step(n_samples), n_samples), dtype=np.float64)
        gaps.append((known - found).mean())
    error = 0.05  # of 256 samples an event and 400 events
    assert gaps[0] > gaps[1] > gaps[2] > -error
    assert gaps[0] > 0.2
    assert gaps[2] < error


def test_free_bits_and_annealing_change_the_cost_as_published() -> None:
    x = np.zeros((4, 3), dtype=np.float32)
    x[0] = 1
    mu = np.tile(np.array([1.0, 0.0], dtype=np.float32), (4, 1))
    networks = {"encoder": lambda _: (mu, np.zeros_like(mu)), "decoder": lambda z: np.asarray(z)[:, [0, 0, 0]]}
    made = method("vae", setting(x, (), 2))
    knobs = {"likelihood_width": np.float32(1), "beta": 2.0, "annealing": 0.5, "free_bits": 0.25}
    half = made.terms(networks, {"x": x}, _step(1)._replace(knobs=knobs, progress=0.25))
    late = made.terms(networks, {"x": x}, _step(1)._replace(knobs=knobs, progress=0.75))
    assert float(late["kl"]) == pytest.approx(2.0 * (0.5 + 0.25))  # the second latent costs its floor
    assert float(half["kl"]) == pytest.approx(1.0 * (0.5 + 0.25))
