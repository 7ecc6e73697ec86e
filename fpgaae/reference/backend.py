"""Which Keras backend and which device the float methods run on.

Nothing here imports Keras before `prepare` has chosen its backend.
"""

from __future__ import annotations

import os
import sys
import warnings

JAX = "jax"


def prepare() -> None:
    """Choose JAX where nobody chose another backend, before Keras is imported.

    Where Keras is there already, or KERAS_BACKEND is set, that backend trains through Keras' own `fit`.
    """
    if "keras" not in sys.modules and os.environ.get("KERAS_BACKEND", JAX) == JAX:
        os.environ["KERAS_BACKEND"] = JAX
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's own messages
        warnings.filterwarnings("ignore", module=r"keras")
        return
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        from fpgaae.tensorflow_setup import prepare as prepare_tensorflow  # noqa: PLC0415

        prepare_tensorflow()


def backend() -> str:
    """Give the backend that Keras has."""
    import keras  # noqa: PLC0415

    return str(keras.backend.backend())


def device() -> str:
    """Give what is trained on: gpu or cpu, or tpu."""
    if backend() == JAX:
        import jax  # noqa: PLC0415

        return str(jax.devices()[0].platform)
    import keras  # noqa: PLC0415

    return "gpu" if any("gpu" in name.lower() for name in keras.distribution.list_devices()) else "cpu"
