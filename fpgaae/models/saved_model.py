"""A SavedModel folder of Keras 2 to its description: its layers are JSON in it, its weights a checkpoint.

Both are read as data: the graphs of operations beside them are neither loaded nor executed, and no class is looked up.
This module imports TensorFlow (Keras 2) inside its functions, for the formats of the two files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_CONFIG_BYTES, MODEL_LAYERS, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.models.architecture import Architecture, read_architecture, with_weights
from fpgaae.models.description import NetworkDescription
from fpgaae.tensorflow_setup import prepare

GRAPH_FILE, METADATA_FILE = "saved_model.pb", "keras_metadata.pb"
VARIABLES = "variables/variables"  # the beginning of the names of the checkpoint's files
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_ROOT = "root"


class _Node(NamedTuple):
    """What the metadata say of one object: where it lies, and what it is."""

    path: tuple[str, ...]  # from the model on, as (layer_with_weights-0,)
    content: Mapping[str, Any]


def is_saved_model(folder: Path) -> bool:
    """Tell whether a folder is that of a SavedModel."""
    return any((folder / name).is_file() for name in (GRAPH_FILE, METADATA_FILE))


def saved_model_files(folder: Path) -> dict[str, Path]:
    """Give the files of a SavedModel that are read, by their names in the folder."""
    files = [folder / METADATA_FILE, *sorted(folder.glob(f"{VARIABLES}.*"))]
    return {str(file.relative_to(folder)): file for file in files if file.is_file()}


def require_layers(folder: Path) -> None:
    """Refuse a folder that says no layers.

    Raises
    ------
    InputError
        With what can be done instead.
    """
    if not (folder / METADATA_FILE).is_file():
        raise InputError(
            f"{folder} is a SavedModel of operations only, as model.export writes it, without layers of Keras; save "
            "the model with model.save('model.keras'), or convert the folder to ONNX with tf2onnx"
            if (folder / GRAPH_FILE).is_file()
            else f"{folder} is a folder, but none of a SavedModel; give the path of a model"
        )


def read_saved_model(folder: Path) -> NetworkDescription:
    """Read the layers and the weights of a SavedModel.

    Raises
    ------
    InputError
        If it is damaged.
    """
    nodes = _read_metadata(folder / METADATA_FILE)
    root = next((node.content for node in nodes if not node.path), None)
    if root is None:
        raise InputError("its metadata name no model")
    architecture = read_architecture(_plain(root), "2")
    return with_weights(architecture.network, dict(_weights(folder, architecture, nodes)))


def _read_metadata(file: Path) -> list[_Node]:
    prepare()
    from tf_keras.protobuf import saved_metadata_pb2  # noqa: PLC0415

    if file.stat().st_size > MODEL_CONFIG_BYTES:
        raise InputError(f"its {file.name} has more than {in_mebibytes(MODEL_CONFIG_BYTES)}")
    metadata = saved_metadata_pb2.SavedMetadata()
    _parse(metadata, file.read_bytes())
    found = []
    for node in metadata.nodes:
        first, *path = node.node_path.split(".")
        if first == _ROOT and node.identifier.startswith("_tf_keras"):
            found.append(_Node(tuple(path), json.loads(node.metadata)))
    if len(found) > MODEL_LAYERS:
        raise InputError(f"it has {len(found):,} layers, more than {MODEL_LAYERS:,}")
    return found


def _parse(message: Any, serialized: bytes) -> None:  # noqa: ANN401
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        message.ParseFromString(serialized)
    except DecodeError:
        raise InputError(f"its {type(message).__name__} is damaged") from None


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Give JSON whose tuples are lists, as in the other formats."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "__tuple__":
        return _plain(value.get("items", []))
    return {key: _plain(entry) for key, entry in value.items()}


def _weights(
    folder: Path, architecture: Architecture, nodes: list[_Node]
) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Give the weights of every layer from the checkpoint: its objects lie at the paths that the metadata name."""
    from tensorflow.errors import OpError  # noqa: PLC0415
    from tensorflow.train import load_checkpoint  # noqa: PLC0415

    path_of = {_names_along(node.path, nodes): node.path for node in nodes}
    try:
        reader = load_checkpoint(str(folder / VARIABLES))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        n_bytes = sum(int(np.prod(shape, dtype=np.int64)) * types[key].size for key, shape in shapes.items())
        if n_bytes > MODEL_WEIGHTS_BYTES:
            raise InputError(f"its weights have more than {in_mebibytes(MODEL_WEIGHTS_BYTES)}")
        objects = _Objects(reader.get_tensor(_OBJECTS))
        for layer in architecture.network.layers:
            place = architecture.places.get(layer.name)
            path = None if place is None else path_of.get(place.names)
            keys = {} if path is None else {name: objects.key((*path, name)) for name in layer.weight_names}
            yield layer.name, {n: np.asarray(reader.get_tensor(key), np.float32) for n, key in keys.items() if key}
    except OpError as error:
        raise InputError(f"its checkpoint can't be read ({str(error).splitlines()[0][:200]})") from None


def _names_along(path: tuple[str, ...], nodes: list[_Node]) -> tuple[str, ...]:
    """Give the names of the models that an object stands in, and its own."""
    names = {node.path: str(node.content.get("name")) for node in nodes}
    return tuple(names.get(path[: n + 1], path[n]) for n in range(len(path)))


class _Objects:
    """The objects of a checkpoint, from the model on."""

    def __init__(self, serialized: bytes) -> None:
        from tensorflow.core.protobuf import trackable_object_graph_pb2  # noqa: PLC0415

        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        _parse(graph, serialized)
        self._nodes = graph.nodes

    def key(self, path: tuple[str, ...]) -> str | None:
        """Give the key of a variable."""
        index: int | None = 0
        for name in path:
            children = self._nodes[index].children
            index = next((child.node_id for child in children if child.local_name == name), None)
            if index is None:
                return None
        attributes = self._nodes[index].attributes
        return attributes[0].checkpoint_key if attributes else None
