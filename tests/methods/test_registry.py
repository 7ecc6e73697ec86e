from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import CONFIGS, small_config

from fpgaae.config.file import load_config
from fpgaae.errors import ConfigError
from fpgaae.methods.registry import method_class, method_kinds, score_names

FRONT = {"encoder": [6], "width": 4}
SHIPPED = sorted((CONFIGS / "reference").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_config_is_valid(file: Path) -> None:
    assert load_config(file).method is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", method_kinds())
def test_every_method_is_shipped_and_has_a_score(kind: str) -> None:
    assert score_names(method_class(kind))
    assert any(load_config(file).method.kind == kind for file in SHIPPED)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"method": {"kind": "vea"}}, "line [0-9]+: `method.kind`: no method is called `vea`; the methods are .*vae"),
        ({"method": {"beta": 1}}, "method"),
        ({"method": {"kind": "vae", "prior": "cauchy"}}, "line [0-9]+: `method.prior`: .*student_t.*cauchy"),
        ({"method": {"kind": "vae", "betta": 1}}, "`method.betta`: unknown key of the method vae; known .*beta"),
        (
            {"method": {"kind": "dense", "scores": ["kl"]}},
            "`method.scores`: the method dense has no score `kl`; it has",
        ),
        ({"method": {"kind": "dense"}, "model": {"latent": 58}}, "`model.latent`: 58 latents are more than the 57"),
        ({"method": {"kind": "vae"}, "ensemble": {"points": [{"gamma": 1}]}}, "`ensemble.points`: .*no number `gamma`"),
        (
            {"method": {"kind": "vae"}, "training": {"reference": {"weights_of": "a.yaml"}}},
            "`training.reference.weights_of`",
        ),
        (
            {"method": {"kind": "vae"}, "training": {"reference": {"batch_normalization": True}}},
            "`training.reference.batch_normalization`: the networks of a float method have none",
        ),
        ({"method": {"kind": "vicreg"}}, "`model.embedding`: the method vicreg needs one, as in {encoder"),
        ({"method": {"kind": "vae"}, "model": {"embedding": FRONT}}, "`model.embedding`: the method vae has none"),
        (
            {"method": {"kind": "vicreg"}, "model": {"embedding": FRONT, "latent": 5}},
            "`model.latent`: 5 latents are more than the 4 inputs",
        ),
    ],
    ids=[
        "kind",
        "no-kind",
        "prior",
        "key",
        "score",
        "latent",
        "point",
        "weights-of",
        "batch-normalization",
        "no-embedding",
        "embedding",
        "wide",
    ],
)
def test_a_mistake_is_one_sentence(overrides: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_config(small_config(tmp_path, **overrides))


def test_a_sparse_latent_may_be_wider_than_the_input(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path, method={"kind": "sparse"}, model={"latent": 58}))
    assert config.model.latent == 58


def test_an_ensemble_is_every_point_with_every_seed(tmp_path: Path) -> None:
    points = [{"beta": 0.1}, {"learning_rate": 1e-4}]
    config = load_config(small_config(tmp_path, method={"kind": "vae"}, ensemble={"seeds": 2, "points": points}))
    members = config.ensemble.members(42)
    assert [(member.seed, member.point) for member in members] == [(42 + i, point) for point in points for i in (0, 1)]
