"""The stand-in for Keras 3 while hls4ml reads a model: there for that long, and without a trace behind it."""

from __future__ import annotations

import importlib
import sys

import pytest

from fpgaae.errors import FpgaaeError
from fpgaae.tensorflow_setup import keras2_as_keras, prepare


def test_keras_2_stands_in_for_keras_and_goes_again(tensorflow: None) -> None:
    before = sys.modules.get("keras")
    with keras2_as_keras():
        assert sys.modules["keras"] is sys.modules["tf_keras"]
    assert sys.modules.get("keras") is before


def test_a_module_that_is_first_imported_meanwhile_stays_imported(tensorflow: None) -> None:
    """Numba's modules, for example, refuse a second import."""
    sys.modules.pop("colorsys", None)
    with keras2_as_keras():
        meanwhile = importlib.import_module("colorsys")
    assert sys.modules.get("colorsys") is meanwhile


def test_qkeras_and_the_pruning_are_traced_as_they_are(tensorflow: None) -> None:
    import qkeras  # noqa: PLC0415
    from tensorflow.python.autograph.impl import conversion  # noqa: PLC0415
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (  # noqa: PLC0415
        PruneLowMagnitude,
    )

    for layer in (qkeras.QDense, PruneLowMagnitude):
        assert conversion.is_allowlisted(layer.call), "of which nothing is converted"


@pytest.mark.parametrize(
    ("backend", "exit_code", "said"),
    [
        ("nonsense", 2, "fpgaae: KERAS_BACKEND is `nonsense`; set it to tensorflow, jax or torch\n"),
        ("torch", 3, "fpgaae: torch is not installed, and Keras trains on it"),
    ],
)
def test_a_backend_that_is_not_there_is_one_sentence(
    backend: str, exit_code: int, said: str, monkeypatch: pytest.MonkeyPatch, tensorflow: None
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FpgaaeError) as caught:
        prepare()
    assert caught.value.exit_code == exit_code
    assert f"fpgaae: {caught.value}\n".startswith(said)
