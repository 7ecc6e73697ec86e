"""The trained members on the disk, and the way back to networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.runs.experiment import MEMBERS_FILE
from fpgaae.training.methods.job import Values, variables_of_all


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
