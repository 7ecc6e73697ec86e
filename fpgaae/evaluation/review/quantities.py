"""What a turn-on is drawn against: HT, MET, multiplicity and the leading object of each kind, from hardware codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Data
from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import LEVEL, QUANTITIES
from fpgaae.evaluation.baselines import n_objects, sum_pt
from fpgaae.fixedpoint import Codes

MET = "met"
HT, MULTIPLICITY, SUM, CELLS = "ht", "multiplicity", "sum", "cells"
UNITS = {"pt": "GeV", "eta": "", "phi": "rad"}
Values = NDArray[np.float64]


class Kind(NamedTuple):
    """The slots of a kind of object, and what a step of each of its quantities stands for."""

    name: str
    first_slot: int
    slots: int
    lsb: tuple[float, float, float]
    bits: tuple[int, int, int]


@dataclass(frozen=True)
class EventQuantities:
    """Physical quantities of events as the hardware integers give them.

    Parameters
    ----------
    data
        The section of the config.
    features
        Those that the stage `data` froze.
    """

    data: Data
    features: FeatureMap

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of objects; none of an array."""
        hardware, found, first = self.data.hardware, [], 0
        for kind in hardware.objects:
            lsb = hardware.pt_lsb_of(kind), hardware.eta_lsb_of(kind), 2 * math.pi / hardware.steps_of(kind)
            bits = [self.features.features[len(QUANTITIES) * first + i].hardware.bits for i in range(len(QUANTITIES))]
            found.append(Kind(kind.name, first, kind.slots, lsb, (bits[0], bits[1], bits[2])))
            first += kind.slots
        return tuple(found)

    @property
    def units(self) -> dict[str, str]:
        """The unit of every quantity of `of`, in the order that they are shown in."""
        if self.data.hardware.array is not None:
            return {SUM: "", CELLS: ""}
        units = {HT: "GeV", MULTIPLICITY: ""}
        for kind in self.kinds:
            if kind.name.startswith(MET):
                units[kind.name] = "GeV"
                continue
            units |= {
                f"{kind.name}_{name}": UNITS[name] for name, bits in zip(QUANTITIES, kind.bits, strict=True) if bits
            }
        return units

    def of(self, codes: Codes) -> dict[str, Values]:
        """Give every quantity of events, (n_events,) each; NaN where an event has no object of the kind.

        The leading object of a kind is that with the largest pT, the first of several. HT and multiplicity are of all
        objects; missing momentum is none.

        Parameters
        ----------
        codes
            (n_events, n_features) hardware codes.
        """
        if (array := self.data.hardware.array) is not None:
            empty = np.array([f.offset if f.hardware.quantity == LEVEL else 0 for f in self.features.features])
            total, number = sum_pt(codes) * array.lsb, n_objects(codes - empty)
            return {SUM: total.astype(np.float64), CELLS: number.astype(np.float64)}
        slots = codes.reshape(len(codes), -1, len(QUANTITIES))
        objects = [kind for kind in self.kinds if not kind.name.startswith(MET)]
        places = [kind.first_slot + i for kind in objects for i in range(kind.slots)]
        pts = slots[:, places, 0]
        gev = self.kinds[0].lsb[0]  # of all kinds: `Hardware` refuses others
        result: dict[str, NDArray[Any]] = {HT: sum_pt(pts) * gev, MULTIPLICITY: n_objects(pts).astype(np.float64)}
        for kind in self.kinds:
            own = slots[:, kind.first_slot : kind.first_slot + kind.slots]
            if kind.name.startswith(MET):
                result[kind.name] = own[:, 0, 0] * kind.lsb[0]
                continue
            leading = own[np.arange(len(own)), own[:, :, 0].argmax(axis=1)]
            for index, name in enumerate(QUANTITIES):
                if kind.bits[index]:
                    result[f"{kind.name}_{name}"] = np.where(
                        leading[:, 0] > 0, leading[:, index] * kind.lsb[index], np.nan
                    )
        return {name: result[name].astype(np.float64) for name in self.units}
