"""Which Keras backend and which device the float methods run on.

Nothing here imports Keras before `prepare` has chosen its backend.
"""

from __future__ import annotations

import os
import sys
import warnings

from fpgaae.errors import InputError
from fpgaae.meeting import Place
from fpgaae.optional import require
from fpgaae.tensorflow_setup import keras_backend, native_output_hidden
from fpgaae.tensorflow_setup import prepare as prepare_tensorflow

JAX, TORCH, _TENSORFLOW = "jax", "torch", "tensorflow"
TRAINS = "the float methods train on it (KERAS_BACKEND chooses another backend)"  # why JAX or PyTorch is needed
_OF_EXTRAS = (JAX, TORCH)
_FORCED_DEVICES = "xla_force_host_platform_device_count"


def prepare_together(place: Place) -> None:
    """Choose JAX, and connect this process with the others that train, before Keras is imported.

    A process has one device of a CPU, or all GPUs that it sees.

    Raises
    ------
    InputError
        If KERAS_BACKEND names another backend.
    """
    require_jax()
    jax = require(JAX, TRAINS)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    os.environ["KERAS_BACKEND"] = JAX
    jax.distributed.initialize(place.coordinator, place.processes, place.process, cluster_detection_method="deactivate")
    prepare()


def require_jax() -> None:
    """Refuse to train on several processes on another backend than JAX.

    Raises
    ------
    InputError
        With the name of the other.
    """
    chosen = keras_backend(JAX)
    if chosen != JAX:
        raise InputError(
            f"KERAS_BACKEND is `{chosen}`, which trains in one process only; unset it, or set it to jax, to train on "
            "several"
        )


def spans_processes() -> bool:
    """Tell whether this process trains together with others."""
    return backend() == JAX and int(require(JAX, TRAINS).process_count()) > 1


def prepare(n_members: int = 1) -> None:
    """Choose JAX where nobody chose another backend, before Keras is imported.

    Where Keras is there already, or KERAS_BACKEND is set, that backend trains. On a CPU, JAX gets a device a core, as
    many as there are members: the compiled loop of one member runs on one core.
    """
    chosen = keras_backend(JAX)
    if "keras" in sys.modules or chosen == _TENSORFLOW:
        if backend_is(_TENSORFLOW):
            prepare_tensorflow()
        return
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's own messages
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # of the other stages of this process
    warnings.filterwarnings("ignore", module=r"keras")
    if chosen in _OF_EXTRAS:
        require(chosen, TRAINS)
    if chosen == JAX and _FORCED_DEVICES not in os.environ.get("XLA_FLAGS", ""):
        config = require(JAX, TRAINS).config
        n_cores = len(os.sched_getaffinity(0))
        if n_members > 1 and n_cores > 1 and config.jax_num_cpu_devices < 1:
            config.update("jax_num_cpu_devices", min(n_cores, n_members))
    with native_output_hidden():
        _import_without_tensorflow()


def _import_without_tensorflow() -> None:
    """Import Keras so that it does not take seconds to import TensorFlow beside its backend, only to seed it, too."""
    import keras  # noqa: F401, PLC0415
    from keras.src.utils import module_utils  # noqa: PLC0415

    if _TENSORFLOW not in sys.modules:
        sys.modules[_TENSORFLOW] = None  # type: ignore[assignment] # which `import` takes for missing
        try:
            _ = module_utils.tensorflow.available  # what it finds it keeps
        finally:
            del sys.modules[_TENSORFLOW]


def backend_is(name: str) -> bool:
    """Tell whether Keras has, or would have, a backend."""
    if "keras" in sys.modules:
        return backend() == name
    return os.environ.get("KERAS_BACKEND", JAX) == name


def backend() -> str:
    """Give the backend that Keras has."""
    import keras  # noqa: PLC0415

    return str(keras.backend.backend())


def device() -> str:
    """Give what is trained on: gpu or cpu, or tpu."""
    if backend() == JAX:
        return str(require(JAX, TRAINS).devices()[0].platform)
    if backend() == TORCH:  # whose devices Keras does not list
        return "gpu" if require(TORCH, TRAINS).cuda.is_available() else "cpu"
    import keras  # noqa: PLC0415

    return "gpu" if any("gpu" in name.lower() for name in keras.distribution.list_devices()) else "cpu"
