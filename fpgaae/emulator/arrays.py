"""The compiled emulator on arrays in memory."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.table import TableValues
from fpgaae.data.checks import checked
from fpgaae.data.integers import event_codes
from fpgaae.data.order import ordered
from fpgaae.data.source import EventChunk
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
        self._data = experiment.config.data
        self._features = deployed.trigger.features
        folder = Path(tempfile.mkdtemp(prefix="fpgaae-emulator-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        build_package(deployed, folder)
        self._library = open_binding(folder, deployed.name)
        self.fraction: int = self._library.score_fraction
        self.n_features: int = self._library.n_features

    def hardware_codes(self, values: NDArray[np.number]) -> Codes:
        """Give the hardware integers of events, (n, n_features), as the stage `data` makes them: sorted and checked.

        Parameters
        ----------
        values
            (n, slots, 3 or more): pT in GeV, eta, phi in rad (or the trigger's integers, with `data.values: integers`),
            empty slots all zero; or `(n, *shape)` of an array.

        Raises
        ------
        InputError
            If they have another shape or type, or are nothing that `data` would take.
        """
        given, array = np.asarray(values), self._data.hardware.array
        wanted: tuple[int, ...] = (self._data.hardware.n_slots, 3) if array is None else array.shape
        used = given[..., :3] if array is None and given.ndim == 3 else given
        if given.dtype.kind not in "fiu" or used.ndim != 1 + len(wanted) or used.shape[1:] != wanted:
            raise InputError(
                f"events are numbers of the shape (n, {', '.join(map(str, wanted))}), not {given.dtype} {given.shape}"
            )
        if not len(given):
            return np.zeros((0, self.n_features), dtype=np.int64)
        integers = array is None and self._data.values is TableValues.INTEGERS
        chunk = EventChunk(0, given, np.arange(len(given)), integers=integers)
        return event_codes(ordered(checked(chunk, Path("events"), self._data), self._data), self._data)

    def score(self, hardware: NDArray[np.integer]) -> EmulatedScores:
        """Give the score and the decisions of hardware integers, (n, n_features), as `Run.events` gives them.

        Raises
        ------
        InputError
            If these are no integers of that shape, or the ports have no words for them.
        """
        try:
            codes, accept = self._library.score(self._words(hardware))
        except ValueError as error:
            raise InputError(f"the emulator can't score this: {error}") from None
        return EmulatedScores(codes, values_of(codes, self.fraction), accept)

    def _words(self, hardware: NDArray[np.integer]) -> NDArray[np.integer]:
        """Give what the ports are sent: words of a trigger, where some are declared."""
        given = np.asarray(hardware)
        if not self._features.has_words or given.dtype.kind not in "iu" or given.shape[1:] != (self.n_features,):
            return given  # the library refuses what is none
        words = self._features.words_of_codes(given.astype(np.int64))
        if (differs := self._features.codes_of_words(words) != given).any():
            event, feature = (int(index) for index in np.argwhere(differs)[0])
            raise ValueError(
                f"no word becomes the hardware integer {given[event, feature]} of event {event}, "
                f"{self._features.features[feature].hardware.name}"
            )
        return words
