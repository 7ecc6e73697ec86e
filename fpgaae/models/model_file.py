"""A model file to its description with weights, without executing anything in it.

`.keras` (Keras 2 and 3) is a zip of JSON and HDF5, `.h5` is HDF5 with the JSON as an attribute. Both are read as data:
no class is looked up, no function deserialised, no link followed out of the file. What is missing or makes no sense
stays so in the description; `fpgaae.models.weights` names it.
"""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import LAYER_VALUES, MODEL_CONFIG_BYTES, MODEL_LAYERS, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.models.architecture import Architecture, WeightPlace, read_architecture, with_weights
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.onnx_file import ONNX_SUFFIXES, read_onnx_file
from fpgaae.models.shapes import shapes_of_layers

MODEL_SUFFIXES = frozenset({".h5", ".hdf5", ".keras"}) | ONNX_SUFFIXES
_DAMAGE = (  # what h5py, JSON and settings of other types than expected end in
    OSError, EOFError, ArithmeticError, AttributeError, ValueError, LookupError, TypeError, RuntimeError,
)  # fmt: skip
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_ONNX = b"\x08"  # of the field `ir_version`, which is written first
Arrays = Mapping[str, h5py.Dataset]
Found = dict[str, NDArray[np.float32]]


def read_model_file(file: Path) -> NetworkDescription:
    """Read a `.keras`, `.h5` or `.onnx` model.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds no model.
    ToolMissing
        If it is an ONNX file, and the package `onnx` is not installed.
    """
    if file.is_dir() and ((file / "saved_model.pb").is_file() or (file / "keras_metadata.pb").is_file()):
        raise InputError(
            f"{file} is a SavedModel folder, whose graph of operations is not read; load it in Keras and save it with "
            "model.save('model.h5')"
        )
    if not file.is_file():
        raise InputError(f"{file} is not there; give the path of a model (.h5, .keras or .onnx)")
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
            stream.seek(0)
            if start.startswith(_ZIP):
                return _bounded(_read_keras(stream))
            if start == _HDF5:
                return _bounded(_read_hdf5(stream))
            if is_onnx(file, start):
                return _bounded(read_onnx_file(file).network)
            raise InputError(
                f"it is none of a .keras, .h5 and .onnx file (pickles are never read){_other_format(file, start)}"
            )
    except InputError as error:
        raise InputError(f"{file} holds no readable model: {error}; save the model again") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError) as error:
        raise InputError(f"{file} is a damaged archive ({error}); save the model again") from None
    except (
        OSError,
        EOFError,
        ArithmeticError,
        AttributeError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
    ) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"{file} holds no readable model ({reason}); save the model again") from None


def is_onnx(file: Path, start: bytes | None = None) -> bool:
    """Tell whether a file is one of ONNX: by its ending, or by the version that such a file begins with.

    Parameters
    ----------
    start
        Its first bytes, if they are known.
    """
    if start is None:
        with file.open("rb") as stream:
            start = stream.read(8)
    return file.suffix in ONNX_SUFFIXES or start[:1] == _ONNX


def _bounded(network: NetworkDescription) -> NetworkDescription:
    """Give the network back if what its layers announce can be built in little memory."""
    for name, shape in shapes_of_layers(network).items():
        if shape is not None and prod(shape) > LAYER_VALUES:
            raise InputError(f"its layer {name} puts out {prod(shape):,} values, more than {LAYER_VALUES:,}")
    return network


def _other_format(file: Path, start: bytes) -> str:
    """Name the format of a model that is not one of Keras', and the way from there."""
    if start[4:8] == b"TFL3":
        return ": a TFLite model, whose weights are rounded already; give the Keras model that it was converted from"
    if file.suffix in {".pt", ".pth"}:
        return ": a PyTorch file, which is a pickle; build its layers in Keras or QKeras and save that"
    if start.lstrip()[:1] == b"{":
        return (
            ": JSON, which is an architecture without weights; build the model from it in Keras, load them, and save it"
        )
    return ""


def _read_keras(stream: Any) -> NetworkDescription:  # noqa: ANN401
    with zipfile.ZipFile(stream) as archive:
        if any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.namelist()):
            raise InputError(
                "it is a PyTorch file, which is a pickle; build its layers in Keras or QKeras and save that"
            )
        if "config.json" not in archive.namelist():
            raise InputError("the archive has no config.json")
        architecture = read_architecture(
            json.loads(_member(archive, "config.json", MODEL_CONFIG_BYTES)), _version_of(archive)
        )
        if "model.weights.h5" not in archive.namelist():
            return architecture.network
        with h5py.File(io.BytesIO(_member(archive, "model.weights.h5", MODEL_WEIGHTS_BYTES)), "r") as weights:
            return _with_weights(architecture, _datasets(weights), by_name=False)


def _version_of(archive: zipfile.ZipFile) -> str:
    """Give the version of the Keras that wrote an archive, empty where it does not say it."""
    if "metadata.json" not in archive.namelist():
        return ""
    metadata = json.loads(_member(archive, "metadata.json", MODEL_CONFIG_BYTES))
    return str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise InputError(f"its {name} has more than {in_mebibytes(limit)}")
    return archive.read(name)


def _read_hdf5(stream: Any) -> NetworkDescription:  # noqa: ANN401
    with h5py.File(stream, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise InputError("it holds weights only; save the whole model with model.save")
        if not isinstance(text, str | bytes):
            raise InputError("its model_config is no text")
        if len(text) > MODEL_CONFIG_BYTES:
            raise InputError(f"its model_config has more than {in_mebibytes(MODEL_CONFIG_BYTES)}")
        version = file.attrs.get("keras_version", "")
        architecture = read_architecture(
            json.loads(text), version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        )
        group = file.get("model_weights")
        arrays = _datasets(group) if isinstance(group, h5py.Group) else {}
        return _with_weights(architecture, arrays, by_name=True)


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
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


def _with_weights(architecture: Architecture, arrays: Arrays, *, by_name: bool) -> NetworkDescription:
    network, places = architecture
    if len(network.layers) > MODEL_LAYERS:
        raise InputError(f"it has {len(network.layers):,} layers, more than {MODEL_LAYERS:,}")
    find = _by_name if by_name else _by_order
    grouped: dict[str, dict[str, h5py.Dataset]] = {}
    for path, array in arrays.items() if by_name else ():
        grouped.setdefault(path.split("/")[0], {})[path] = array
    weights = {}
    for layer in network.layers:
        if (place := places.get(layer.name)) is not None:
            weights[layer.name] = find(layer, place, grouped.get(place.group, {}) if by_name else arrays)
    return with_weights(network, weights)


def _by_order(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> Found:
    paths = {name: f"{place.path}vars/{index}" for index, name in enumerate(layer.weight_names)}
    return {name: np.asarray(arrays[path], dtype=np.float32) for name, path in paths.items() if path in arrays}


def _by_name(layer: LayerDescription, place: WeightPlace, arrays: Arrays) -> Found:
    """Find weights by the last parts of their path: the layer, if it is nested, and the weight's own name."""
    found = {}
    for path, array in arrays.items():
        *parents, leaf = path.split("/")[1:]
        if leaf.split(":")[0] in layer.weight_names and (place.layer == place.group or place.layer in parents[-1:]):
            found[leaf.split(":")[0]] = np.asarray(array, dtype=np.float32)
    return found
