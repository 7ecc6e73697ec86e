"""What a student is taught of a teacher's score: a grade of it, clipped, on the scale of the student's output."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.distillation import Distillation, TargetKind
from fpgaae.errors import InputError
from fpgaae.runs.results.reference import RateEntry, TargetOfScores

_LEAST = 1e-30  # a score of zero has no logarithm
_FEWEST = 5  # background events that the smallest rate in a table rests on
_TAIL_EVENTS = 100  # whose scores say how the rate falls beyond the table
_TABLE_ENTRIES = 64

Grades = NDArray[np.float64]


class RateTable(NamedTuple):
    """-log of the share of the background whose score is as large, at rising scores; between them straight lines.

    Beyond the largest score it goes on with the slope of its tail, as if the rate fell exponentially there.
    """

    scores: tuple[float, ...]
    grades: tuple[float, ...]
    slope: float

    def of_scores(self, scores: NDArray[np.floating]) -> Grades:
        """Give -log rate of scores."""
        beyond = np.maximum(scores - self.scores[-1], 0.0)
        return np.asarray(np.interp(scores, self.scores, self.grades) + self.slope * beyond)

    @classmethod
    def of_background(cls, scores: NDArray[np.floating]) -> RateTable:
        """Make the table of background scores.

        Raises
        ------
        InputError
            If they are all the same.
        """
        falling = np.sort(scores.astype(np.float64))[::-1]
        n = len(falling)
        counts = np.unique(np.rint(np.geomspace(min(_FEWEST, n), n, _TABLE_ENTRIES)).astype(np.int64))[::-1]
        rising, first = np.unique(falling[counts - 1], return_index=True)  # of scores that tie, the largest rate
        if len(rising) < 2:
            raise InputError(
                "the teacher's score is the same for nearly all of the background, so that no rate belongs to it; "
                "give another `distillation.teacher` or `target`"
            )
        grades = -np.log(counts[first] / n)
        tail = max(0, min(int(np.searchsorted(-counts[first], -_TAIL_EVENTS)), len(rising) - 2))
        slope = (grades[-1] - grades[tail]) / (rising[-1] - rising[tail])
        return cls(tuple(rising.tolist()), tuple(grades.tolist()), float(slope))


class Target(NamedTuple):
    """The map from a teacher's score s to what its student learns.

    target = scale (clip(t, low, high) - low) / (high - low), where the grade t is log s, s, or -log of the share of
    the background whose score is as large; after the target of CICADA (CMS, "Calorimeter Image Convolutional Anomaly
    Detection Algorithm"), 32 log s between 0 and 256.
    """

    low: float
    high: float
    scale: float
    kind: TargetKind = TargetKind.LOGARITHM
    rates: RateTable | None = None  # of the kind `rate`

    def grades(self, scores: NDArray[np.floating]) -> Grades:
        """Give the grades t of scores."""
        if self.rates is not None:
            return self.rates.of_scores(scores)
        if self.kind is TargetKind.LOGARITHM:
            return np.asarray(np.log(np.maximum(scores, _LEAST)))
        return np.asarray(scores, dtype=np.float64)

    def of_grades(self, grades: NDArray[np.floating]) -> Grades:
        """Give the targets of grades."""
        clipped = np.clip(grades.astype(np.float64), self.low, self.high)
        return np.asarray(self.scale * (clipped - self.low) / (self.high - self.low))

    def of_scores(self, scores: NDArray[np.floating]) -> Grades:
        """Give the targets of scores."""
        return self.of_grades(self.grades(scores))

    @classmethod
    def unclipped(cls, kind: TargetKind, background: NDArray[np.floating]) -> Target:
        """Give a target of a kind whose ends are not known yet.

        Parameters
        ----------
        background
            The teacher's scores of the training background.

        Raises
        ------
        InputError
            If such scores have no grades of this kind.
        """
        if kind is TargetKind.LOGARITHM and (least := float(background.min(initial=0.0))) < 0:
            raise InputError(
                f"the teacher's score has no logarithm, since it is negative ({least:.4g}) for an event of the "
                "background; set `distillation.target` to score or rate"
            )
        table = RateTable.of_background(background) if kind is TargetKind.RATE else None
        return cls(0.0, 1.0, 1.0, kind, table)

    def clipped(self, distillation: Distillation, grades: NDArray[np.floating]) -> Target:
        """Give the same with the ends that the config gives, and the others from quantiles.

        Parameters
        ----------
        grades
            Of all that the student is trained on.

        Raises
        ------
        InputError
            If the upper end is not above the lower one.
        """
        drawn = np.quantile(grades.astype(np.float64), distillation.quantiles)
        low, high = (
            float(own if given is None else given)
            for given, own in zip((distillation.low, distillation.high), drawn, strict=True)
        )
        if low >= high:
            named = {TargetKind.LOGARITHM: "log scores", TargetKind.SCORE: "scores", TargetKind.RATE: "-log rates"}
            raise InputError(
                f"the target of the student would be clipped to {named[self.kind]} from {low:.4g} to {high:.4g}, which "
                "leaves nothing; change `distillation.low`, `high` or `quantiles`"
            )
        return self._replace(low=low, high=high, scale=distillation.scale)

    @classmethod
    def of(cls, entry: TargetOfScores) -> Target:
        """Take what `reference.json` says."""
        rates = None if entry.rates is None else RateTable(entry.rates.scores, entry.rates.grades, entry.rates.slope)
        return cls(entry.low, entry.high, entry.scale, TargetKind(entry.kind), rates)

    def entry(self) -> TargetOfScores:
        """Give the entry of `reference.json`."""
        rates = None if self.rates is None else RateEntry(**self.rates._asdict())
        return TargetOfScores(low=self.low, high=self.high, scale=self.scale, kind=self.kind.value, rates=rates)
