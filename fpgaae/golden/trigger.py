"""The trigger block as one object (NumPy only): hardware integers in, score and decisions out, in exact integers.

What every form of the firmware is made from, and compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork


@dataclass(frozen=True)
class GoldenTrigger:
    """The features, the network that reads them, and the thresholds of its score as soon as they are chosen."""

    features: FeatureMap
    network: IntegerNetwork

    @property
    def accept(self) -> Accept:
        """The decisions.

        Raises
        ------
        InputError
            If the network has none.
        """
        found = self.network.accept
        if found is None:
            raise InputError("the golden network has no thresholds; run the stage `convert` again")
        return found

    @property
    def thresholds(self) -> Codes:
        """Codes of the score, (n_thresholds,), above which an event is accepted."""
        return self.accept.thresholds

    def with_thresholds(self, thresholds: Codes) -> GoldenTrigger:
        """Add the decisions to a network that has none: see `IntegerNetwork.with_thresholds`."""
        return replace(self, network=self.network.with_thresholds(thresholds))

    def input_codes(self, hardware: NDArray[np.integer]) -> Codes:
        """Give the network's input codes of hardware integers, (n_events, n_features) each."""
        return self.features.input_codes(hardware, self.network.layers[0].types)

    def run(self, hardware: NDArray[np.integer]) -> dict[str, Tensor]:
        """Compute every layer's codes from hardware integers, by layer name in graph order."""
        return self.network.run(self.input_codes(hardware))

    def scores(self, hardware: NDArray[np.integer]) -> Codes:
        """Compute the score's code of each event, (n_events,)."""
        return self.run(hardware)[self.network.score.name].codes[:, 0]

    def score_and_decisions(self, hardware: NDArray[np.integer]) -> Codes:
        """Compute what the block puts out of each event, (n_events, 1 + n_thresholds)."""
        tensors = self.run(hardware)
        return np.concatenate([tensors[name].codes for name in (self.network.score.name, self.accept.name)], axis=1)

    @classmethod
    def load(cls, convert: Path, features: FeatureMap) -> GoldenTrigger:
        """Read the network of a finished stage `convert` out of its folder.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        return cls(features, IntegerNetwork.load(convert / GOLDEN_FILE))
