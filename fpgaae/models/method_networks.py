"""The networks of a float method: built, as plain arrays, and on the disk with every member of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.methods.base import Method
from fpgaae.runs.experiment import MEMBERS_FILE

Values = list[NDArray[Any]]  # of every variable of all networks, in the order of `variables_of_all`


def build_networks(method: Method, seed: int) -> dict[str, Any]:
    """Build the networks of a method with initial weights that depend on the seed only."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if method.setting.precision == "bfloat16" else "float32")
    try:
        return method.build()
    finally:
        keras.config.set_dtype_policy(before)


def variables_of_all(networks: Mapping[str, Any]) -> list[Any]:
    """Give every variable of all networks once: the trainable ones first."""
    trainable = [v for network in networks.values() for v in network.trainable_variables]
    others = [v for network in networks.values() for v in network.non_trainable_variables]
    return list({id(v): v for v in (*trainable, *others)}.values())


def initial_values(networks: Mapping[str, Any]) -> Values:
    """Give the present values of every variable."""
    return [np.asarray(variable) for variable in variables_of_all(networks)]


def variable_names(networks: Mapping[str, Any]) -> list[str]:
    """Name every variable `network/layer/variable`, in the order of `variables_of_all`."""
    owner = {id(v): f"{name}/{v.path}" for name, network in networks.items() for v in network.variables}
    return [owner[id(variable)] for variable in variables_of_all(networks)]


def save_members(folder: Path, networks: Mapping[str, Any], members: tuple[Values, ...]) -> None:
    """Write the variables of all members, (n_members, ...) each."""
    names = variable_names(networks)
    stacked = {name: np.stack(own) for name, own in zip(names, zip(*members, strict=True), strict=True)}
    arrays: dict[str, Any] = dict(stacked)
    np.savez(folder / MEMBERS_FILE, **arrays)


def load_members(folder: Path, networks: Mapping[str, Any]) -> tuple[Values, ...]:
    """Read what `save_members` wrote, in the order of `variables_of_all` of these networks."""
    with np.load(folder / MEMBERS_FILE, allow_pickle=False) as saved:
        stacked: list[NDArray[Any]] = [saved[name] for name in variable_names(networks)]
    return tuple([own[i] for own in stacked] for i in range(len(stacked[0])))
