"""What a physicist knows of an event without a network: sum of pT, multiplicity, mean of the cells (magnetisation).

Latents and scores are compared with it, and a score can be kept from depending on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware
from fpgaae.data.layout import hardware_features, is_pt_of_object
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.evaluation.baselines import n_objects, sum_pt
from fpgaae.fixedpoint import Codes
from fpgaae.runs.run import StageRun

_BLOCK_EVENTS = 65_536


class Quantity(NamedTuple):
    """One number an event, from its hardware integers."""

    label: str  # of an axis
    of_objects: bool  # whether it is one of trigger objects, or of an array
    measure: Callable[[Codes, Hardware], NDArray[np.float64]]
    long_tail: bool = False


def _pt_codes(codes: Codes, hardware: Hardware) -> Codes:
    """Give the pT of every object, (n, n_objects); the missing momentum and other sums are none."""
    return codes[:, [i for i, feature in enumerate(hardware_features(hardware)) if is_pt_of_object(feature)]]


def _ht(codes: Codes, hardware: Hardware) -> NDArray[np.float64]:
    return np.asarray(sum_pt(_pt_codes(codes, hardware)) * hardware.pt_lsb_of(hardware.objects[0]), dtype=np.float64)


def _multiplicity(codes: Codes, hardware: Hardware) -> NDArray[np.float64]:
    return n_objects(_pt_codes(codes, hardware)).astype(np.float64)


def _mean(codes: Codes, hardware: Hardware) -> NDArray[np.float64]:
    del hardware
    return np.asarray(codes.mean(axis=1))


QUANTITIES: Mapping[str, Quantity] = {
    "ht": Quantity("Sum of pT [GeV]", True, _ht, long_tail=True),
    "multiplicity": Quantity("Number of objects", True, _multiplicity),
    "mean": Quantity("Mean of the cells (magnetisation of spins)", False, _mean),
}


def known_quantities(hardware: Hardware) -> tuple[str, ...]:
    """Name the quantities that events of this layout have."""
    return tuple(name for name, known in QUANTITIES.items() if known.of_objects is (hardware.array is None))


def measure(run: StageRun, process: str, split: str, name: str, limit: int | None = None) -> NDArray[np.float64]:
    """Give a quantity of every event of a process in a split, (n,).

    Raises
    ------
    InputError
        If the events have no such quantity.
    """
    hardware = run.config.data.hardware
    if name not in known_quantities(hardware):
        raise InputError(
            f"the events of {run.experiment.config_file} have no `{name}`; choose one of "
            f"{', '.join(known_quantities(hardware))}"
        )
    store = EventStore(run.upstream("data"))
    parts = [QUANTITIES[name].measure(codes, hardware) for codes in store.chunks(process, split, _BLOCK_EVENTS, limit)]
    return np.concatenate(parts) if parts else np.zeros(0)


def nuisance_column(run: StageRun, process: str, split: str) -> NDArray[np.float32]:
    """Give the nuisance that `method.nuisance` names in units of its spread in training; a long tail by its log."""
    options: Any = run.config.method
    name: str = options.nuisance
    shorten = np.log1p if QUANTITIES[name].long_tail else np.asarray
    training = shorten(measure(run, run.config.data.background, "train", name))
    found = shorten(measure(run, process, split, name))
    return np.asarray((found - training.mean()) / max(float(training.std()), 1e-9), dtype=np.float32)
