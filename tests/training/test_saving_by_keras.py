"""Keras writes its HDF5 files where a limit bites in the middle: no crash, and an error with the file's name."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import files_of_at_most

from fpgaae.data.hdf5_writing import save_by_keras

pytestmark = pytest.mark.usefixtures("tensorflow")

_N = 60
Made = tuple[Any, Callable[[], None], Path]


def _weights_of_keras(folder: Path) -> Made:
    import keras  # noqa: PLC0415

    model = keras.Sequential([keras.Input((_N,)), keras.layers.Dense(_N, name="a"), keras.layers.Dense(_N, name="b")])
    file = folder / "float.weights.h5"
    return model, lambda: save_by_keras(model.save_weights, file), file


def _model_of_tf_keras(folder: Path) -> Made:
    import tf_keras  # noqa: PLC0415

    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((_N,)), layers.Dense(_N, name="a"), layers.Dense(_N, name="b")])
    file = folder / "model.h5"
    return model, lambda: save_by_keras(model.save, file, save_format="h5"), file


_MAKERS = pytest.mark.parametrize("make", [_weights_of_keras, _model_of_tf_keras], ids=["keras", "tf_keras"])


@_MAKERS
def test_what_is_written_is_read_again(make: Callable[[Path], Made], tmp_path: Path) -> None:
    model, save, file = make(tmp_path)
    usual = h5py.File
    save()
    assert h5py.File is usual
    weights = model.get_weights()
    model.set_weights([np.zeros_like(array) for array in weights])
    model.load_weights(file)
    for found, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


@_MAKERS
@pytest.mark.parametrize("n_bytes", [0, 1000, 10_000, 25_000])
def test_a_limit_in_the_middle_is_an_error_and_no_crash(
    make: Callable[[Path], Made], n_bytes: int, tmp_path: Path
) -> None:
    _, save, file = make(tmp_path)
    usual = h5py.File
    with files_of_at_most(n_bytes), pytest.raises(OSError, match=file.name) as caught:
        save()
    assert caught.value.errno == errno.EFBIG
    assert h5py.File is usual
