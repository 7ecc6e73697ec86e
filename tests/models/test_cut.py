"""A part of a model is what its file computes up to there, or what can be chosen is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.hls.lint.run import lint_target
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.model_file import ModelFiles
from fpgaae.models.prepare import prepare_network
from fpgaae.runs.choices import ImportChoices
from fpgaae.tensorflow_setup import prepare

_INPUTS = FixedPointType(9, 5)


def _sequence(*sizes: int) -> NetworkDescription:
    layers = [LayerDescription("x", "InputLayer", (), {"shape": (sizes[0],)})]
    for index, size in enumerate(sizes[1:]):
        layers.append(LayerDescription(f"d{index}", "Dense", (layers[-1].name,), {"units": size}))
        layers.append(LayerDescription(f"r{index}", "ReLU", (layers[-1].name,), {}))
    return NetworkDescription(tuple(layers), (layers[-1].name,))


def test_an_autoencoder_is_cut_behind_what_belongs_to_its_bottleneck() -> None:
    part = chosen_part(_sequence(8, 6, 3, 6, 8), ImportChoices(encoder=True))
    assert part.outputs == ("r1",)
    assert [layer.name for layer in part.layers] == ["x", "d0", "r0", "d1", "r1"]


@pytest.mark.parametrize(
    ("sizes", "choices", "said"),
    [
        ((8, 6, 3), {"encoder": True}, "no layer that is narrower than its input and its output"),
        ((8, 3, 6, 3, 8), {"encoder": True}, "several layers of 3 values that could be its bottleneck; choose one with "
         "`--output` from r0, r2"),
        ((8, 3, 8), {"outputs": ("nope",)}, "no layer nope to cut behind; `--output` takes d0, d1, r1"),
        ((8, 3, 8), {"outputs": ("x",)}, "no layer x to cut behind"),
        ((8, 3, 8), {"outputs": ("d0", "d0")}, "`--output` names d0 twice; give one layer, or those of mu and of log"),
        ((8, 3, 8), {"outputs": ("d0",), "encoder": True}, "both say where the model is cut"),
    ],
)  # fmt: skip
def test_what_can_be_chosen_is_named(sizes: tuple[int, ...], choices: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        chosen_part(_sequence(*sizes), ImportChoices(**choices))


def _variational(library: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Give an encoder with three outputs, one of them of a Lambda, and the whole model that it stands in."""
    layers = library.layers
    features = layers.Input((6,), name="x")
    h = layers.Dense(5, activation="relu", name="h")(features)
    mean, variance = layers.Dense(3, name="z_mean")(h), layers.Dense(3, name="z_log_var")(h)
    z = layers.Lambda(lambda pair: pair[0], output_shape=(3,), name="z")([mean, variance])
    encoder = library.Model(features, [mean, variance, z], name="encoder")
    latent = layers.Input((3,))
    decoder = library.Model(latent, layers.Dense(6, name="back")(latent), name="decoder")
    return encoder, library.Model(features, decoder(encoder(features)[2]))


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("version", "ending"),
    [("2", ".h5"), pytest.param("2", ".keras", marks=pytest.mark.slow), ("3", ".keras"),
     pytest.param("3", ".h5", marks=pytest.mark.slow)],
)  # fmt: skip
def test_the_part_in_front_of_a_lambda_is_compared_with_the_file(version: str, ending: str, tmp_path: Path) -> None:
    prepare()
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    encoder, whole = _variational(tf_keras if version == "2" else keras)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    expected = dict(zip(("z_mean", "z_log_var"), encoder(x), strict=False))
    for model, compared in ((encoder, "z_log_var"), (whole, "encoder/z_log_var")):
        model.save(tmp_path / f"model{ending}")
        files = ModelFiles(tmp_path / f"model{ending}")
        (report,) = lint_target(files.model, tmp_path)
        assert "import the part in front of it, by `--output z_mean` or `--output z_log_var`" in report.findings[0].cure
        assert lint_target(files.model, tmp_path, choices=ImportChoices(outputs=("z_log_var",)))[0].findings == ()
        given = chosen_part(files.read(), ImportChoices(outputs=("z_log_var",)))
        np.testing.assert_allclose(
            np.maximum(x @ given["h"].weights["kernel"] + given["h"].weights["bias"], 0)
            @ given["z_log_var"].weights["kernel"], expected["z_log_var"], rtol=1e-4, atol=1e-5,
        )  # fmt: skip
        found = check_prepared(
            files.model, given, prepare_network(given, _INPUTS, quantize=False), x,
            lambda file, x, rounded: {mode: evaluate_file(file, x, tmp_path, mode) for mode in rounded},
        )  # fmt: skip
        assert found.largest < 1e-12
        assert compared in found.layers
