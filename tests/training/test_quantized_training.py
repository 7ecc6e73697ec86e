"""The trained and deployed network: its sparsity, its loss, and what a diverging training says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Workspace, open_workspace, trained_workspace
from support import small_config

from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import codes_of, values_of
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.results.data import DataResult

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

_SPARSITY = 0.6


@pytest.fixture(autouse=True, scope="module")
def _keras_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tensorflow: None) -> Workspace:
    folder = tmp_path_factory.mktemp("trained")
    small_config(
        folder,
        n_events=1500,
        pruning={"sparsity": _SPARSITY},
        quantization={"layers": {"latent": {"sparsity": 0.0}, "decoder_1": {"sparsity": 0.25}}},
    )
    return trained_workspace(folder)


@pytest.fixture(scope="module")
def network(trained: Workspace) -> IntegerNetwork:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    return extract_network(load_quantized(str(trained.experiment.stage_folder("train") / "model.h5")))


def _zeros(network: IntegerNetwork) -> dict[str, float]:
    return {layer.name: float(np.mean(layer.kernel == 0)) for layer in network.weighted}


def test_pruning_reaches_the_wanted_sparsity_in_the_codes(trained: Workspace, network: IntegerNetwork) -> None:
    zeros = _zeros(network)
    wanted = {"encoder_1": _SPARSITY, "latent": 0.0, "decoder_1": 0.25, "reconstruction": _SPARSITY}
    for name, share in wanted.items():
        weights = network[name].kernel.size
        assert zeros[name] >= share - 1 / weights, f"{name}: pruned ones are exactly zero"
        assert zeros[name] < share + 0.2, f"{name} keeps the others"


def test_the_result_states_the_sparsity_of_the_codes(trained: Workspace, network: IntegerNetwork) -> None:
    result = trained.result("train")
    kernels = [layer.kernel for layer in network.weighted]
    whole = sum(int((kernel == 0).sum()) for kernel in kernels) / sum(kernel.size for kernel in kernels)
    stated = dict(result["sparsity"])
    assert stated.pop("whole") == pytest.approx(whole, abs=1e-4)
    assert stated == pytest.approx(_zeros(network), abs=1e-4)
    assert result["weights_bits"] == dict.fromkeys(stated, 8)


def test_the_loss_of_the_autoencoder_is_its_mean_score_over_the_number_of_features(
    trained: Workspace, network: IntegerNetwork
) -> None:
    data = trained.result("data")
    features = FeatureMap.of(trained.experiment.result(DataResult))
    n = data["events"]["background"]["validation"]
    codes = EventStore(trained.experiment.stage_folder("data")).read("background", "validation", 0, n)
    scores = values_of(*network.run(features.input_codes(codes, network.input_type))[network.score.name])
    assert trained.result("train")["val_loss"] == pytest.approx(scores.mean() / len(features), rel=1e-4)


def test_every_trained_weight_lies_on_the_grid_of_its_quantizer(network: IntegerNetwork) -> None:
    for layer in network.weighted:
        codes_of(values_of(layer.kernel, layer.kernel_type.fraction), layer.kernel_type)
        assert np.abs(layer.kernel).max() > layer.kernel_type.max_code / 4, "the range is used"


def test_a_diverging_training_says_so_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest learning rate of a config need not do so."""
    monkeypatch.setattr("fpgaae.training.loop._epoch", lambda *_: float("inf"))
    small_config(tmp_path, n_events=1500, training={"reference": {"epochs": 3}})
    workspace = open_workspace(tmp_path)
    workspace.run("data")
    with pytest.raises(
        CheckFailed, match=r"loss is not finite in epoch \d of the float training; lower its `learning_rate`"
    ):
        workspace.run("reference")
    assert not workspace.experiment.result_path("reference").exists()
