"""A model file evaluated by Keras (or QKeras) itself, layer by layer, to compare what fpgaae makes of it with.

`python -m fpgaae.models.file_graph FILE FOLDER [WEIGHTS]` reads `FOLDER/inputs.npz` and writes `FOLDER/outputs.npz`.
It shares no code with the way from a file to the firmware: Keras builds the graph, and Keras puts the weights into it.
Only classes by name of a fixed list are looked up, everything that has no effect on a trained model (initializers,
regularizers, constraints, the optimizer) is left out before, and weights are arrays of numbers: nothing in the file is
executed.

Calculated in double precision, so that what differs is no rounding. This module imports Keras 3 or TensorFlow (Keras 2,
QKeras) inside its functions.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.models.double_precision import double_precision
from fpgaae.models.kept_weights import keep_counted, keep_named
from fpgaae.models.quantizers import Quantizer, read_quantizer
from fpgaae.models.safe_config import PRECISION, safe_config, without_strangers

_WHOLE, _COUNTED = "model.h5", "model.weights.h5"  # weights by the names of layers, or in their order
_CHECKPOINT, _METADATA = Path("variables") / "variables", "keras_metadata.pb"
INPUTS_FILE, OUTPUTS_FILE = "inputs.npz", "outputs.npz"
Outputs = dict[str, NDArray[np.float64]]


class Rounded(Enum):
    """What a QKeras model rounds."""

    ALL = "all"
    WEIGHTS = "weights"
    NOTHING = "nothing"


class _Form(Enum):
    """Where the weights of a model lie."""

    ARCHIVE = "archive"  # with the architecture in a zip
    HDF5 = "hdf5"
    APART = "apart"  # in another file than the architecture
    CHECKPOINT = "checkpoint"


class _File(NamedTuple):
    """What Keras needs of a file."""

    config: Any  # of the model, as the file says it
    form: _Form
    is_keras_3: bool


def evaluate_file(
    file: Path, x: NDArray[np.floating], folder: Path, rounding: Rounded, weights: Path | None = None
) -> Outputs:
    """Give what every layer of a model file puts out, by its name; behind those of the models that it stands in.

    Parameters
    ----------
    x
        Events in the shape that the model takes.
    folder
        Where weights may be unpacked to.
    rounding
        What is rounded as a QKeras model says.
    weights
        The file with the weights of an architecture in JSON.

    Raises
    ------
    InputError
        If something in the file is not on the list.
    """
    if file.is_dir() and not (file / _METADATA).is_file():
        from fpgaae.models.exported_execution import evaluate_export  # noqa: PLC0415 - TensorFlow

        return evaluate_export(file, x)
    read = _read(file)
    known = without_strangers(read.config)
    config = safe_config(known)
    if rounding is not Rounded.ALL:
        config = _without_rounding(config, rounding)
    stored = _weights_for_keras(read.form, file, weights, folder)
    options = {}
    if known != read.config and stored.name == _COUNTED:
        keep_counted(stored, read.config, known)
    elif known != read.config and stored.name == _WHOLE:  # where layers are missing their weights are, too
        keep_named(stored, read.config, known)
        options = {"by_name": True}
    if read.is_keras_3:
        return _by_keras_3(config, stored, options, x)
    return _by_keras_2(config, stored, options, x)


def _weights_for_keras(form: _Form, file: Path, weights: Path | None, folder: Path) -> Path:
    """Put weights where Keras takes them from: it goes by the ending of a name."""
    if form is _Form.CHECKPOINT:
        return file / _CHECKPOINT
    if form is _Form.ARCHIVE:
        with zipfile.ZipFile(file) as archive:
            content = archive.read("model.weights.h5")
        name = _COUNTED
    else:
        content = (weights or file).read_bytes()
        with h5py.File(io.BytesIO(content), "r") as opened:
            name = _COUNTED if "layers" in opened and "layer_names" not in opened.attrs else _WHOLE
    stored = folder / name
    stored.write_bytes(content)
    return stored


def _read(file: Path) -> _File:
    if file.is_dir():
        return _File(_root_of_saved_model(file / _METADATA), _Form.CHECKPOINT, False)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
            named = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        return _File(config, _Form.ARCHIVE, str(named.get("keras_version", "")).startswith("3"))
    if not h5py.is_hdf5(file):
        config = json.loads(file.read_bytes())
        return _File(config, _Form.APART, str(config.get("keras_version", "3")).startswith("3"))
    with h5py.File(file, "r") as opened:
        config = json.loads(opened.attrs["model_config"])
        version = opened.attrs.get("keras_version", "")
    version = version.decode() if isinstance(version, bytes) else str(version)
    return _File(config, _Form.HDF5, version.startswith("3"))


def _root_of_saved_model(file: Path) -> Any:  # noqa: ANN401
    from tf_keras.protobuf import saved_metadata_pb2  # noqa: PLC0415

    metadata = saved_metadata_pb2.SavedMetadata()
    metadata.ParseFromString(file.read_bytes())
    root = json.loads(next(node.metadata for node in metadata.nodes if node.node_path == "root"))
    return {"class_name": root["class_name"], "config": _listed(root["config"])}


def _listed(value: Any) -> Any:  # noqa: ANN401
    """Give lists for what a SavedModel calls tuples."""
    if isinstance(value, Mapping):
        is_tuple = value.get("class_name") == "__tuple__"
        return _listed(value["items"]) if is_tuple else {key: _listed(entry) for key, entry in value.items()}
    return [_listed(entry) for entry in value] if isinstance(value, list) else value


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
    if quantizer is None or quantizer.kind in {"quantized_bits", "quantized_linear"}:
        return "linear" if quantizer is None or quantizer.options.get("keep_negative", True) else "relu"
    return quantizer.kind.removeprefix("quantized_")


def _by_keras_2(config: Any, weights: Path, options: Mapping[str, bool], x: NDArray[np.floating]) -> Outputs:  # noqa: ANN401
    import tf_keras  # noqa: PLC0415
    from qkeras.utils import _add_supported_quantized_objects  # noqa: PLC0415
    from tensorflow_model_optimization.python.core.sparsity.keras import prune  # noqa: PLC0415

    from fpgaae.models.own_layers import OWN_LAYERS  # noqa: PLC0415

    known: dict[str, Any] = dict(OWN_LAYERS)
    _add_supported_quantized_objects(known)
    with double_precision(), prune.prune_scope():
        model = tf_keras.models.model_from_json(json.dumps(config), custom_objects=known)
        _build(model, x)
        if weights.name == _CHECKPOINT.name:  # which gives its values in single precision only
            single = json.dumps(config).replace(f'"{PRECISION}"', '"float32"')
            stored = tf_keras.models.model_from_json(single, custom_objects=known)
            _build(stored, x)
            stored.load_weights(str(weights)).expect_partial()
            model.set_weights(stored.get_weights())
        else:
            model.load_weights(str(weights), **options)
        return dict(_outputs(tf_keras, model, x.astype(PRECISION), ()))


def _by_keras_3(config: Any, weights: Path, options: Mapping[str, bool], x: NDArray[np.floating]) -> Outputs:  # noqa: ANN401
    import keras  # noqa: PLC0415
    from keras.src.legacy.saving import saving_utils  # noqa: PLC0415

    is_legacy = "module" not in config  # as `.h5` files are written
    model = (
        saving_utils.model_from_config(config)
        if is_legacy
        else keras.saving.deserialize_keras_object(config, safe_mode=True)
    )
    _build(model, x)
    model.load_weights(str(weights), **options)
    return dict(_outputs(keras, model, x.astype(PRECISION), ()))


def _build(model: Any, x: NDArray[np.floating]) -> None:  # noqa: ANN401
    if not model.built:
        model.build((None, *x.shape[1:]))


def _outputs(
    library: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    x: Any,  # noqa: ANN401
    within: tuple[str, ...],
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Give what the layers of a model put out, and those of the models in it."""
    tensors = {(*within, layer.name): _output_of(layer) for layer in model.layers}
    nested = {layer: _input_of(layer) for layer in model.layers if hasattr(layer, "layers")}
    asked = [tensor for tensor in (*tensors.values(), *nested.values()) if tensor is not None]
    found = iter(_listed_arrays(library.Model(model.inputs, asked).predict_on_batch(x)))
    for names, tensor in tensors.items():
        if tensor is not None:
            yield "/".join(names), np.asarray(next(found), dtype=PRECISION)
    for layer, tensor in nested.items():
        if tensor is not None:
            yield from _outputs(library, layer, next(found), (*within, layer.name))


def _listed_arrays(found: Any) -> list[Any]:  # noqa: ANN401
    return list(found) if isinstance(found, list | tuple) else [found]


def _input_of(model: Any) -> Any:  # noqa: ANN401
    """Give the one tensor that a nested model reads in the graph that it stands in, None where it has several."""
    nodes = _nodes(model)
    return _one(nodes[-1].input_tensors) if nodes else None


def _output_of(layer: Any) -> Any:  # noqa: ANN401
    """Give the one tensor that a layer puts out in the graph that it stands in, None where it has several.

    `layer.output` of a nested model is a tensor of its own graph.
    """
    nodes = _nodes(layer)
    return _one(nodes[-1].output_tensors) if nodes else None


def _nodes(layer: Any) -> Any:  # noqa: ANN401
    """Give the calls of a layer, that in the graph of the model around it last."""
    return getattr(layer, "inbound_nodes", None) or getattr(layer, "_inbound_nodes", [])


def _one(tensors: Any) -> Any:  # noqa: ANN401
    listed = list(tensors.values()) if isinstance(tensors, Mapping) else tensors
    listed = listed if isinstance(listed, list | tuple) else [listed]
    return listed[0] if len(listed) == 1 else None


def main(file: Path, folder: Path, weights: Path | None = None) -> None:
    """Evaluate a file on the inputs in a folder."""
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    if not file.is_dir():
        safe_config(without_strangers(_read(file).config))  # what can't be read says so sooner than TensorFlow starts
    prepare()
    answer(folder, lambda x, rounding: evaluate_file(file, x, folder, rounding, weights))


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
    main(*map(Path, sys.argv[1:]))
