"""What the float network puts out for `evaluate`: of the trained reference, or of an imported model.

This module imports Keras 3 for the one and TensorFlow (Keras 2) for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.config import Config

IMPORTED_FLOAT_FILE = "float.h5"
_BATCH = 8192
FloatOutput = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def open_float_output(folder: Path, config: Config) -> FloatOutput:
    """Give the function from clipped features (n, n_features) to reconstruction or latents (n, n_outputs).

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    """
    imported = folder / IMPORTED_FLOAT_FILE
    if imported.is_file():
        return _imported(imported)
    from fpgaae.models.float import WEIGHTS_FILE, build_float  # noqa: PLC0415

    fit = config.training.reference
    graph = build_float(
        config.model, config.data.hardware.image_shape, config.seed, batch_normalization=fit.batch_normalization
    )
    graph.training.load_weights(folder / WEIGHTS_FILE)
    return lambda x: np.asarray(graph.scoring.predict(x, batch_size=_BATCH, verbose=0))


def _imported(file: Path) -> FloatOutput:
    import tf_keras  # noqa: PLC0415

    model = tf_keras.models.load_model(file, compile=False)  # written by the stage `reference`, of known layers only

    def output(x: NDArray[np.float32]) -> NDArray[np.float32]:
        found = model.predict(x.reshape(-1, *model.input_shape[1:]), batch_size=_BATCH, verbose=0)
        return np.asarray(found.reshape(len(x), -1))

    return output
