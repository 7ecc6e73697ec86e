"""The compiled emulator on arrays in memory."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.integers import hardware_codes
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.emulator.package import open_binding
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, values_of
from fpgaae.runs.experiment import Experiment


class EmulatedScores(NamedTuple):
    """What the firmware puts out for events."""

    codes: Codes  # (n,) of the score
    values: NDArray[np.float64]  # (n,) of the score
    accept: NDArray[np.bool_]  # (n, n_thresholds)


class Emulator:
    """The firmware of a converted experiment as a compiled library, which lasts as long as this object.

    Raises
    ------
    InputError
        If the experiment is not converted.
    CheckFailed
        If the compiled library does not give the golden codes.
    """

    def __init__(self, experiment: Experiment) -> None:
        deployed = open_deployed(experiment)
        self._hardware = experiment.config.data.hardware
        folder = Path(tempfile.mkdtemp(prefix="fpgaae-emulator-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        build_package(deployed, folder)
        self._library = open_binding(folder, deployed.name)
        self.fraction: int = self._library.score_fraction
        self.n_features: int = self._library.n_features

    def hardware_codes(self, values: NDArray[np.number]) -> Codes:
        """Give the hardware integers of events, (n, n_features), as the stage `data` makes them.

        Parameters
        ----------
        values
            (n, slots, 3 or more): pT in GeV, eta, phi in rad, empty slots all zero; or `(n, *shape)` of an array.
        """
        array = self._hardware.array
        wanted = (self._hardware.n_slots,) if array is None else array.shape
        if values.shape[1 : 1 + len(wanted)] != wanted or (array is None and values[:1].ndim != 3):
            shape = ", ".join(map(str, wanted))
            raise InputError(f"events have the shape (n, {shape}{', 3' if array is None else ''}), not {values.shape}")
        if not np.isfinite(values).all():
            raise InputError("an event holds a NaN or infinite value; remove or repair such events")
        return hardware_codes(values, self._hardware)

    def score(self, hardware: NDArray[np.integer]) -> EmulatedScores:
        """Give the score and the decisions of hardware integers, (n, n_features).

        Raises
        ------
        InputError
            If these are no integers of that shape.
        """
        try:
            codes, accept = self._library.score(hardware)
        except ValueError as error:
            raise InputError(f"the emulator can't score this: {error}") from None
        return EmulatedScores(codes, values_of(codes, self.fraction), accept)
