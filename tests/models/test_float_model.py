"""The float model: folded normalization, the KL term, and the scores and losses by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import autoencoder, student, variational

from fpgaae.config.model import Score
from fpgaae.golden.scores.base import score_class
from fpgaae.models.float_weights import layer_outputs
from fpgaae.models.plan import plan_network

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture(autouse=True)
def _keras_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _build(model: Any, **options: Any) -> Any:  # noqa: ANN401
    from fpgaae.models.float import build_float  # noqa: PLC0415

    return build_float(model, (5, 1, 1), seed=3, **options)


def test_folded_batch_normalization_equals_the_unfolded_network() -> None:
    from fpgaae.models.float import folded_weights  # noqa: PLC0415

    graph = _build(autoencoder((4, 3), 2), batch_normalization=True)
    rng = np.random.default_rng(1)
    normalized = [layer for layer in graph.training.layers if "normalization" in layer.name]
    assert len(normalized) == 4, "every hidden layer"
    for layer in normalized:
        size = len(layer.get_weights()[0])
        gamma, beta = rng.uniform(0.5, 2, size), rng.uniform(0.1, 1, size)
        layer.set_weights([gamma, beta, rng.normal(0, 0.3, size), rng.uniform(0.1, 4, size)])
    x = rng.normal(size=(200, 5)).astype(np.float32)
    folded = {
        name: (k.astype(np.float64), b.astype(np.float64)) for name, (k, b) in folded_weights(graph.training).items()
    }
    outputs = dict(layer_outputs(plan_network(autoencoder((4, 3), 2), (5, 1, 1)), folded, x.astype(np.float64)))  # type: ignore[arg-type]
    unfolded = np.asarray(graph.training.predict(x, verbose=0), dtype=np.float64)
    assert np.abs(unfolded).max() > 0.1
    np.testing.assert_allclose(outputs["reconstruction"], unfolded, rtol=1e-4, atol=1e-5)


def test_weights_without_normalization_are_taken_as_they_are() -> None:
    from fpgaae.models.float import folded_weights  # noqa: PLC0415

    graph = _build(variational((4,), 2))
    folded = folded_weights(graph.training)
    assert set(folded) == {"encoder_1", "mu", "log_variance", "decoder_1", "reconstruction"}
    kernel, _ = graph.training.get_layer("mu").get_weights()
    np.testing.assert_array_equal(folded["mu"][0], kernel)


@pytest.mark.parametrize("beta", [0.0, 0.8, 2.0])
def test_the_kl_term_is_the_closed_form(beta: float) -> None:
    """KL(N(mu, s^2) || N(0, 1)) = log(1/s) + (s^2 + mu^2 - 1) / 2 for each latent (Kingma & Welling, appendix B)."""
    from fpgaae.models.float import Sampling  # noqa: PLC0415

    mu = np.array([[0.0, 1.0], [-2.0, 0.5], [0.0, 0.0]], dtype=np.float32)
    sigma = np.array([[1.0, 1.0], [0.5, 2.0], [1.0, 3.0]], dtype=np.float32)
    layer = Sampling(beta, seed=1)
    layer([mu, 2 * np.log(sigma)])
    per_latent = np.log(1 / sigma) + (sigma**2 + mu**2 - 1) / 2
    assert float(layer.losses[0]) == pytest.approx(beta * per_latent.sum(axis=1).mean(), rel=1e-5)


def test_the_kl_term_of_the_unit_normal_is_zero() -> None:
    from fpgaae.models.float import Sampling  # noqa: PLC0415

    layer = Sampling(0.8, seed=1)
    zeros = np.zeros((4, 3), dtype=np.float32)
    layer([zeros, zeros])
    assert float(layer.losses[0]) == 0


def test_sampling_gives_mu_outside_training_and_a_normal_around_it_in_training() -> None:
    from fpgaae.models.float import Sampling  # noqa: PLC0415

    mu = np.full((20_000, 2), 1.5, dtype=np.float32)
    log_variance = np.full((20_000, 2), 2 * np.log(0.3), dtype=np.float32)
    layer = Sampling(0.8, seed=1)
    np.testing.assert_array_equal(np.asarray(layer([mu, log_variance])), mu)
    drawn = np.asarray(layer([mu, log_variance], training=True))
    assert drawn.mean() == pytest.approx(1.5, abs=0.01)
    assert drawn.std() == pytest.approx(0.3, abs=0.01)


def test_an_enormous_variance_stays_finite() -> None:
    from fpgaae.models.float import Sampling  # noqa: PLC0415

    layer = Sampling(0.8, seed=1)
    drawn = layer([np.zeros((1, 1), dtype=np.float32), np.full((1, 1), 500, dtype=np.float32)], training=True)
    assert np.isfinite(np.asarray(drawn)).all()
    assert np.isfinite(float(layer.losses[0]))


X = np.array([[1.0, 2.0, 0.5, -1.0], [0.0, -1.0, 0.25, 3.0]], dtype=np.float32)
Y = np.array([[1.5, 0.0, 0.5, 1.0], [0.0, 2.0, 2.25, 0.0]], dtype=np.float32)
EMPTY = np.array([0.5, 0.25])  # of two slots of two features: filled and filled, then empty and empty


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score.SQUARED_ERROR, [0.25 + 4 + 0 + 4, 0 + 9 + 4 + 9]),
        (Score.MASKED_SQUARED_ERROR, [0.25 + 4 + 0 + 4, 0]),
        (Score.ABSOLUTE_ERROR, [0.5 + 2 + 0 + 2, 0 + 3 + 2 + 3]),
        (Score.MAX_ABSOLUTE_ERROR, [2, 3]),
        (Score.MU_SQUARED, [2.25 + 0.25 + 1, 4 + 2.25**2]),
        # mu = (1.5, 0), log sigma^2 = (0.5, 1); mu = (0, 2), log sigma^2 = (2.25, 0)
        (Score.MU_SQUARED_OVER_VARIANCE, [2.25 * math.exp(-0.5), 4]),
        (
            Score.KL_DIVERGENCE,
            [(2.25 + math.exp(0.5) - 1.5 + math.e - 2) / 2, (math.exp(2.25) - 3.25 + 4) / 2],
        ),
    ],
    ids=lambda given: given.value if isinstance(given, Score) else "",
)
def test_the_scores_by_hand(score: Score, expected: list[float]) -> None:
    np.testing.assert_allclose(score_class(score).float_value(X, Y, EMPTY), expected, rtol=1e-15)


def test_the_score_of_a_student_is_its_output_and_never_negative() -> None:
    output = np.array([[1.5], [-0.5]], dtype=np.float32)
    np.testing.assert_array_equal(score_class(Score.REGRESSION).float_value(X, output, EMPTY), [1.5, 0])


def test_a_student_is_trained_without_its_last_relu() -> None:
    """Where a ReLU cuts off, nothing would be learned."""
    graph = _build(student((4,)))
    graph.training.get_layer("output").set_weights([np.zeros((4, 1)), np.array([-2.0])])
    for network in graph:
        np.testing.assert_array_equal(np.asarray(network.predict(np.ones((2, 5)), verbose=0)), [[-2.0], [-2.0]])


def test_log_variance_is_kept_within_its_limit() -> None:
    output = np.array([[1.0, 100.0], [1.0, -100.0]], dtype=np.float32)
    found = score_class(Score.MU_SQUARED_OVER_VARIANCE).float_value(X, output, EMPTY)
    np.testing.assert_allclose(found, [math.exp(-8), math.exp(8)])


@pytest.mark.parametrize("score", [Score.MU_SQUARED_OVER_VARIANCE, Score.KL_DIVERGENCE], ids=lambda s: s.value)
def test_a_score_of_the_variance_gets_mu_and_log_variance_beside_each_other(score: Score) -> None:
    graph = _build(variational((4,), 2, score))
    x = np.random.default_rng(2).normal(size=(10, 5)).astype(np.float32)
    hidden_kernel, hidden_bias = graph.training.get_layer("encoder_1").get_weights()
    log_variance = graph.training.get_layer("log_variance")
    log_variance.set_weights([np.full((4, 2), 0.25), np.array([1.0, -2.0])])
    hidden = np.maximum(x @ hidden_kernel + hidden_bias, 0)
    expected = []
    for name in ("mu", "log_variance"):
        kernel, bias = graph.training.get_layer(name).get_weights()
        expected.append(hidden @ kernel + bias)
    found = np.asarray(graph.scoring.predict(x, verbose=0))
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)


def test_the_scoring_part_of_a_variational_model_is_mu() -> None:
    graph = _build(variational((4,), 2))
    x = np.random.default_rng(2).normal(size=(10, 5)).astype(np.float32)
    hidden_kernel, hidden_bias = graph.training.get_layer("encoder_1").get_weights()
    kernel, bias = graph.training.get_layer("mu").get_weights()
    expected = np.maximum(x @ hidden_kernel + hidden_bias, 0) @ kernel + bias
    np.testing.assert_allclose(np.asarray(graph.scoring.predict(x, verbose=0)), expected, rtol=1e-5, atol=1e-6)


def test_the_variational_loss_weighs_a_feature_by_its_variance_and_leaves_out_constant_ones() -> None:
    from fpgaae.models.float import reconstruction_loss  # noqa: PLC0415

    loss = reconstruction_loss(variational((4,), 2), np.array([4.0, 0.25, 0.0]), np.zeros(1))
    target, prediction = np.zeros((1, 3), dtype=np.float32), np.array([[2.0, 1.0, 100.0]], dtype=np.float32)
    assert float(np.asarray(loss(target, prediction))[0]) == pytest.approx(4 / 4 + 1 / 0.25)


@pytest.mark.parametrize(
    "score", [Score.SQUARED_ERROR, Score.MASKED_SQUARED_ERROR, Score.ABSOLUTE_ERROR], ids=lambda score: score.value
)
def test_the_loss_of_an_autoencoder_is_its_score_over_the_number_of_features(score: Score) -> None:
    import keras  # noqa: PLC0415

    from fpgaae.models.float import reconstruction_loss  # noqa: PLC0415

    loss = keras.losses.get(reconstruction_loss(autoencoder((4,), 2, score), np.ones(4), EMPTY))
    found = np.asarray(loss(keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)))
    np.testing.assert_allclose(found, score_class(score).float_value(X, Y, EMPTY) / 4, rtol=1e-6)


def test_the_seed_decides_the_first_weights() -> None:
    from fpgaae.models.float import build_float  # noqa: PLC0415

    a, b, c = (build_float(autoencoder((4,), 2), (5, 1, 1), seed=s).training.get_weights() for s in (3, 3, 4))
    for first, second in zip(a, b, strict=True):
        np.testing.assert_array_equal(first, second)
    assert any((first != third).any() for first, third in zip(a, c, strict=True))
