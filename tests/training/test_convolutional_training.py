"""Convolutional networks of a config the whole way: trained or only rounded, converted, and equal in every bit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from support import small_config

from fpgaae.files import Json
from fpgaae.golden.layers.weighted import Convolution

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler", "tensorflow")]

_ENCODER = [{"filters": 2, "kernel": [3, 3], "strides": [2, 1]}, {"pool": [3, 1]}]  # 19x3 -> 9x1x2 -> 3x1x2
_DECODER = [6, {"reshape": [3, 1, 2]}, {"upsample": [7, 3]}, {"filters": 1, "kernel": [3, 1]}]  # 21x3x2 -> 19x3x1
_MODEL = {"encoder": _ENCODER, "latent": 2, "decoder": _DECODER}
_SPARSITY = 0.5


def _run(folder: Path, stages: tuple[str, ...], **overrides: Any) -> Workspace:  # noqa: ANN401
    small_config(folder, n_events=1500, pruning={"sparsity": _SPARSITY}, **overrides)
    workspace = open_workspace(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stage in stages:
            workspace.run(stage)
    return workspace


def _assert_exact(result: Json, names: set[str]) -> None:
    assert result["passed"]
    found = {layer["name"]: layer for layer in result["layers"]}
    assert names <= found.keys()
    assert all(layer["mismatched_values"] == 0 < layer["values"] for layer in found.values())
    assert (result["mismatched_events"], result["score_mismatches"], result["decision_flips"]) == (0, 0, 0)


def _assert_pruned(result: Mapping[str, Any], workspace: Workspace) -> None:
    for layer in workspace.network.layers:
        if isinstance(layer, Convolution):
            share = float(np.mean(layer.kernel == 0))
            assert result["sparsity"][layer.name] == pytest.approx(share, abs=1e-4)
            assert _SPARSITY - 1 / layer.kernel.size <= share < 1


@pytest.mark.usefixtures("without_figures")
def test_a_trained_convolutional_autoencoder_is_exact_in_both_kinds_of_interface(tmp_path: Path) -> None:
    training = {"reference": {"batch_normalization": True}}
    stages = ("data", "reference", "train", "convert", "csim")
    workspace = _run(tmp_path, (*stages, "evaluate"), model=_MODEL, training=training)
    trained = workspace.result("train")
    assert set(trained["weights_bits"]) == {"encoder_1", "latent", "decoder_1", "reconstruction"}
    assert set(trained["widths"]["activations"]) == {*trained["weights_bits"], "encoder_pool_1"}
    _assert_pruned(trained, workspace)
    names = {"encoder_1", "encoder_pool_1_quantized", "decoder_upsample_1", "reconstruction"}
    _assert_exact(workspace.result("csim"), names)
    layers = {layer["name"]: layer for layer in workspace.result("evaluate")["layers"]}
    assert len(layers["encoder_1"]["saturated_channels"]["background"]) == 2, "a channel a filter"
    models = workspace.result("evaluate")["models"]
    assert models["firmware"]["signal"]["auc"]["value"] == models["quantized"]["signal"]["auc"]["value"]
    shapes = {layer["name"]: layer["shape"] for layer in workspace.result("convert")["layers"]}
    assert (shapes["encoder_1"], shapes["encoder_pool_1"], shapes["latent"]) == ([9, 1, 2], [3, 1, 2], [2])
    stream = _run(tmp_path, stages, model=_MODEL, training=training, firmware={"io_type": "io_stream"})
    assert stream.result("convert")["io_type"] == "io_stream"
    assert stream.result("train") == trained, "only the firmware was made anew"
    _assert_exact(stream.result("csim"), names)


def test_a_rounded_convolutional_encoder_is_exact(tmp_path: Path) -> None:
    model = {**_MODEL, "kind": "variational", "score": "mu_squared"}
    training = {"quantized": {"mode": "post_training"}, "reference": {"epochs": 2}}
    stages = ("data", "reference", "train", "convert", "csim")
    workspace = _run(tmp_path, stages, model=model, training=training, firmware={"io_type": "io_stream"})
    trained = workspace.result("train")
    assert list(trained["quantization_error"]) == ["encoder_1_relu", "encoder_pool_1_quantized", "mu_quantized"]
    assert all(error["sqnr_db"] > 15 for error in trained["quantization_error"].values())
    _assert_pruned(trained, workspace)
    _assert_exact(workspace.result("csim"), {"encoder_1", "encoder_pool_1_quantized", "mu"})
