"""The layers of a config: their shapes by hand, their names, and what is said of those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import CONFIGS, small_config

from fpgaae.config.file import load_config
from fpgaae.config.layers import (
    Convolution,
    Dense,
    Pooling,
    Reshape,
    UpSampling,
    ZeroPadding,
    named_layers,
)
from fpgaae.errors import ConfigError


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (Dense(dense=5), (4, 3, 2), (5,)),
        (Convolution(filters=7, kernel=(3, 2)), (19, 3, 1), (17, 2, 7)),
        (Convolution(filters=7, kernel=(3, 2), strides=(4, 1)), (19, 3, 1), (5, 2, 7)),
        (Convolution(filters=7, kernel=(9, 9), padding="same", strides=(2, 2)), (19, 3, 1), (10, 2, 7)),
        (Pooling(pool=(3, 1)), (20, 3, 4), (6, 3, 4)),
        (UpSampling(upsample=(2, 3)), (5, 1, 4), (10, 3, 4)),
        (ZeroPadding(pad=((1, 2), (0, 3))), (5, 1, 4), (8, 4, 4)),
        (Reshape(reshape=(2, 2, 5)), (20,), (2, 2, 5)),
    ],
    ids=lambda given: type(given).__name__ if not isinstance(given, tuple) else "",
)
def test_the_shape_behind_a_layer(layer: Any, before: tuple[int, ...], after: tuple[int, ...]) -> None:  # noqa: ANN401
    assert layer.shape_after(before) == after


def test_names_count_the_layers_with_weights() -> None:
    layers = (Reshape(reshape=(1, 1, 2)), 3, Pooling(pool=(1, 1)), Convolution(filters=1, kernel=(1, 1)))
    assert [name for name, _ in named_layers(layers, "encoder")] == [
        "encoder_reshape_1", "encoder_1", "encoder_pool_1", "encoder_2",
    ]  # fmt: skip
    assert named_layers(layers, "decoder")[-1].name == "reconstruction"
    assert named_layers((*layers, 4), "decoder")[-2:] == (
        ("decoder_2", layers[-1]),
        ("decoder_3", Dense(dense=4)),
    )


_CONV = {"filters": 4, "kernel": [3, 3]}


@pytest.mark.parametrize(
    ("model", "line", "message"),
    [
        (
            {"encoder": [_CONV, {"pool": [20, 1]}]},
            "pool:",
            "`model.encoder.1`: a pool of 20 x 1 does not fit into the 17 x 1 x 4 that it reads; make it smaller",
        ),
        (
            {"encoder": [{"filters": 4, "kernel": [3, 4]}]},
            "filters: 4",
            "`model.encoder.0`: a kernel of 3 x 4 does not",
        ),
        (
            {"encoder": [8, {"pool": [2, 1]}]},
            "pool:",
            "`model.encoder.1`: a pooling reads an image, but 8 values arrive; put a `reshape` in front of it",
        ),
        (
            {"decoder": [8, {"reshape": [2, 2, 3]}]},
            "reshape:",
            "2 x 2 x 3 are 12 values, but 8 arrive; make both equal",
        ),
        (
            {"decoder": [18, {"reshape": [6, 3, 1]}, {"filters": 1, "kernel": [1, 1]}]},
            "filters: 1",
            "`model.decoder.2`: the reconstruction is 6 x 3 x 1, but an event 19 x 3 x 1; change",
        ),
        ({"encoder": [_CONV | {"kernl": 3}]}, "kernl:", "unknown key `model.encoder.0.kernl`; did you mean `kernel`?"),
        ({"encoder": [{"filters": 4}]}, "filters: 4", "the key `model.encoder.0.kernel` is missing"),
        ({"encoder": [{"filters": 4, "kernel": [3, 0]}]}, "- 0", "`model.encoder.0.kernel.1`: input should be greater"),
        (
            {"encoder": [{"units": 4}]},
            "units: 4",
            "`model.encoder.0`: a layer is a number of units, or has one of the keys dense, filters, pool, upsample",
        ),
        ({"encoder": ["wide"]}, "- wide", "`model.encoder.0`: input should be a valid integer"),
    ],
    ids=["pool", "kernel", "flat", "reshape", "reconstruction", "key", "missing", "zero", "kind", "text"],
)
def test_a_layer_that_does_not_fit_is_one_sentence_with_its_line(
    tmp_path: Path, model: dict[str, Any], line: str, message: str
) -> None:
    file = small_config(tmp_path, model=model)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert message in str(caught.value)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert f"{file}, line {next(i for i, text in enumerate(lines, 1) if line in text)}:" in str(caught.value)


def test_the_layers_of_the_convolutional_configs() -> None:
    model = load_config(CONFIGS / "l1_cnn_ae.yaml").model
    assert model.deployed_layers == (
        "encoder_1", "encoder_2", "latent", "decoder_1", "decoder_2", "decoder_3", "reconstruction",
    )  # fmt: skip
    assert set(model.rounded_layers) - set(model.deployed_layers) == {"encoder_pool_1", "encoder_pool_2"}
    encoder = load_config(CONFIGS / "l1_cnn_vae.yaml").model
    assert encoder.rounded_layers == ("encoder_1", "encoder_pool_1", "encoder_2", "encoder_pool_2", "mu")
