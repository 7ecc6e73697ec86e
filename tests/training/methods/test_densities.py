"""Flows, adversaries and weak labels: exact identities, and small trainings that must do what the method promises."""

from __future__ import annotations

import numpy as np
import pytest
from programs_of_reference import output_of

from fpgaae.files import Json

pytestmark = pytest.mark.slow


KINDS = ("flow", "autoregressive_flow")


@pytest.fixture(scope="module")
def measured() -> Json:
    return output_of("densities")


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_determinant_of_a_flow_is_that_of_its_jacobian(measured: Json, kind: str) -> None:
    found = measured["identities"][kind]
    np.testing.assert_allclose(found["log_determinant"], found["autodiff"], rtol=2e-4, atol=2e-4)
    assert found["moved"] > 0.5, "a flow that is the identity proves nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_of_a_flow_gives_back_what_went_in(measured: Json, kind: str) -> None:
    assert measured["identities"][kind]["inverse"] < 2e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_of_a_flow_integrates_to_one(measured: Json, kind: str) -> None:
    assert measured["integral"][kind] == pytest.approx(1, abs=2e-3)


def test_an_embedding_keeps_its_spread_and_its_autoencoder_tells_what_is_far(measured: Json) -> None:
    found = measured["embedded"]
    assert min(found["held"]) > 0.35
    assert max(found["free"]) < 0.25, "without the term of variance the events move to one place"
    assert found["vicreg"] > 0.8


def test_a_langevin_chain_ends_in_the_density_of_its_energy(measured: Json) -> None:
    """Its step, x - b <- (1 - s)(x - b) + sqrt(s T) eps for the energy |x - b|^2, has the variance T / (2 - s)."""
    found = measured["chains"]
    assert found["mean"] == pytest.approx(0.4, abs=0.03)
    assert found["variance"] == pytest.approx(2.0 / (2 - 0.2), rel=0.03)


def test_the_slope_of_the_loss_is_that_of_the_exact_likelihood(measured: Json) -> None:
    """Of p = N(b, T / 2), whose Z does not depend on b: -2 (mean of x - b) / T."""
    assert measured["chains"]["slope"] == pytest.approx(-2 * (3 - 0.4) / 2.0, rel=0.03)


def test_a_normalized_autoencoder_brings_energies_of_samples_and_events_together(measured: Json) -> None:
    found = measured["normalized"]
    assert found["normalized"] < 0.6 * found["dense"]
    assert found["auc"] > 0.95


def test_a_recurrent_autoencoder_tells_what_is_far(measured: Json) -> None:
    assert measured["embedded"]["recurrent"] > 0.8


def test_a_flow_learns_a_ring_that_no_gaussian_fits(measured: Json) -> None:
    ring = measured["ring"]
    assert ring["gaussian"] + 0.3 < ring["flow"] < ring["true"] + 0.05
    assert ring["drawn_on_the_ring"] > 0.45, "of the Gaussian it would be 0.36"


def test_the_penalty_holds_the_slopes_of_a_critic_at_one(measured: Json) -> None:
    held, free = measured["critics"]["held"], measured["critics"]["free"]
    assert held["mean"] == pytest.approx(1, abs=0.35)
    assert held["high"] < 2
    assert free["mean"] > 2 * held["mean"]


def test_clipping_bounds_the_weights_of_a_critic(measured: Json) -> None:
    assert measured["critics"]["clipped"]["weight"] <= 0.05 + 1e-6
    assert measured["critics"]["free"]["weight"] > 0.2


def test_a_critic_is_updated_more_often_than_its_generator(measured: Json) -> None:
    rate = 1e-3
    assert measured["updates"]["generator"] == pytest.approx(rate, rel=0.05)
    assert measured["updates"]["critic"] > 2.5 * rate


def test_a_generator_learns_the_mean_of_the_events(measured: Json) -> None:
    gan = measured["gan"]
    assert np.abs(np.subtract(gan["made_mean"], gan["true_mean"])).max() < 0.5
    assert gan["auc_far"] > 0.7


def test_an_adversary_takes_the_nuisance_out_of_the_score(measured: Json) -> None:
    found = measured["decorrelation"]
    assert found["0.0"] > 0.5
    assert found["5.0"] < 0.5 * found["0.0"]


def test_a_planted_signal_is_found_without_labels(measured: Json) -> None:
    assert measured["without_labels"] > 0.85


def test_training_on_jax_imports_no_tensorflow(measured: Json) -> None:
    assert measured["tensorflow"] is False
