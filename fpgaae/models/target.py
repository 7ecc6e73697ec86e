"""What a student is taught: the clipped logarithm of a teacher's score, on the scale of the student's output."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Distillation
from fpgaae.errors import InputError
from fpgaae.runs.results.reference import TargetOfScores

_LEAST = 1e-30  # a score of zero has no logarithm


class Target(NamedTuple):
    """The map from a teacher's score s to what its student learns.

    target = scale (clip(log s, low, high) - low) / (high - low), after the target of CICADA (CMS, "Calorimeter Image
    Convolutional Anomaly Detection Algorithm"), 32 log s between 0 and 256.
    """

    low: float
    high: float
    scale: float

    def of_logarithms(self, logarithms: NDArray[np.floating]) -> NDArray[np.float64]:
        """Give the targets of log s."""
        clipped = np.clip(logarithms.astype(np.float64), self.low, self.high)
        return np.asarray(self.scale * (clipped - self.low) / (self.high - self.low))

    @classmethod
    def of_config(cls, distillation: Distillation, logarithms: NDArray[np.floating]) -> Target:
        """Take the ends that the config gives, and the others from quantiles.

        Parameters
        ----------
        logarithms
            log s of all that the student is trained on.

        Raises
        ------
        InputError
            If the upper end is not above the lower one.
        """
        drawn = np.quantile(logarithms.astype(np.float64), distillation.quantiles)
        low, high = (
            float(own if given is None else given)
            for given, own in zip((distillation.low, distillation.high), drawn, strict=True)
        )
        if low >= high:
            raise InputError(
                f"the target of the student would be clipped to log scores from {low:.4g} to {high:.4g}, which leaves "
                "nothing; change `distillation.low`, `high` or `quantiles`"
            )
        return cls(low, high, distillation.scale)

    @classmethod
    def of(cls, entry: TargetOfScores) -> Target:
        """Take what `reference.json` says."""
        return cls(entry.low, entry.high, entry.scale)

    def entry(self) -> TargetOfScores:
        """Give the entry of `reference.json`."""
        return TargetOfScores(low=self.low, high=self.high, scale=self.scale)


def logarithms(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give log s of a teacher's scores, which are never negative."""
    return np.asarray(np.log(np.maximum(scores, _LEAST)))
