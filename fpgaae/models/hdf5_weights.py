"""Weights out of HDF5, read as data, to their layers: by order in `.keras` files, by names in `.h5` files."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_LAYERS, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.models.architecture import Architecture, WeightPlace, with_weights
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role

Arrays = Mapping[str, h5py.Dataset]
_Found = dict[str, NDArray[np.float32]]


def datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Give every array of numbers in the file itself, by path; links to other files are not followed."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:  # noqa: ANN401
        if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f" or item.shape is None:
            return
        if item.external or item.is_virtual:
            raise InputError(f"its array {name} lies in another file")
        found[name] = item

    group.visititems(visit)
    if sum(item.size * item.dtype.itemsize for item in found.values()) > MODEL_WEIGHTS_BYTES:
        raise InputError(f"its weights have more than {in_mebibytes(MODEL_WEIGHTS_BYTES)}")
    return found


def read_weights(file: Path, architecture: Architecture) -> NetworkDescription:
    """Give the layers of an architecture the weights in a `.h5` file: of weights alone, or of a whole model.

    Raises
    ------
    InputError
        If the file holds no weights.
    """
    with file.open("rb") as stream, h5py.File(stream, "r") as opened:
        if "layers" in opened and "layer_names" not in opened.attrs:
            return with_stored_weights(architecture, datasets(opened), by_name=False)
        group = opened.get("model_weights", opened)
        arrays = datasets(group) if isinstance(group, h5py.Group) else {}
        if not arrays:
            raise InputError("it holds no weights of Keras")
        return with_stored_weights(architecture, arrays, by_name=True)


def with_stored_weights(architecture: Architecture, arrays: Arrays, *, by_name: bool) -> NetworkDescription:
    """Give the layers of an architecture their weights.

    Parameters
    ----------
    by_name
        Whether they lie at the names of the layers, as in `.h5` files, or in the order of each kind of layer.

    Raises
    ------
    InputError
        If there are more layers than anybody needs.
    """
    network, places = architecture
    if len(network.layers) > MODEL_LAYERS:
        raise InputError(f"it has {len(network.layers):,} layers, more than {MODEL_LAYERS:,}")
    find = _by_name if by_name else _by_order
    grouped: dict[str, dict[str, h5py.Dataset]] = {place.group: {} for place in places.values()}
    for path, array in arrays.items() if by_name else ():
        if group := _group(path, grouped):
            grouped[group][path] = array
    weights = {}
    for layer in network.layers:
        if (place := places.get(layer.name)) is not None:
            weights[layer.name] = find(layer, place, grouped[place.group] if by_name else arrays)
    return with_weights(network, weights)


def _by_order(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> _Found:
    paths = {name: f"{place.path}vars/{index}" for index, name in enumerate(layer.weight_names)}
    return {name: np.asarray(arrays[path], dtype=np.float32) for name, path in paths.items() if path in arrays}


def _group(path: str, groups: Container[str]) -> str:
    """Give the group that an array lies in, "" for none: that of a layer, whose name may hold slashes."""
    ends = (index for index in range(len(path) - 1, 0, -1) if path[index] == "/")
    return next((path[:end] for end in ends if path[:end] in groups), "")


def _by_name(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> _Found:
    """Find weights by the last parts of their path: the layer, if it is nested, and the weight's own name."""
    found = {}
    for path, array in arrays.items():
        parents, _, leaf = path.removeprefix(place.group).rpartition("/")
        name = leaf.split(":")[0]
        if name == "kernel" and layer.role is Role.DEPTHWISE:  # as Keras 3 calls it
            name = "depthwise_kernel"
        if name in layer.weight_names and (place.layer == place.group or parents.endswith(f"/{place.layer}")):
            found[name] = np.asarray(array, dtype=np.float32)
    return found
