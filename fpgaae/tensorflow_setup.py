"""Bring up TensorFlow with the Keras 2 API for QKeras, Keras 3 beside it: import this before TensorFlow.

hls4ml 1.3.0 and QKeras 0.9.0 need Keras 2 (`tf_keras`), which TensorFlow only offers as `tf.keras` when
`TF_USE_LEGACY_KERAS` is set before its first import.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fpgaae.errors import InputError
from fpgaae.optional import require

_TENSORFLOW = "tensorflow"
_BACKENDS = (_TENSORFLOW, "jax", "torch")


def prepare(n_threads: int | None = None) -> None:
    """Set what must be set before TensorFlow is imported, then import it quietly and deterministic.

    Parameters
    ----------
    n_threads
        For the operations of this process, where other processes use the other cores; None for all. What was imported
        before keeps its threads.

    Raises
    ------
    InputError
        If TensorFlow was imported before without the Keras 2 API, or KERAS_BACKEND names no backend.
    ToolMissing
        If it names one that is not installed.
    """
    is_fresh = "tensorflow" not in sys.modules
    if not is_fresh and os.environ.get("TF_USE_LEGACY_KERAS") != "1":
        raise InputError("TensorFlow was imported before fpgaae; set TF_USE_LEGACY_KERAS=1 in the environment")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its blocked sums depend on the number of threads
    chosen = os.environ["KERAS_BACKEND"] = keras_backend(_TENSORFLOW)
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|tf_keras|qkeras|tensorflow_model_optimization|hls4ml)")
    with native_output_hidden():
        import tensorflow as tf  # noqa: PLC0415

    if chosen != _TENSORFLOW:
        require(chosen, "Keras trains on it (KERAS_BACKEND chooses another backend)")
    _trace_as_it_is("qkeras", "tensorflow_model_optimization")
    tf.config.experimental.enable_op_determinism()
    if is_fresh and n_threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)


def used_threads() -> int:
    """Give the number of threads that share an operation of TensorFlow, whose last bits depend on it."""
    import tensorflow as tf  # noqa: PLC0415

    chosen: int = tf.config.threading.get_intra_op_parallelism_threads()
    return chosen or len(os.sched_getaffinity(0))


def keras_backend(otherwise: str) -> str:
    """Give the backend of Keras 3 that KERAS_BACKEND names, or another where it names none.

    Raises
    ------
    InputError
        If it names none that trains.
    """
    chosen = os.environ.get("KERAS_BACKEND") or otherwise
    if chosen not in _BACKENDS:
        raise InputError(f"KERAS_BACKEND is `{chosen}`; set it to {', '.join(_BACKENDS[:-1])} or {_BACKENDS[-1]}")
    return chosen


def _trace_as_it_is(*packages: str) -> None:
    """Trace what packages compute as Python runs it, in half the time, rather than rewrite its source first.

    Only a Python branch or loop on the value of a tensor needs the rewriting, and without it raises an error.
    """
    from tensorflow.python.autograph.core import config  # noqa: PLC0415

    known = set(map(str, config.CONVERSION_RULES))
    new = tuple(rule for rule in map(config.DoNotConvert, packages) if str(rule) not in known)
    config.CONVERSION_RULES = (*new, *config.CONVERSION_RULES)


@contextmanager
def native_output_hidden() -> Iterator[None]:
    """Hide what TensorFlow's libraries write to file descriptor 2 while they are loaded; show it if that fails."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(shown, hidden.read())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)


@contextmanager
def keras2_as_keras() -> Iterator[None]:
    """Let `import keras` give the Keras 2 API: hls4ml 1.3.0 decides by it which parser reads a QKeras model."""
    import tf_keras  # noqa: PLC0415

    before = sys.modules.get("keras")
    sys.modules["keras"] = tf_keras
    try:
        yield
    finally:  # of this module only: one that was first imported meanwhile may not be importable again
        if before is None:
            del sys.modules["keras"]
        else:
            sys.modules["keras"] = before
