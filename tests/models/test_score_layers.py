"""The score layers in Keras: their values by hand, and that a saved model reads them back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RandomNetwork, random_events, small_model

from fpgaae.config.model import Score

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_squared_error_by_hand() -> None:
    from fpgaae.models.score_layers import SquaredErrorScore  # noqa: PLC0415

    x = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0]], dtype=np.float32)
    reconstruction = np.array([[1.5, 0.0, 0.0], [0.5, 1.0, 2.0]], dtype=np.float32)
    score = SquaredErrorScore()([x, reconstruction])
    np.testing.assert_array_equal(np.asarray(score), [[0.25 + 4.0], [4.0 + 1.0]])


def test_the_sum_of_mu_squared_by_hand() -> None:
    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    np.testing.assert_array_equal(np.asarray(MuSquaredScore()(np.array([[3.0, -4.0], [0.5, 0.0]]))), [[25.0], [0.25]])


def test_a_regression_is_its_output() -> None:
    from fpgaae.models.score_layers import RegressionScore  # noqa: PLC0415

    np.testing.assert_array_equal(np.asarray(RegressionScore()(np.array([[3.5], [0.25]]))), [[3.5], [0.25]])


def test_the_masked_squared_error_by_hand() -> None:
    """Two slots of three; the first counts above -0.5, the second above 1, and at 1 it is empty."""
    from fpgaae.models.score_layers import MaskedSquaredErrorScore  # noqa: PLC0415

    layer = MaskedSquaredErrorScore([-0.5, 1.0])
    x = np.array([[0, 1, 2, 1, 1, 1], [-0.5, 1, 2, 1.5, 0, 0], [-0.5, 9, 9, 1, 9, 9]], dtype=np.float32)
    score = layer([x, np.zeros((3, 6), dtype=np.float32)])
    np.testing.assert_array_equal(np.asarray(score), [[0 + 1 + 4], [2.25], [0]])


def test_the_absolute_error_by_hand() -> None:
    from fpgaae.models.score_layers import AbsoluteErrorScore  # noqa: PLC0415

    x, reconstruction = np.array([[1.0, 2.0, 0.0]]), np.array([[1.5, 0.0, -4.0]])
    np.testing.assert_array_equal(np.asarray(AbsoluteErrorScore()([x, reconstruction])), [[0.5 + 2 + 4]])


def test_mu_squared_over_the_variance_by_hand() -> None:
    """exp(-v) in quarters: exp(0) = 1, exp(-0.5) = 0.607 -> 0.5, exp(1) = 2.718 -> 2.75, exp(0.5) = 1.649 -> 1.75."""
    from fpgaae.models.score_layers import MuSquaredOverVarianceScore  # noqa: PLC0415

    layer = MuSquaredOverVarianceScore("ap_fixed<4,3,AP_RND_CONV,AP_SAT>", 2)
    mu, log_variance = np.array([[3.0, -4.0], [1.0, 2.0]]), np.array([[0.0, 0.5], [-1.0, -0.5]])
    np.testing.assert_array_equal(np.asarray(layer([mu, log_variance])), [[9 + 8], [2.75 + 4 * 1.75]])


def test_the_divergence_by_hand() -> None:
    """exp(v) - 1 - v in quarters: 0 at 0, 0.149 -> 0.25 at 0.5, 0.368 -> 0.25 at -1, 4.389 -> 4.5 at 2."""
    from fpgaae.models.score_layers import KlDivergenceScore  # noqa: PLC0415

    layer = KlDivergenceScore("ap_fixed<4,3,AP_RND_CONV,AP_SAT>", 2)
    mu, log_variance = np.array([[3.0, -4.0], [1.0, 0.0]]), np.array([[0.0, 0.5], [-1.0, 2.0]])
    np.testing.assert_array_equal(np.asarray(layer([mu, log_variance])), [[(9 + 16.25) / 2], [(1.25 + 4.5) / 2]])


_QUICK = (Score.KL_DIVERGENCE,)


@pytest.mark.slow
@pytest.mark.parametrize(
    "score",
    [*_QUICK, *(pytest.param(score, marks=pytest.mark.slow) for score in Score if score not in _QUICK)],
    ids=lambda score: score.value,
)
def test_a_saved_model_gives_the_same_scores(
    random_network: Callable[..., RandomNetwork], tmp_path: Path, score: Score
) -> None:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    made = random_network(small_model(score, (4,), 2), 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.model.save(tmp_path / "model.h5", save_format="h5")
        loaded = load_quantized(str(tmp_path / "model.h5"))
    values = random_events(made.network.input_type, 6, 50).values.astype(np.float32)
    expected = made.model.predict(values, verbose=0)
    assert len(np.unique(expected)) > (2 if score is Score.REGRESSION else 10), "an output is rectified, most are zero"
    np.testing.assert_array_equal(loaded.predict(values, verbose=0), expected)
    again = extract_network(loaded)
    assert [layer.type for layer in again.layers] == [layer.type for layer in made.network.layers]
    found, constants = again.score.constants, made.network.score.constants
    assert len(found) == len(constants) == (score.needs_variance or score is Score.MASKED_SQUARED_ERROR)
    for mine, theirs in zip(found, constants, strict=True):
        assert mine.type == theirs.type
        np.testing.assert_array_equal(mine.codes, theirs.codes)
