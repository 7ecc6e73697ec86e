"""Bring up TensorFlow with the Keras 2 API for QKeras, Keras 3 beside it: import this before TensorFlow.

hls4ml 1.3.0 and QKeras 0.9.0 need Keras 2 (`tf_keras`), which TensorFlow only offers as `tf.keras` when
`TF_USE_LEGACY_KERAS` is set before its first import.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from fpgaae.errors import InputError


def prepare(*, threads: int | None = None) -> None:
    """Set what must be set before TensorFlow is imported, then import it quietly and deterministic.

    Raises
    ------
    InputError
        If TensorFlow was imported before without the Keras 2 API.
    """
    if "tensorflow" in sys.modules and os.environ.get("TF_USE_LEGACY_KERAS") != "1":
        raise InputError("TensorFlow was imported before fpgaae; set TF_USE_LEGACY_KERAS=1 in the environment")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its blocked sums depend on the number of threads
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|tf_keras|qkeras|tensorflow_model_optimization|hls4ml)")
    import tensorflow as tf  # noqa: PLC0415

    if threads is not None and tf.config.threading.get_intra_op_parallelism_threads() == 0:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


@contextmanager
def keras2_as_keras() -> Iterator[None]:
    """Let `import keras` give the Keras 2 API: hls4ml 1.3.0 decides by it which parser reads a QKeras model."""
    import tf_keras  # noqa: PLC0415

    with mock.patch.dict(sys.modules, keras=tf_keras):
        yield
