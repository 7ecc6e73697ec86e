"""A saved model to its description, read as data: nothing in the file is executed or unpickled.

Reads HDF5 files of Keras 2 with their weights, and `.keras` files of Keras 2 and 3 without them.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fpgaae.errors import InputError
from fpgaae.hls.lint.description import ModelDescription, Weights, describe_config

MODEL_SUFFIXES = frozenset({".h5", ".hdf5", ".keras"})
_MAX_CONFIG_BYTES = 2**26
_MAX_VALUES = 2**26


def read_model_file(file: Path) -> ModelDescription:
    """Describe a model file.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds no Keras model.
    """
    if not file.is_file():
        raise InputError(f"{file} is not there; give the path of a model (.h5 or .keras) or of a YAML config")
    try:
        if h5py.is_hdf5(file):
            config, weights = _read_hdf5(file)
        elif zipfile.is_zipfile(file):
            config, weights = _read_zip(file), {}
        else:
            raise InputError("it is neither an HDF5 file nor a .keras archive")
        if not isinstance(config, dict):
            raise InputError("its config is not that of a model")
        return describe_config(config, weights)
    except (InputError, OSError, ValueError, KeyError, RuntimeError, RecursionError, EOFError) as error:
        raise InputError(f"{file} holds no readable Keras model: {error}; save the model again") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise InputError(f"{file} is a damaged archive ({error}); save the model again") from None


def _read_hdf5(file: Path) -> tuple[Any, dict[str, Weights]]:
    with h5py.File(file, "r") as content:
        text = content.attrs.get("model_config")
        if text is None:
            raise InputError("it has no model_config, perhaps only weights")
        config = json.loads(text)
        group = _own(content, "model_weights")
        weights = {} if not isinstance(group, h5py.Group) else {str(name): _weights(group, name) for name in group}
        return config, weights


def _weights(group: h5py.Group, layer: str) -> Weights:
    """Read the arrays of one layer, which Keras 2 keeps as `<layer>/<layer>/kernel:0`."""
    found: dict[str, Any] = {}

    def read(below: h5py.Group, depth: int) -> None:
        for name in below:
            item = _own(below, name)
            if isinstance(item, h5py.Group) and depth < 8:
                read(item, depth + 1)
            elif isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.size <= _MAX_VALUES:
                found[str(name).split(":")[0]] = np.asarray(item[()], dtype=np.float64)

    if isinstance(below := _own(group, layer), h5py.Group):
        read(below, 0)
    return found


def _own(group: h5py.Group, name: str) -> Any:  # noqa: ANN401
    """Give a member that lies in this file: links to other files are not followed."""
    if name not in group or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    item = group[name]
    return None if isinstance(item, h5py.Dataset) and item.external else item


def _read_zip(file: Path) -> Any:  # noqa: ANN401
    with zipfile.ZipFile(file) as archive:
        if "config.json" not in archive.namelist():
            raise InputError("the archive has no config.json")
        if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
            raise InputError("its config.json is larger than any model's")
        return json.loads(archive.read("config.json"))
