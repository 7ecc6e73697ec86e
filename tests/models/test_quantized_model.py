"""The quantized twin: its layers, its widths as QKeras counts them, and what is deployed of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, variational
from support import trigger_objects

from fpgaae.config.model import Score

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_a_width_is_the_quantizer_of_its_fixed_point_type() -> None:
    from fpgaae.models.quantizers import qkeras_text  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth  # noqa: PLC0415

    assert str(ResolvedWidth(8, 3).signed()) == "ap_fixed<8,4,AP_RND_CONV,AP_SAT>"
    assert str(ResolvedWidth(8, 3).rectified()) == "ap_ufixed<8,3,AP_RND_CONV,AP_SAT>"
    assert qkeras_text(ResolvedWidth(8, 3).signed()) == "quantized_bits(8,3,0,alpha=1)"
    assert qkeras_text(ResolvedWidth(8, 3).rectified()) == "quantized_relu(8,3)"


@pytest.mark.parametrize(
    ("quantizer", "low", "high", "step"),
    [("quantized_bits(8,3,0,alpha=1)", -8.0, 8 - 1 / 16, 1 / 16), ("quantized_relu(8,3)", 0.0, 8 - 1 / 32, 1 / 32)],
)
def test_the_range_and_step_of_a_quantizer(quantizer: str, low: float, high: float, step: float) -> None:
    """ap_fixed<8,4> holds -8 to 8 - 2**-4; ap_ufixed<8,3> holds 0 to 8 - 2**-5."""
    import qkeras  # noqa: PLC0415

    values = np.asarray(qkeras.get_quantizer(quantizer)(np.arange(-20, 20, 0.01, dtype=np.float32)))
    assert (values.min(), values.max()) == (low, high)
    assert np.diff(np.unique(values)).min() == step


def test_the_layers_of_an_autoencoder(random_network: Callable[..., RandomNetwork]) -> None:
    names = [layer.name for layer in random_network(autoencoder((6, 4), 3), 9).model.layers]
    assert names == [
        "features", "features_quantized", "encoder_1", "encoder_1_relu", "encoder_2", "encoder_2_relu",
        "latent", "latent_quantized", "decoder_1", "decoder_1_relu", "decoder_2", "decoder_2_relu",
        "reconstruction", "reconstruction_quantized", "score",
    ]  # fmt: skip


def test_only_the_encoder_of_a_variational_model_is_deployed(random_network: Callable[..., RandomNetwork]) -> None:
    model = random_network(variational((6, 4), 2), 9).model
    assert [layer.name for layer in model.layers][-3:] == ["mu", "mu_quantized", "score"]
    assert not [layer.name for layer in model.layers if "decoder" in layer.name or "variance" in layer.name]
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize("score", [Score.MU_SQUARED_OVER_VARIANCE, Score.KL_DIVERGENCE], ids=lambda score: score.value)
def test_a_score_of_the_variance_deploys_both_heads_on_the_last_hidden_layer(
    random_network: Callable[..., RandomNetwork], score: Score
) -> None:
    model = random_network(variational((6, 4), 2, score), 9).model
    assert [layer.name for layer in model.layers][-5:] == [
        "mu", "log_variance", "mu_quantized", "log_variance_quantized", "score",
    ]  # fmt: skip
    for head in ("mu", "log_variance"):
        assert model.get_layer(head).input is model.get_layer("encoder_2_relu").output
    assert [tensor._keras_history.layer.name for tensor in model.get_layer("score").input] == [
        "mu_quantized", "log_variance_quantized",
    ]  # fmt: skip


def test_the_masked_score_knows_the_quantized_pt_of_an_empty_slot(
    random_network: Callable[..., RandomNetwork],
) -> None:
    """pT 0 of the slots: (0 - 77) / 2**6, 0 and (0 - 511) / 2**7, rounded to 1/32 half to even."""
    model = random_network(autoencoder((4,), 2, Score.MASKED_SQUARED_ERROR), 9).model
    assert model.get_layer("score").empty == [-38 / 32, 0.0, -128 / 32]


def test_the_wrapper_is_applied_to_every_layer_with_weights() -> None:
    from fpgaae.models.quantized import build_quantized  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth, Widths  # noqa: PLC0415

    model = autoencoder((4,), 2)
    widths = dict.fromkeys(model.deployed_layers, ResolvedWidth(8, 2))
    wrapped = []

    def wrap(layer: Any) -> Any:  # noqa: ANN401
        wrapped.append(layer.name)
        return layer

    build_quantized(model, (2, 3, 1), trigger_objects(6).features, Widths(ResolvedWidth(10, 4), widths, widths), wrap)
    assert tuple(wrapped) == model.deployed_layers
