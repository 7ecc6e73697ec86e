"""A model file evaluated by Keras (or QKeras) itself, layer by layer, to compare what fpgaae makes of it with.

`python -m fpgaae.models.file_graph FILE FOLDER` reads `FOLDER/inputs.npz` and writes `FOLDER/outputs.npz`. It shares no
code with the way from a file to the firmware: Keras builds the graph, and Keras puts the weights into it. Only classes
by name of a fixed list are looked up, everything that has no effect on a trained model (initializers, regularizers,
constraints, the optimizer) is left out before, and weights are arrays of numbers: nothing in the file is executed.

Calculated in double precision, so that what differs is no rounding. This module imports Keras 3 or TensorFlow (Keras 2,
QKeras) inside its functions.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.keras_layers import LAYERS, PRUNING_WRAPPER
from fpgaae.models.quantizers import Quantizer, read_quantizer

PRECISION = "float64"
INPUTS_FILE, OUTPUTS_FILE = "inputs.npz", "outputs.npz"
Outputs = dict[str, NDArray[np.float64]]
_LEFT_OUT = ("_initializer", "_regularizer", "_constraint")
_NEVER = frozenset({"build_config", "compile_config", "build_input_shape", "shared_object_id", "training_config"})
_LAYERS = frozenset(kind for kind, row in LAYERS.items() if row.settings is not None)
_CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
_PARTS = frozenset({"__keras_tensor__", "DTypePolicy", "Policy", "ConstantSparsity", "PolynomialDecay"})
_QUANTIZERS = frozenset(
    {"quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "quantized_linear", "quantized_po2",
     "quantized_relu_po2", "quantized_hswish", "binary", "ternary"}
)  # fmt: skip
_MODULES = frozenset({"keras", "tf_keras", "tensorflow_model_optimization", "qkeras", "fpgaae"})
_FUNCTIONS = frozenset(
    {"linear", "relu", "sigmoid", "tanh", "softplus", "softsign", "exponential", "elu", "selu", "hard_sigmoid",
     "hard_tanh", "leaky_relu", "relu6"}
)  # fmt: skip


class Rounded(Enum):
    """What a QKeras model rounds."""

    ALL = "all"
    WEIGHTS = "weights"
    NOTHING = "nothing"


class _File(NamedTuple):
    """What Keras needs of a file."""

    config: Any  # of the model, as the file says it
    is_archive: bool
    is_keras_3: bool


def evaluate_file(file: Path, x: NDArray[np.floating], folder: Path, rounding: Rounded) -> Outputs:
    """Give what every layer of a model file puts out, by its name; of nested models, only what they put out.

    Parameters
    ----------
    x
        Events in the shape that the model takes.
    folder
        Where weights may be unpacked to.
    rounding
        What is rounded as a QKeras model says.

    Raises
    ------
    InputError
        If something in the file is not on the list.
    """
    read = _read(file)
    config = safe_config(read.config)
    if rounding is not Rounded.ALL:
        config = _without_rounding(config, rounding)
    weights = folder / ("model.weights.h5" if read.is_archive else "model.h5")
    if read.is_archive:
        with zipfile.ZipFile(file) as archive:
            weights.write_bytes(archive.read("model.weights.h5"))
    else:
        weights.write_bytes(file.read_bytes())
    if read.is_keras_3:
        return _by_keras_3(config, weights, x)
    return _by_keras_2(config, weights, x)


def _read(file: Path) -> _File:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
            named = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        return _File(config, True, str(named.get("keras_version", "")).startswith("3"))
    with h5py.File(file, "r") as opened:
        config = json.loads(opened.attrs["model_config"])
        version = opened.attrs.get("keras_version", "")
    version = version.decode() if isinstance(version, bytes) else str(version)
    return _File(config, False, version.startswith("3"))


def safe_config(value: Any) -> Any:  # noqa: ANN401
    """Give the config of a model without what has no effect, in double precision, and of listed classes only.

    Raises
    ------
    InputError
        If it names another class, or a module that is not that of a listed class.
    """
    if isinstance(value, list):
        return [safe_config(entry) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" in value:
        _check_class(value)
        if value["class_name"] in {"DTypePolicy", "Policy"}:
            return PRECISION
    for key, entry in value.items():
        if (key == "activation" or key.endswith("_quantizer")) and isinstance(entry, str):
            _check_text(entry)
    kept = {
        key: safe_config(entry) for key, entry in value.items() if not key.endswith(_LEFT_OUT) and key not in _NEVER
    }
    if "dtype" in kept and "class_name" not in kept:
        kept["dtype"] = PRECISION
    return kept


def _check_class(spec: Mapping[str, Any]) -> None:
    kind = str(spec["class_name"])
    known = kind.rsplit(">", maxsplit=1)[-1] in _LAYERS | _CONTAINERS | _PARTS | _QUANTIZERS | {PRUNING_WRAPPER}
    is_function = kind == "function" and str(spec.get("config")) in _FUNCTIONS
    module = str(spec.get("module") or "keras").split(".")[0]
    if (module not in _MODULES and spec.get("module") != "builtins") or not (known or is_function):
        raise InputError(f"the class {kind[:60]!r} is not one that a comparison loads")


def _check_text(text: str) -> None:
    """Refuse a quantizer in words that QKeras would have to look up elsewhere."""
    found = read_quantizer(text)
    if found is not None and found.kind not in _QUANTIZERS | _FUNCTIONS:
        raise InputError(f"the activation or quantizer {text[:60]!r} is not one that a comparison loads")


def _without_rounding(value: Any, rounding: Rounded) -> Any:  # noqa: ANN401
    """Give a config whose activations, and weights unless they are to be rounded, are as before QKeras rounds them."""
    if isinstance(value, list):
        return [_without_rounding(entry, rounding) for entry in value]
    if not isinstance(value, Mapping):
        return value
    kept = {key: _without_rounding(entry, rounding) for key, entry in value.items()}
    settings = kept.get("config")
    if isinstance(settings, dict) and "activation" in settings:
        settings["activation"] = _exact_activation(read_quantizer(settings["activation"]))
        if kept.get("class_name") == "QActivation":
            kept["class_name"] = "Activation"
        if rounding is Rounded.NOTHING:
            settings |= dict.fromkeys(key for key in settings if key.endswith("_quantizer"))
    return kept


def _exact_activation(quantizer: Quantizer | None) -> str:
    if quantizer is None or quantizer.kind == "quantized_bits":
        return "linear"
    return quantizer.kind.removeprefix("quantized_")


def _by_keras_2(config: Any, weights: Path, x: NDArray[np.floating]) -> Outputs:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras.utils import _add_supported_quantized_objects  # noqa: PLC0415
    from tensorflow_model_optimization.python.core.sparsity.keras import prune  # noqa: PLC0415

    from fpgaae.models.own_layers import OWN_LAYERS  # noqa: PLC0415

    known: dict[str, Any] = dict(OWN_LAYERS)
    _add_supported_quantized_objects(known)
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx(PRECISION)  # QKeras takes its precision from there
    try:
        with prune.prune_scope():
            model = tf_keras.models.model_from_json(json.dumps(config), custom_objects=known)
        return _run(tf_keras, model, weights, x)
    finally:
        tf_keras.backend.set_floatx(before)


def _by_keras_3(config: Any, weights: Path, x: NDArray[np.floating]) -> Outputs:  # noqa: ANN401
    import keras  # noqa: PLC0415
    from keras.src.legacy.saving import saving_utils  # noqa: PLC0415

    is_legacy = "module" not in config  # as `.h5` files are written
    model = (
        saving_utils.model_from_config(config)
        if is_legacy
        else keras.saving.deserialize_keras_object(config, safe_mode=True)
    )
    return _run(keras, model, weights, x)


def _run(library: Any, model: Any, weights: Path, x: NDArray[np.floating]) -> Outputs:  # noqa: ANN401
    if not model.built:
        model.build((None, *x.shape[1:]))
    model.load_weights(str(weights))
    names, tensors = [], []
    for layer in model.layers:
        tensor = _output_of(layer)
        if tensor is not None:
            names.append(layer.name)
            tensors.append(tensor)
    found = library.Model(model.inputs, tensors).predict_on_batch(x.astype(PRECISION))
    arrays = found if isinstance(found, list | tuple) else [found]
    return {name: np.asarray(array, dtype=PRECISION) for name, array in zip(names, arrays, strict=True)}


def _output_of(layer: Any) -> Any:  # noqa: ANN401
    """Give the one tensor that a layer puts out, None where it has several."""
    try:
        nodes = len(layer.inbound_nodes) if hasattr(layer, "inbound_nodes") else 0
        # of a nested model in Keras 2, the last node is the one in the outer graph
        tensor = layer.get_output_at(nodes - 1) if nodes else layer.output
    except (AttributeError, ValueError, RuntimeError):
        return None
    return None if isinstance(tensor, list | tuple) else tensor


def main(file: Path, folder: Path) -> None:
    """Evaluate a file on the inputs in a folder."""
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    safe_config(_read(file).config)  # what can't be read says so sooner than TensorFlow starts
    prepare()
    answer(folder, lambda x, rounding: evaluate_file(file, x, folder, rounding))


def answer(folder: Path, evaluate: Callable[[NDArray[np.floating], Rounded], Outputs]) -> None:
    """Evaluate what a folder asks for, and write it there."""
    with np.load(folder / INPUTS_FILE) as given:
        found = {mode: evaluate(given["x"], Rounded(mode)) for mode in given["rounded"].tolist()}
    names = {mode: list(outputs) for mode, outputs in found.items()}
    arrays: dict[str, Any] = {
        f"{mode}_{index}": array for mode, outputs in found.items() for index, array in enumerate(outputs.values())
    }
    np.savez(folder / OUTPUTS_FILE, names=np.array(json.dumps(names)), **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
