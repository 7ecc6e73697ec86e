"""A SavedModel folder to its description: of Keras 2 its layers are JSON in it, of an export its graph is read.

Both are read as data, and so are the weights, a checkpoint: no graph is loaded or executed, and no class is looked up.
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
from fpgaae.limits import MODEL_CONFIG_BYTES, MODEL_LAYERS, in_mebibytes
from fpgaae.models.architecture import Architecture, read_architecture, with_weights
from fpgaae.models.checkpoint import VARIABLES, Checkpoint, parse
from fpgaae.models.description import NetworkDescription
from fpgaae.models.exported_graph import GRAPH_FILE
from fpgaae.models.exported_layers import read_export
from fpgaae.tensorflow_setup import prepare

METADATA_FILE = "keras_metadata.pb"
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
    files = [folder / (METADATA_FILE if has_layers(folder) else GRAPH_FILE), *sorted(folder.glob(f"{VARIABLES}.*"))]
    return {str(file.relative_to(folder)): file for file in files if file.is_file()}


def has_layers(folder: Path) -> bool:
    """Tell whether a folder says the layers of Keras, and not operations only."""
    return (folder / METADATA_FILE).is_file()


def require_saved_model(folder: Path) -> None:
    """Refuse a folder that is none of a SavedModel.

    Raises
    ------
    InputError
        With what can be done instead.
    """
    if not is_saved_model(folder):
        raise InputError(f"{folder} is a folder, but none of a SavedModel; give the path of a model")


def read_saved_model(folder: Path) -> NetworkDescription:
    """Read the layers and the weights of a SavedModel.

    Raises
    ------
    InputError
        If it is damaged, or an operation of an export is not read.
    """
    if not has_layers(folder):
        return read_export(folder)
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
    parse(metadata, file.read_bytes())
    found = []
    for node in metadata.nodes:
        first, *path = node.node_path.split(".")
        if first == _ROOT and node.identifier.startswith("_tf_keras"):
            found.append(_Node(tuple(path), json.loads(node.metadata)))
    if len(found) > MODEL_LAYERS:
        raise InputError(f"it has {len(found):,} layers, more than {MODEL_LAYERS:,}")
    return found


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
    path_of = {_names_along(node.path, nodes): node.path for node in nodes}
    checkpoint = Checkpoint(folder)
    for layer in architecture.network.layers:
        place = architecture.places.get(layer.name)
        path = None if place is None else path_of.get(place.names)
        arrays = {} if path is None else {name: checkpoint.array((*path, name)) for name in layer.weight_names}
        yield layer.name, {name: array for name, array in arrays.items() if array is not None}


def _names_along(path: tuple[str, ...], nodes: list[_Node]) -> tuple[str, ...]:
    """Give the names of the models that an object stands in, and its own."""
    names = {node.path: str(node.content.get("name")) for node in nodes}
    return tuple(names.get(path[: n + 1], path[n]) for n in range(len(path)))
