"""The stage `reference` of an experiment with firmware that takes the weights of a finished float method.

They go over by layer name, from the member of the ensemble with the smallest validation loss. This module imports
Keras 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.files import sha256
from fpgaae.models.float import build_float, save_float
from fpgaae.runs.experiment import MEMBERS_FILE
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.results.reference import MethodReference, TakenReference, WeightsOf
from fpgaae.runs.run import StageRun

Weights = dict[str, NDArray[np.floating]]  # by `layer/variable`


class _Source(NamedTuple):
    """A finished float method."""

    folder: Path  # of its stage `reference`
    result: MethodReference

    @property
    def member(self) -> int:
        """Number of the member with the smallest validation loss."""
        losses = [member.val_losses[-1] if member.val_losses else 0.0 for member in self.result.members]
        return int(np.argmin(losses))

    def weights(self) -> Weights:
        """Read the member's arrays."""
        with np.load(self.folder / MEMBERS_FILE, allow_pickle=False) as saved:
            return by_layer({name: saved[name][self.member] for name in saved.files})


def by_layer(variables: Mapping[str, NDArray[Any]]) -> Weights:
    """Give the variables of a method's networks, `network/layer/variable`, by their layers."""
    return {name.split("/", 1)[1]: values for name, values in variables.items()}


def run_warm_start(run: StageRun) -> TakenReference:
    """Take the weights by layer name, and write them as a training does.

    Raises
    ------
    InputError
        If the method is not finished, has other inputs, lacks a layer, or has one of another shape.
    """
    config = run.config
    source = _open_source(run)
    fit = config.training.reference
    image = config.data.hardware.image_shape
    graph = build_float(config.model, image, config.seed, batch_normalization=fit.batch_normalization)
    take(graph.training, source.weights(), source.folder, run.experiment.config_file)
    save_float(graph.training, run.folder)
    member = source.result.members[source.member]
    return TakenReference(
        backend=source.result.backend,
        device=source.result.device,
        events_per_second=source.result.events_per_second,
        epochs=source.result.epochs,
        loss=member.loss,
        val_loss=member.val_losses[-1] if member.val_losses else None,
        val_losses=member.val_losses,
        weights_of=WeightsOf(
            method=source.result.method,
            folder=str(source.folder),
            seed=member.seed,
            sha256=sha256(source.folder / MEMBERS_FILE),
        ),
    )


def _open_source(run: StageRun) -> _Source:
    named, taken = run.config.training.reference.weights_of, run.experiment.taken
    if taken is None or taken.sha256 is None:
        where = "the run folder" if taken is None else taken.folder
        raise InputError(
            f"`training.reference.weights_of` of {run.experiment.config_file} names {named}, but {where} holds no "
            f"finished float method; run `fpgaae reference {named}` first"
        )
    folder = Path(taken.folder)
    if sha256(folder / MEMBERS_FILE) != taken.sha256:
        raise InputError(
            f"{folder / MEMBERS_FILE} is not as the stage `reference` wrote it; run `fpgaae reference {named} --force`"
        )
    inputs = read_manifest(folder)["inputs"]
    own = read_manifest(run.experiment.stage_folder("data"))["outputs"]
    if inputs.get("data/events.h5") != own.get("events.h5"):
        raise InputError(
            f"{folder} was trained on other events or with another scaling than {run.experiment.config_file} has; give "
            "both the same `data` and `seed`"
        )
    return _Source(folder, MethodReference.read(folder / "reference.json", f"run `fpgaae reference {named} --force`"))


def take(model: keras.Model, weights: Weights, source: Path, config_file: Path) -> None:
    """Assign every variable of a model by the names of layer and variable.

    Parameters
    ----------
    source
        Where the weights are from.

    Raises
    ------
    InputError
        If a layer is missing, or has another shape.
    """
    layers = list(dict.fromkeys(name.split("/")[0] for name in weights))
    for variable in model.variables:
        layer, name = variable.path.split("/")[-2:]
        found = weights.get(f"{layer}/{name}")
        if layer == "seed_generator" or variable.path.startswith("seed_generator") or "seed" in name:
            continue  # the random state of a training
        if found is None:
            raise InputError(
                f"{source} has no layer `{layer}` with a {name}, which the network of {config_file} needs; it "
                f"has {', '.join(layers)}: give both the same `model`"
            )
        if found.shape != tuple(variable.shape):
            raise InputError(
                f"the {name} of the layer `{layer}` has the shape {found.shape} in {source}, but "
                f"{tuple(variable.shape)} in {config_file}; give both the same `model`"
            )
        variable.assign(found)
