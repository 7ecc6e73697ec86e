"""What a float network puts out: the trained reference, an imported model, or a student's teacher.

This module imports Keras 3 for the one and TensorFlow (Keras 2) for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.distillation import Distillation
from fpgaae.config.experiment import Config
from fpgaae.config.layers import Shape
from fpgaae.errors import InputError

IMPORTED_FLOAT_FILE = "float.h5"
_BATCH = 8192
FloatOutput = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def open_float_output(folder: Path, config: Config) -> FloatOutput:
    """Give the function from clipped features (n, n_features) to what `FloatGraph.scoring` puts out, (n, n_outputs).

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    """
    imported = folder / IMPORTED_FLOAT_FILE
    if imported.is_file():
        return _imported(imported)
    graph = _open_graph(folder, config)
    return lambda x: np.asarray(graph.scoring.predict(x, batch_size=_BATCH, verbose=0))


def open_float_decoder(folder: Path, config: Config) -> FloatOutput:
    """Give the function from latents (n, n_latent) to the reconstruction (n, n_features) of a variational autoencoder.

    Parameters
    ----------
    folder
        Results of the stage `reference`.

    Raises
    ------
    InputError
        If the model was imported: it has no decoder.
    """
    import keras  # noqa: PLC0415

    from fpgaae.models.plan import SAMPLING  # noqa: PLC0415

    if (folder / IMPORTED_FLOAT_FILE).is_file():
        raise InputError("an imported encoder has no decoder; set `evaluation.compression_events` to null")
    training = _open_graph(folder, config).training
    decoder = keras.Model(training.get_layer(SAMPLING).output, training.output)
    return lambda latents: np.asarray(decoder.predict(latents, batch_size=_BATCH, verbose=0))


def _open_graph(folder: Path, config: Config) -> Any:  # noqa: ANN401
    from fpgaae.models.float import WEIGHTS_FILE, build_float  # noqa: PLC0415

    fit = config.training.reference
    graph = build_float(
        config.model, config.data.hardware.image_shape, config.seed, batch_normalization=fit.batch_normalization
    )
    graph.training.load_weights(folder / WEIGHTS_FILE)
    return graph


def open_teacher_output(folder: Path, distillation: Distillation, image: Shape) -> FloatOutput:
    """Give the function from clipped features (n, n_features) to the teacher's reconstruction (n, n_features).

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    image
        Height, width and channels of an event.
    """
    from fpgaae.models.float import TEACHER_WEIGHTS_FILE, build_float  # noqa: PLC0415

    teacher, fit = distillation.trained_teacher, distillation.fit
    if teacher is None or fit is None:
        raise ValueError("a finished method is no teacher that was trained here")
    graph = build_float(teacher, image, 0, batch_normalization=fit.batch_normalization)
    graph.training.load_weights(folder / TEACHER_WEIGHTS_FILE)
    return lambda x: np.asarray(graph.scoring.predict(x, batch_size=_BATCH, verbose=0))


def _imported(file: Path) -> FloatOutput:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.own_layers import OWN_LAYERS  # noqa: PLC0415

    # written by the stage `reference`, of known layers only
    model = tf_keras.models.load_model(file, custom_objects=OWN_LAYERS, compile=False)

    def output(x: NDArray[np.float32]) -> NDArray[np.float32]:
        found = model.predict(x.reshape(-1, *model.input_shape[1:]), batch_size=_BATCH, verbose=0)
        outputs = found if isinstance(found, list) else [found]  # mu and log sigma^2 side by side
        return np.concatenate([output.reshape(len(x), -1) for output in outputs], axis=1)

    return output
