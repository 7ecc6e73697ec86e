"""A Keras model beside the event files: what a config has to say for it."""

from __future__ import annotations

import os
import shlex
from math import prod
from pathlib import Path
from typing import NamedTuple

import h5py

from fpgaae.data.damage import damage_named
from fpgaae.errors import InputError
from fpgaae.models.model_file import read_model_file
from fpgaae.models.onnx_file import ONNX_SUFFIXES
from fpgaae.models.saved_model import is_saved_model
from fpgaae.models.shapes import shapes_of_layers

_ARCHITECTURE = "model_config"  # the attribute of HDF5 that Keras writes


class GivenModel(NamedTuple):
    """A model in a file."""

    file: Path
    is_quantized: bool
    n_inputs: int
    n_outputs: int

    @property
    def has_reconstruction(self) -> bool:
        """Whether it puts out as many numbers as it gets: the others are taken for encoders, which put out mu."""
        return self.n_outputs == self.n_inputs

    def command(self, config: Path) -> str:
        """Give the line that imports it."""
        return shlex.join(["fpgaae", "import", os.path.relpath(self.file), "--config", str(config)])


def is_model(path: Path) -> bool:
    """Tell a model from events, which may lie in HDF5 and folders, too.

    Raises
    ------
    InputError
        If it is HDF5 and damaged.
    """
    if path.is_dir():
        return is_saved_model(path)
    if path.suffix.lower() in {".keras", *ONNX_SUFFIXES}:
        return True
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with damage_named(path), h5py.File(path, "r") as opened:
        return _ARCHITECTURE in opened.attrs


def look_at_model(file: Path) -> GivenModel:
    """Read what a model gets and puts out.

    Raises
    ------
    InputError
        If it can't be read, has several outputs, or does not say their shape.
    """
    network = read_model_file(file)
    shape = shapes_of_layers(network).get(network.outputs[0])
    if len(network.outputs) != 1 or shape is None:
        raise InputError(
            f"{file} has no single output of a shape that is known; write a config for its events alone, and take a "
            "part of the model with `fpgaae import --encoder` or `--output`"
        )
    return GivenModel(file, network.is_quantized, prod(network.input_shape), prod(shape))


def require_fit(model: GivenModel, n_features: int) -> None:
    """Refuse a model of other events.

    Raises
    ------
    InputError
        If it gets more or fewer numbers than an event has.
    """
    if model.n_inputs != n_features:
        raise InputError(
            f"{model.file} takes {model.n_inputs} numbers, but an event of these files has {n_features}; give the "
            "files that it is for, or describe the objects by hand, as docs/own_events.md shows"
        )
