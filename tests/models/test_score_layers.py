"""The score layers in Keras: their values by hand, and that a saved model reads them back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, random_events, variational

from fpgaae.config import Model

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_squared_error_by_hand() -> None:
    from fpgaae.models.scores import SquaredErrorScore  # noqa: PLC0415

    x = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0]], dtype=np.float32)
    reconstruction = np.array([[1.5, 0.0, 0.0], [0.5, 1.0, 2.0]], dtype=np.float32)
    score = SquaredErrorScore()([x, reconstruction])
    np.testing.assert_array_equal(np.asarray(score), [[0.25 + 4.0], [4.0 + 1.0]])


def test_the_sum_of_mu_squared_by_hand() -> None:
    from fpgaae.models.scores import MuSquaredScore  # noqa: PLC0415

    np.testing.assert_array_equal(np.asarray(MuSquaredScore()(np.array([[3.0, -4.0], [0.5, 0.0]]))), [[25.0], [0.25]])


@pytest.mark.parametrize("model", [autoencoder((4,), 2), variational((4,), 2)], ids=["ae", "vae"])
def test_a_saved_model_gives_the_same_scores(
    random_network: Callable[..., RandomNetwork], tmp_path: Path, model: Model
) -> None:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    made = random_network(model, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.model.save(tmp_path / "model.h5", save_format="h5")
        loaded = load_quantized(str(tmp_path / "model.h5"))
    values = random_events(made.network.input_type, 5, 50).values.astype(np.float32)
    np.testing.assert_array_equal(loaded.predict(values, verbose=0), made.model.predict(values, verbose=0))
    again = extract_network(loaded)
    assert [layer.type for layer in again.layers] == [layer.type for layer in made.network.layers]
