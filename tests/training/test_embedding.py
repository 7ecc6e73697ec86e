"""A model with an embedding: what its float and quantized trainings learn, and that the embedding stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace, trained_workspace
from support import small_config

from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import values_of
from fpgaae.golden.latents import find_latents
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.models.float_weights import FOLDED_FILE, load_folded, selected_outputs
from fpgaae.models.plan import plan_network
from fpgaae.runs.results.data import DataResult

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

MODEL = {"embedding": {"encoder": [8], "width": 4}, "encoder": [6], "latent": 2, "decoder": [6]}
EPOCHS = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tensorflow: None) -> Workspace:
    folder = tmp_path_factory.mktemp("embedded")
    small_config(
        folder,
        n_events=1500,
        model=MODEL,
        training={
            "embedding": {"kind": "vicreg", "projector": 8, "embedding_share": 0.5},
            "reference": {"epochs": EPOCHS, "batch_size": 128, "learning_rate": 5e-3},
            "quantized": {"epochs": EPOCHS, "batch_size": 128},
        },
        pruning={"sparsity": 0.3, "end_epoch": 2},
    )
    return trained_workspace(folder)


@pytest.fixture(scope="module")
def trigger(trained: Workspace) -> GoldenTrigger:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    network = extract_network(load_quantized(str(trained.experiment.stage_folder("train") / "model.h5")))
    return GoldenTrigger(FeatureMap.of(trained.experiment.result(DataResult)), network)


def _codes(workspace: Workspace, split: str) -> Any:  # noqa: ANN401
    store = EventStore(workspace.experiment.stage_folder("data"))
    return np.concatenate(list(store.chunks("background", split, 5000)))


def test_the_deployed_embedding_is_as_its_own_training_left_it(trained: Workspace, trigger: GoldenTrigger) -> None:
    codes = _codes(trained, "validation")
    found = values_of(*trigger.run(codes)["embedding_quantized"])
    config = trained.experiment.config
    weights = load_folded(trained.experiment.stage_folder("reference") / FOLDED_FILE)
    limit = 2.0**config.quantization.inputs.integer_bits
    x = np.clip(trigger.features.values(codes), -limit, limit).astype(np.float32)
    network = plan_network(config.model, config.data.hardware.image_shape)
    wanted = selected_outputs(network, weights, x, ("embedding",))
    result = trained.result("train")
    assert len(result["embedding"]["loss"]) == len(result["loss"]) == EPOCHS
    error = np.square(found - wanted).mean()
    assert result["embedding"]["val_losses"][-1] == pytest.approx(float(error), rel=1e-3)
    correlations = [np.corrcoef(found[:, i], wanted[:, i])[0, 1] for i in range(4)]
    assert min(correlations) > 0.75, "after a few steps, and pruned"


def test_its_autoencoder_learns_what_the_firmware_compares(trained: Workspace, trigger: GoldenTrigger) -> None:
    """The loss is the exact score over the width of the embedding, of the very embedding that is deployed."""
    network: IntegerNetwork = trigger.network
    assert network.score.inputs == ("embedding_quantized", "reconstruction_quantized")
    scores = values_of(trigger.scores(_codes(trained, "validation")), network.score.type.fraction)
    assert trained.result("train")["val_loss"] == pytest.approx(float(scores.mean()) / 4, rel=1e-3)
    assert find_latents(network).name == "latent_quantized"
    assert trained.result("train")["sparsity"]["embedding_1"] >= 0.29


def test_the_float_training_says_how_the_embedding_was_learned(trained: Workspace) -> None:
    result = trained.result("reference")
    assert result["embedding"] == "vicreg"
    assert (result["epochs"], len(result["loss"]), len(result["val_losses"])) == (EPOCHS, EPOCHS // 2, EPOCHS // 2)


def test_a_finished_method_gives_its_weights_to_the_network_of_the_same_layers(tmp_path: Path) -> None:
    from fpgaae.runs.experiment import MEMBERS_FILE  # noqa: PLC0415

    fit = {"epochs": EPOCHS, "batch_size": 128}
    small_config(
        tmp_path, "finished", 1500, model=MODEL, method={"kind": "vicreg", "projector": 8}, training={"reference": fit}
    )
    taking = {"reference": {**fit, "weights_of": "finished.yaml"}}
    small_config(tmp_path, "taking", 1500, model=MODEL, training=taking)
    for name in ("finished", "taking"):
        workspace = open_workspace(tmp_path, name)
        workspace.run("data")
        workspace.run("reference")
    finished = open_workspace(tmp_path, "finished")
    with np.load(finished.experiment.stage_folder("reference") / MEMBERS_FILE) as members:
        of_layers = {name.split("/", 1)[1]: members[name][0] for name in members.files if "projector" not in name}
    for layer, (kernel, bias) in load_folded(workspace.experiment.stage_folder("reference") / FOLDED_FILE).items():
        np.testing.assert_array_equal(kernel, of_layers[f"{layer}/kernel"])
        np.testing.assert_array_equal(bias, of_layers[f"{layer}/bias"])
    assert "finished" in str(workspace.result("reference")["weights_of"])


def test_a_kept_embedding_is_not_changed_by_its_autoencoder(tmp_path: Path) -> None:
    from float_methods import correlated, job, method, setting  # noqa: PLC0415

    from fpgaae.models.method_networks import variable_names  # noqa: PLC0415
    from fpgaae.training.methods.keras_loop import train_with_keras  # noqa: PLC0415

    x = correlated(600, n_features=6)
    given = setting(x, (8,), 2, np.full(3, -100, dtype=np.float32), embedding=4)
    given = given._replace(blank=np.zeros(6, dtype=np.float32))
    weights = []
    for epochs, share in ((3, 0.999), (6, 0.5)):  # of which three of the embedding, and as many of its autoencoder
        made = method("vicreg", given, projector=8, rotated=False, embedding_share=share)
        trained = train_with_keras(job(made, x, tmp_path / str(epochs), epochs=epochs))
        weights.append(dict(zip(variable_names(trained.networks), trained.values[0], strict=True)))
        assert all(variable.trainable for net in trained.networks.values() for variable in net.variables)
    assert {name for name in weights[0] if not np.array_equal(weights[0][name], weights[1][name])} == {
        name for name in weights[0] if name.startswith(("encoder/", "decoder/"))
    }
