"""A file of thresholds, as `fpgaae thresholds` writes it, in the place of the trained ones of a converted network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fpgaae.emulator.export import Deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.errors import InputError
from fpgaae.golden.loaded_thresholds import with_loaded
from fpgaae.runs.record import read_record
from fpgaae.runs.results.thresholds import ThresholdSet

_CURE = "write it with `fpgaae thresholds`"


def read_thresholds(file: Path, deployed: Deployed) -> ThresholdSet:
    """Read thresholds that were chosen for the very network that is deployed.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is of another network, or its thresholds are none that registers hold.
    """
    deployed.trigger.thresholds_for_all("a file of thresholds")
    found = read_record(ThresholdSet, file, _CURE)
    own = network_hashes(deployed.trigger).network
    if found.network != own:
        raise InputError(
            f"{file} has thresholds of the network {found.network[:12]}, and {deployed.experiment.config_file} was "
            f"converted to {own[:12]}; choose them anew with `fpgaae thresholds`"
        )
    try:
        with_loaded(deployed.trigger, np.array(found.codes, dtype=np.int64))
    except InputError as error:
        raise InputError(f"{file}: {error}; {_CURE}") from None
    return found
