"""A Keras model file to a description with weights, without executing anything in it.

`.keras` (Keras 2 and 3) is a zip of JSON and HDF5, `.h5` is HDF5 with the JSON as an attribute. Both are read as data:
no class is looked up, no function deserialised, no link followed out of the file.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.architecture import WeightPlace, read_architecture
from fpgaae.models.description import QUANTIZED, WEIGHTED, LayerDescription, NetworkDescription

_MAX_BYTES = 2**30  # a zip may unfold to anything
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
Arrays = Mapping[str, h5py.Dataset]


def read_model_file(file: Path) -> NetworkDescription:
    """Read a `.keras` or `.h5` model.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or holds what is not in the allow-list.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
            if start.startswith(_ZIP):
                return _read_keras(stream)
            if start == _HDF5:
                return _read_hdf5(stream)
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; give a .keras or .h5 file") from None
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{file} is damaged or no Keras model ({_one_line(error)}); save the model again") from None
    raise InputError(f"{file} is neither a .keras nor an .h5 file (pickles are never read); save it with model.save")


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _read_keras(stream: Any) -> NetworkDescription:  # noqa: ANN401
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        content = json.loads(_member(archive, "config.json"))
        network, places = read_architecture(content)
        with h5py.File(io.BytesIO(_member(archive, "model.weights.h5")), "r") as weights:
            arrays = _datasets(weights)
            return _with_weights(network, {
                layer.name: _by_order(layer, places[layer.name], arrays) for layer in _weighted(network)
            })  # fmt: skip


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MAX_BYTES:
        raise InputError(f"its {name} has more than {_MAX_BYTES >> 20:,} MiB; give a smaller model")
    return archive.read(name)


def _read_hdf5(stream: Any) -> NetworkDescription:  # noqa: ANN401
    stream.seek(0)
    with h5py.File(stream, "r") as file:
        if "model_config" not in file.attrs:
            raise InputError("it holds weights only; save the whole model with model.save")
        text = file.attrs["model_config"]
        network, places = read_architecture(json.loads(text.decode() if isinstance(text, bytes) else text))
        arrays = _datasets(file["model_weights"])
        return _with_weights(network, {
            layer.name: _by_name(layer, places[layer.name], arrays) for layer in _weighted(network)
        })  # fmt: skip


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Give every array in the file itself, by path; links to other files are not followed."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:  # noqa: ANN401
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual or item.size * 8 > _MAX_BYTES:
                raise InputError(f"its array {name} lies in another file or is too large; save the model again")
            found[name] = item

    group.visititems(visit)
    return found


def _weighted(network: NetworkDescription) -> list[LayerDescription]:
    return [layer for layer in network.layers if _weight_names(layer)]


def _weight_names(layer: LayerDescription) -> tuple[str, ...]:
    """Give the names of a layer's weights in the order in which Keras saves them."""
    if layer.kind in WEIGHTED | QUANTIZED:
        return ("kernel", "bias") if layer.settings.get("use_bias", True) else ("kernel",)
    if layer.kind == "BatchNormalization":
        optional = [n for n, key in (("gamma", "scale"), ("beta", "center")) if layer.settings.get(key, True)]
        return (*optional, "moving_mean", "moving_variance")
    return ()


def _by_order(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    names = _weight_names(layer)
    return {name: _array(layer, name, arrays.get(f"{place.path}vars/{i}")) for i, name in enumerate(names)}


def _by_name(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    """Find weights by the last parts of their path: the layer, if it is nested, and the weight's own name."""
    mine = {}
    for path, array in arrays.items():
        group, *parents, leaf = path.split("/")
        if group == place.group and (place.layer == place.group or place.layer in parents[-1:]):
            mine[leaf.split(":")[0]] = array
    return {name: _array(layer, name, mine.get(name)) for name in _weight_names(layer)}


def _array(layer: LayerDescription, name: str, dataset: h5py.Dataset | None) -> NDArray[np.float32]:
    if dataset is None:
        raise InputError(f"it lacks the {name} of the layer {layer.name}; save the model again")
    found = np.asarray(dataset, dtype=np.float32)
    if not np.isfinite(found).all():
        raise InputError(f"the {name} of the layer {layer.name} is not finite; train the model again")
    return found


def _with_weights(
    network: NetworkDescription, weights: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> NetworkDescription:
    layers = tuple(layer.changed(weights=weights.get(layer.name, {})) for layer in network.layers)
    return NetworkDescription(layers, network.outputs)
