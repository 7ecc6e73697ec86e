"""A model with an embedding in the config: its layers and widths, and what is refused of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import CONFIGS, merged, small_config

from fpgaae.config.file import load_config
from fpgaae.config.model import Width
from fpgaae.errors import ConfigError

FRONT = {"model": {"embedding": {"encoder": [6], "width": 4}, "encoder": [5], "latent": 2, "decoder": [5]}}
EMBEDDED: dict[str, Any] = {**FRONT, "training": {"embedding": {"kind": "vicreg", "projector": 8}}}
STUDENT = {"kind": "student", "encoder": [6], "latent": 1, "decoder": [], "score": "regression"}
TEACHER = {"kind": "autoencoder", "score": "squared_error", **FRONT["model"]}


def test_the_reconstruction_is_coded_as_the_embedding(tmp_path: Path) -> None:
    widths = {"quantization": {"layers": {"embedding": {"activations": {"bits": 12}}}}}
    config = load_config(small_config(tmp_path, **merged(EMBEDDED, widths)))
    assert config.activation_width("reconstruction") == config.activation_width("embedding") == Width(bits=12)
    assert config.activation_width("encoder_1") == config.quantization.activations
    assert config.model.compared_layer == "embedding"
    assert load_config(CONFIGS / "l1_ae.yaml").model.compared_layer is None


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (FRONT, "`training.embedding`: an embedding is learned by a float method"),
        (merged(EMBEDDED, {"training": {"reference": {"weights_of": "a.yaml"}}}), "`training.embedding`: .*one of the"),
        ({"training": EMBEDDED["training"]}, "`training.embedding`: `model.embedding` is null"),
        (merged(EMBEDDED, {"method": {"kind": "vicreg"}}), "`training.embedding`: `method` is what is trained"),
        (merged(EMBEDDED, {"training": {"embedding": {"kind": "dense"}}}), "training.embedding"),
        (merged(EMBEDDED, {"training": {"embedding": {"smear": 1}}}), "`training.embedding.smear`: unknown key"),
        (merged(EMBEDDED, {"training": {"embedding": {"dropped": 2}}}), "`training.embedding.dropped`: .*less than 1"),
        (merged(EMBEDDED, {"training": {"embedding": {"scores": ["kl"]}}}), "`training.embedding.scores`: .*no score"),
        (merged(EMBEDDED, {"training": {"quantized": {"mode": "post_training"}}}), "`training.quantized.mode`: "),
        (
            merged(EMBEDDED, {"training": {"reference": {"batch_normalization": True}}}),
            "`training.reference.batch_normalization`: the float method that learns",
        ),
        (merged(EMBEDDED, {"model": {"score": "masked_squared_error"}}), "leaves out empty slots"),
        (merged(EMBEDDED, {"model": {"kind": "variational", "score": "mu_squared"}}), "no embedding in front"),
        (merged(EMBEDDED, {"model": {"encoder": [{"pool": [1, 1]}]}}), "an embedding is no image"),
        (
            merged(EMBEDDED, {"model": {"embedding": {"encoder": [{"filters": 1, "kernel": [99, 1]}]}}}),
            "`model.embedding.encoder.0`: a kernel of 99 x 1",
        ),
        (
            {"model": STUDENT, "distillation": {"teacher": TEACHER, "fit": {"epochs": 1}}},
            "`distillation.teacher.embedding`: a teacher that is trained here has none",
        ),
        (merged(EMBEDDED, {"quantization": {"layers": {"embedding_2": {}}}}), "the layers are embedding_1, embedding,"),
    ],
    ids=[
        "untrained", "both", "no-embedding", "method", "kind", "key", "value", "score", "post-training",
        "normalization", "masked", "variational", "image", "shape", "teacher", "layer",
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(overrides: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_config(small_config(tmp_path, **overrides))
    assert "\n" not in str(caught.value)
