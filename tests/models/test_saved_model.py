"""A SavedModel of Keras 2, and an architecture whose weights lie apart, are read as what Keras computes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.model_file import ModelFiles
from fpgaae.models.prepare import prepare_network

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
_INPUTS = FixedPointType(9, 5, True, Rounding.HALF_EVEN, Overflow.SATURATE)


def _model(library: Any) -> Any:  # noqa: ANN401
    layers = library.layers
    inner = library.Sequential(
        [layers.Input((6,)), layers.Dense(4, activation="relu", name="a"), layers.BatchNormalization(name="norm")],
        name="inner",
    )
    features = layers.Input((6,), name="x")
    model = library.Model(features, layers.Dense(6, name="back")(layers.Dense(2, name="latent")(inner(features))))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.2, 1.3, weight.shape) for weight in model.get_weights()])
    return model


def _difference(files: ModelFiles, folder: Path) -> float:
    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    given = files.read()
    found = check_prepared(
        files.model, given, prepare_network(given, _INPUTS, quantize=False), np.eye(6),
        lambda file, x, rounded: {mode: evaluate_file(file, x, folder, mode, files.weights) for mode in rounded},
    )  # fmt: skip
    assert {"inner/norm", "latent", "back"} <= {*found.layers, "inner/norm"}
    assert found.magnitude > 1
    return found.largest


def test_a_saved_model_is_read(tmp_path: Path) -> None:
    import tf_keras  # noqa: PLC0415

    model, folder = _model(tf_keras), tmp_path / "saved"
    model.save(folder, save_format="tf")
    network = ModelFiles(folder).read()
    np.testing.assert_array_equal(network["back"].weights["kernel"], model.get_layer("back").get_weights()[0])
    np.testing.assert_array_equal(
        network["norm"].weights["moving_variance"], model.get_layer("inner").get_layer("norm").get_weights()[3]
    )
    assert _difference(ModelFiles(folder), tmp_path) < 1e-12
    copy = tmp_path / "copy"
    copy.mkdir()
    ModelFiles(folder).copy_to(copy)
    assert ModelFiles.copied_to(copy).sha256() == ModelFiles(folder).sha256()
    index = folder / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:40])
    with pytest.raises(InputError, match=r"saved holds no readable model: its checkpoint can't be read \("):
        ModelFiles(folder).read()
    (folder / "keras_metadata.pb").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="saved holds no readable model"):
        ModelFiles(folder).read()


@pytest.mark.parametrize("version", ["2", "3"])
def test_an_architecture_gets_its_weights_from_another_file(version: str, tmp_path: Path) -> None:
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    model = _model(tf_keras if version == "2" else keras)
    (tmp_path / "model.json").write_text(model.to_json(), encoding="utf-8")
    model.save(tmp_path / "whole.h5")
    model.save_weights(tmp_path / "apart.weights.h5")
    if version == "2":
        model.save_weights(tmp_path / "apart.h5")
    for weights in sorted(tmp_path.glob("*.h5")):
        assert _difference(ModelFiles(tmp_path / "model.json", weights), tmp_path) < 1e-12
