"""Every kind of golden layer and every score has its place in each form of the firmware, or a refusal."""

from __future__ import annotations

import pytest

from fpgaae.config.model import Score
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.registry import entry_of, layer_class, layer_classes
from fpgaae.golden.scores.base import ScoreLayer, score_class

KINDS = sorted(layer_classes())
BEHIND_THE_MODEL = {"accept", "cell", "port"}  # what stands around a Keras model, and is not read from one


def _kind(kind: str) -> type[Layer]:
    return layer_class(kind)


def test_the_kinds_are_those_that_golden_files_hold() -> None:
    """A name that changes would make every golden.npz unreadable."""
    assert set(KINDS) == {
        "input", "dense", "relu", "quantize", "accept", "cell", "convolution", "average_pooling", "max_pooling",
        "upsampling", "zero_padding", "reshape", "port", "leaky_relu", "tabulated", "spread",
        *(score.value for score in Score),
    }  # fmt: skip


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_has_a_class_in_a_module_of_its_name(score: Score) -> None:
    found = score_class(score)
    assert issubclass(found, ScoreLayer)
    assert found.__module__ == f"fpgaae.golden.scores.{score.value}"
    assert len(found.constant_names) == (score.needs_variance or score is Score.MASKED_SQUARED_ERROR)


def test_no_kind_is_a_special_case_of_another() -> None:
    """A table by class would take the one for the other without a word."""
    classes = layer_classes().values()
    assert not [(a, b) for a in classes for b in classes if a is not b and issubclass(a, b)]
    with pytest.raises(TypeError, match="Leaky is the second kind of layer called relu, or one of another kind"):
        type("Leaky", (_kind("quantize"),), {"kind": "relu"})
    with pytest.raises(TypeError, match="or one of another kind"):
        type("Leaky", (_kind("relu"),), {"kind": "steep_relu"})
    assert sorted(layer_classes()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_hls_project_knows_it(kind: str) -> None:
    from fpgaae.hls.layer_forms import FORMS, form_of  # noqa: PLC0415

    assert entry_of(FORMS, _kind(kind)) == form_of(_kind(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_rtl_knows_it(kind: str) -> None:
    from fpgaae.rtl.scores import SCORE_TRACERS  # noqa: PLC0415
    from fpgaae.rtl.trace import TRACERS  # noqa: PLC0415

    assert entry_of(TRACERS, _kind(kind)) is not None
    if issubclass(_kind(kind), ScoreLayer):
        assert _kind(kind) in SCORE_TRACERS


@pytest.mark.parametrize("kind", KINDS)
def test_the_emulator_knows_it(kind: str) -> None:
    from fpgaae.emulator.source import WRITERS  # noqa: PLC0415

    assert entry_of(WRITERS, _kind(kind)) is not None
    if issubclass(_kind(kind), ScoreLayer):
        assert _kind(kind) in WRITERS


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_from_keras_or_stands_behind_the_model(kind: str) -> None:
    from fpgaae.models.extract import READERS, SUPPORTED_LAYERS  # noqa: PLC0415
    from fpgaae.models.score_layers import LAYER_OF_SCORE, SCORE_LAYERS  # noqa: PLC0415

    found = entry_of(READERS, _kind(kind))
    assert (found is None) == (kind in BEHIND_THE_MODEL)
    if issubclass(_kind(kind), ScoreLayer):
        name = LAYER_OF_SCORE[Score(kind)].__name__
        assert SCORE_LAYERS[name].score is Score(kind)
        assert name in SUPPORTED_LAYERS
        assert found is not None
        assert name in found[1]


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_has_a_kernel_of_its_name_in_the_firmware(score: Score) -> None:
    from fpgaae.hls.project import firmware_source  # noqa: PLC0415

    assert f"void {score.value}(" in firmware_source("hls/fpgaae_scores.h").read_text(encoding="utf-8")
