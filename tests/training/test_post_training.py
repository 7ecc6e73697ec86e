"""Quantization after the training: the reference is pruned while it learns, then every weight only rounded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import Workspace, open_workspace, trained_workspace
from numpy.typing import NDArray
from support import small_config

from fpgaae.config.model import Pruning
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import values_of
from fpgaae.golden.network import IntegerNetwork
from fpgaae.models.float_weights import layer_outputs, load_folded
from fpgaae.models.plan import deployed_part, plan_network
from fpgaae.runs.results.data import DataResult

_SPARSITY = 0.6
_FIT = {"reference": {"epochs": 3, "batch_normalization": True}, "quantized": {"mode": "post_training"}}
_VAE = {"kind": "variational", "encoder": [8], "latent": 3, "decoder": [8], "score": "kl_divergence"}
_MODELS = {"ae": {}, "vae": {"model": _VAE}}


def _files(folder: Path, kind: str) -> Path:
    quantization = {"layers": {"encoder_1": {"sparsity": 0.25}}}
    pruning = {"sparsity": _SPARSITY, "end_epoch": 2}
    return small_config(
        folder, n_events=1500, training=_FIT, pruning=pruning, quantization=quantization, **_MODELS[kind]
    )


@pytest.fixture(scope="module", params=_MODELS)
def rounded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tensorflow: None) -> Workspace:
    folder = tmp_path_factory.mktemp(request.param)
    _files(folder, request.param)
    return trained_workspace(folder)


@pytest.fixture
def network(rounded: Workspace) -> Iterator[IntegerNetwork]:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield extract_network(load_quantized(str(rounded.experiment.stage_folder("train") / "model.h5")))


def _folded(workspace: Workspace) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    return dict(load_folded(workspace.experiment.stage_folder("reference") / "folded.npz"))


@pytest.mark.slow
def test_the_reference_is_pruned_to_the_wanted_share_of_each_deployed_layer(rounded: Workspace) -> None:
    deployed = rounded.experiment.config.model.deployed_layers
    for name, (kernel, _) in _folded(rounded).items():
        wanted = (0.25 if name == "encoder_1" else _SPARSITY) if name in deployed else 0.0
        assert (kernel == 0).sum() == kernel.size - round(kernel.size * (1 - wanted)), name


@pytest.mark.slow
def test_every_weight_is_the_rounded_one_of_the_reference(rounded: Workspace, network: IntegerNetwork) -> None:
    """By hand: half to even on the grid of 2**-f, saturated at the ends of the type."""
    for name in rounded.experiment.config.model.deployed_layers:
        layer, (kernel, bias) = network[name], _folded(rounded)[name]
        for codes, of, exact in ((layer.kernel, layer.kernel_type, kernel), (layer.bias, layer.bias_type, bias)):
            assert of is not None
            wanted = np.clip(np.rint(exact.astype(np.float64) * 2.0**of.fraction), of.min_code, of.max_code)
            np.testing.assert_array_equal(codes, wanted)
            assert np.abs(exact).max() <= 2.0 ** (of.integer - 1), "integer bits hold the largest weight"


@pytest.mark.slow
def test_the_result_is_that_of_the_golden_codes(rounded: Workspace, network: IntegerNetwork) -> None:
    result, data = rounded.result("train"), rounded.result("data")
    assert (result["epochs"], result["loss"], result["val_losses"]) == (0, [], [])
    assert set(result["weights_bits"].values()) == {8}
    features = FeatureMap.of(rounded.experiment.result(DataResult))
    n = data["events"]["background"]["validation"]
    hardware = EventStore(rounded.experiment.stage_folder("data")).read("background", "validation", 0, n)
    tensors = network.run(features.input_codes(hardware, network.input_type))
    values = {name: values_of(*tensor) for name, tensor in tensors.items()}
    width = rounded.experiment.config.quantization.inputs.integer_bits
    x = np.clip(features.values(hardware), -(2.0**width), 2.0**width * (1 - 2.0**-9)).astype(np.float32)
    deployed = rounded.experiment.config.model.deployed_layers
    config = rounded.experiment.config
    planned = deployed_part(config.model, plan_network(config.model, config.data.hardware.image_shape))
    exact = dict(layer_outputs(planned, _folded(rounded), x))
    if "mu" in exact:
        pairs = [(values[f"{name}_quantized"], exact[name]) for name in ("mu", "log_variance")]
        loss = np.mean([np.mean((a - b) ** 2) for a, b in pairs])
    else:
        loss = values["score"].mean() / len(features)
    assert result["val_loss"] == pytest.approx(float(loss), rel=1e-4)
    errors = result["quantization_error"]
    assert len(errors) == len(deployed)
    difference = values["encoder_1_relu"] - exact["encoder_1"]
    assert errors["encoder_1_relu"]["rms"] == pytest.approx(float(np.sqrt(np.mean(difference**2))), rel=1e-4)


@pytest.mark.slow
def test_a_sparsity_that_was_not_reached_is_refused(
    rounded: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = rounded.copy(tmp_path / "copy")
    with np.load(workspace.experiment.stage_folder("reference") / "folded.npz") as saved:
        dense = {key: np.where(saved[key] == 0, 0.5, saved[key]).astype(np.float32) for key in saved}
    names = dict.fromkeys(key.split("/")[0] for key in dense)
    weights = {name: (dense[f"{name}/kernel"], dense[f"{name}/bias"]) for name in names}
    monkeypatch.setattr("fpgaae.training.post_training.load_folded", lambda _: weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(CheckFailed, match=r"of the weights of .* are zero, but"):
            workspace.run("train", force=True)


@pytest.mark.slow
def test_the_sparsity_rises_as_published() -> None:
    """s = s_f (1 - (1 - t)^3), Zhu & Gupta 2017, eq. 1 from 0, by hand."""
    from fpgaae.training.float_pruning import sparsity_in_epoch  # noqa: PLC0415

    pruning = Pruning(sparsity=0.8, begin_epoch=2, end_epoch=6)
    found = [sparsity_in_epoch(pruning, 0.8, epoch) for epoch in range(8)]
    assert found == pytest.approx([0, 0, 0.8 * 37 / 64, 0.8 * 7 / 8, 0.8 * 63 / 64, 0.8, 0.8, 0.8])


@pytest.mark.slow
def test_a_removed_weight_never_comes_back_and_learns_nothing(tensorflow: None) -> None:
    import keras  # noqa: PLC0415

    from fpgaae.models.masked import MaskedDense  # noqa: PLC0415

    keras.utils.set_random_seed(1)  # a training draws numbers, for which determinism wants a seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = MaskedDense(2, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile("sgd", "mean_squared_error")
        layer.set_weights([np.array([[1.0, -4.0], [0.1, 2.0], [-3.0, 0.2]]), np.ones(2), np.ones((3, 2))])
        layer.prune(0.34)
        np.testing.assert_array_equal(layer.pruned_kernel, np.array([[1, -4], [0, 2], [-3, 0]], np.float32))
        x = np.array([[1.0, 10.0, 100.0]])
        np.testing.assert_allclose(model.predict(x, verbose=0), [[1 - 300 + 1, -4 + 20 + 1]])
        model.fit(x / 100, np.array([[5.0, 5.0]]), epochs=20, verbose=0)
        assert (layer.pruned_kernel == 0).sum() == 2
        assert abs(layer.pruned_kernel[0, 0] - 1) > 1e-4, "the others go on learning"
        layer.prune(0.5)
        assert (layer.pruned_kernel == 0).sum() == 3
        assert layer.pruned_kernel[1, 0] == layer.pruned_kernel[2, 1] == 0


@pytest.mark.parametrize(("sparsity", "removed"), [(0.658, 16), (0.6, 14), (0.64, 15), (0.0, 0), (0.99, 24)])
def test_a_small_layer_is_pruned_to_the_nearest_weight_and_passes(
    tensorflow: None, tmp_path: Path, sparsity: float, removed: int
) -> None:
    """0.658 of 24 weights is no whole number; a layer may miss its share by less than a weight."""
    from fpgaae.models.masked import MaskedDense  # noqa: PLC0415
    from fpgaae.training.quantized import check_sparsity  # noqa: PLC0415

    layer = MaskedDense(3)
    layer.build((None, 8))
    layer.prune(sparsity)
    assert (layer.pruned_kernel == 0).sum() == removed
    config = open_workspace(small_config(tmp_path, pruning={"sparsity": sparsity}).parent).experiment.config
    deployed = SimpleNamespace(get_layer=lambda name: layer)
    shares = dict.fromkeys(config.model.deployed_layers, removed / 24)
    check_sparsity(config, deployed, shares)
    with pytest.raises(CheckFailed, match="let the pruning end earlier"):
        check_sparsity(config, deployed, dict.fromkeys(shares, (removed - 2) / 24))
