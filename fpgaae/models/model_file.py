"""A model file to its description with weights, without executing anything in it.

`.keras` (Keras 2 and 3) is a zip of JSON and HDF5, `.h5` is HDF5 with the JSON as an attribute; an architecture as JSON
has its weights in a second file, and a SavedModel in a folder. All are read as data:
no class is looked up, no function deserialised, no link followed out of the file. What is missing or makes no sense
stays so in the description; `fpgaae.models.weights` names it.
"""

from __future__ import annotations

import io
import json
import lzma
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from fpgaae.errors import InputError
from fpgaae.files import sha256, sha256_of_text
from fpgaae.limits import LAYER_VALUES, MODEL_CONFIG_BYTES, MODEL_WEIGHTS_BYTES, in_mebibytes
from fpgaae.models.architecture import Architecture, read_architecture
from fpgaae.models.description import NetworkDescription
from fpgaae.models.file_probe import require_readable
from fpgaae.models.hdf5_weights import datasets, read_weights, with_stored_weights
from fpgaae.models.onnx_file import ONNX_SUFFIXES, read_onnx_file
from fpgaae.models.saved_model import read_saved_model, require_saved_model, saved_model_files
from fpgaae.models.shapes import shapes_of_layers

MODEL_SUFFIXES = frozenset({".h5", ".hdf5", ".keras", ".json"}) | ONNX_SUFFIXES
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_MODEL_COPY, _WEIGHTS_COPY = "model", "weights"  # in the folder of the stage `import`
_ONNX = b"\x08"  # of the field `ir_version`, which is written first


class ModelFiles(NamedTuple):
    """A model, and the file with its weights where these lie apart."""

    model: Path  # a file, or the folder of a SavedModel
    weights: Path | None = None

    @classmethod
    def copied_to(cls, folder: Path) -> ModelFiles:
        """Give the copies that lie in a folder."""
        return cls(folder / _MODEL_COPY, folder / _WEIGHTS_COPY if (folder / _WEIGHTS_COPY).is_file() else None)

    def require_readable(self) -> None:
        """Refuse what can't be read to its end, before anything else is done.

        Raises
        ------
        InputError
            If a file is missing, or HDF5 does not come to an end with it.
        """
        for given in (self.model, self.weights):
            if given is not None and not given.exists():
                raise InputError(
                    f"{given} is not there; give a .keras, .h5, .onnx or .json file, or a SavedModel folder"
                )
            if given is not None and given.is_file():
                require_readable(given)
        if self.model.is_dir():
            require_saved_model(self.model)

    def read(self) -> NetworkDescription:
        """Read the model."""
        return read_model_file(self.model, self.weights)

    def copy_to(self, folder: Path) -> None:
        """Copy into a folder what is read."""
        model, weights = ModelFiles(folder / _MODEL_COPY, folder / _WEIGHTS_COPY)
        if self.model.is_dir():
            for name, file in saved_model_files(self.model).items():
                (model / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, model / name)
        else:
            shutil.copyfile(self.model, model)
        if self.weights is not None and weights is not None:
            shutil.copyfile(self.weights, weights)

    def sha256(self) -> str:
        """Give the hash of the model; of a folder, that of what is read."""
        if not self.model.is_dir():
            return sha256(self.model)
        hashes = {name: sha256(file) for name, file in saved_model_files(self.model).items()}
        return sha256_of_text(json.dumps(hashes, sort_keys=True))


def read_model_file(file: Path, weights: Path | None = None) -> NetworkDescription:
    """Read a `.keras`, `.h5` or `.onnx` model, an architecture as `.json`, or the folder of a SavedModel.

    Parameters
    ----------
    weights
        The file with the weights of an architecture.

    Raises
    ------
    InputError
        If a file is missing, damaged, or holds no model.
    ToolMissing
        If it is an ONNX file, and the package `onnx` is not installed.
    """
    for given in (file, weights):
        if given is not None and not given.exists():
            raise InputError(f"{given} is not there; give the path of a model (.h5, .keras, .onnx, .json or a folder)")
    if file.is_dir():
        require_saved_model(file)
    start = _start(file)
    is_architecture = start.lstrip()[:1] == b"{"
    if weights is not None and not is_architecture:
        raise InputError(f"{file} is no architecture in JSON, which `--weights` is for; leave --weights out")
    if is_architecture and weights is None:
        raise InputError(f"{file} is an architecture in JSON, without weights; give these with `--weights FILE`")
    with _damage_in_a_sentence(file):
        if not is_architecture:
            return _bounded(_read(file, start))
        architecture = _read_json(file)
    with _damage_in_a_sentence(weights or file):
        return _bounded(read_weights(weights or file, architecture))


def _start(file: Path) -> bytes:
    if file.is_dir():
        return b""
    with file.open("rb") as stream:
        return stream.read(8)


@contextmanager
def _damage_in_a_sentence(file: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        advice = "" if "; " in str(error) else "; save the model again"
        raise InputError(f"{file} holds no readable model: {error}{advice}") from None
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


def _read(file: Path, start: bytes) -> NetworkDescription:
    if file.is_dir():
        return read_saved_model(file)
    if is_onnx(file, start):
        return read_onnx_file(file).network
    with file.open("rb") as stream:
        if start.startswith(_ZIP):
            return _read_keras(stream)
        if start == _HDF5:
            return _read_hdf5(stream)
    raise InputError(
        f"it is none of a .keras, .h5, .onnx and .json file (pickles are never read){_other_format(file, start)}"
    )


def is_onnx(file: Path, start: bytes | None = None) -> bool:
    """Tell whether a file is one of ONNX: by its ending, or by the version that such a file begins with.

    Parameters
    ----------
    start
        Its first bytes, if they are known.
    """
    if file.is_dir():
        return False
    return file.suffix in ONNX_SUFFIXES or (_start(file) if start is None else start)[:1] == _ONNX


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
            return with_stored_weights(architecture, datasets(weights), by_name=False)


def _read_json(file: Path) -> Architecture:
    if file.stat().st_size > MODEL_CONFIG_BYTES:
        raise InputError(f"it has more than {in_mebibytes(MODEL_CONFIG_BYTES)}")
    content = json.loads(file.read_bytes())
    # Keras 2 writes its version, Keras 3 the module of each class
    return read_architecture(content, str(content.get("keras_version") or ("3" if "module" in content else "2")))


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
            raise InputError(
                "it holds weights only; save the whole model with model.save, or give its architecture "
                "(model.to_json()) as the model and this file as --weights"
            )
        if not isinstance(text, str | bytes):
            raise InputError("its model_config is no text")
        if len(text) > MODEL_CONFIG_BYTES:
            raise InputError(f"its model_config has more than {in_mebibytes(MODEL_CONFIG_BYTES)}")
        version = file.attrs.get("keras_version", "")
        architecture = read_architecture(
            json.loads(text), version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        )
        group = file.get("model_weights")
        arrays = datasets(group) if isinstance(group, h5py.Group) else {}
        return with_stored_weights(architecture, arrays, by_name=True)
