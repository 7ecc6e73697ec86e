"""What a student is trained on: background events and made-up outliers, with targets from its teacher's scores.

The teacher scores the background once; its scores are kept, 4 bytes an event. Outliers are made and scored anew in each
epoch, block by block. Which network learns from them does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import Distillation
from fpgaae.data.inputs import Split
from fpgaae.fixedpoint import Codes
from fpgaae.models.target import Target, logarithms
from fpgaae.models.teacher import Teacher, distillation_of, open_teacher
from fpgaae.runs.run import StageRun
from fpgaae.training.loop import Batch
from fpgaae.training.outliers import make_outliers

LOG_SCORES_FILE = "teacher_log_scores.npz"
_OUTLIERS = 1  # a stream of random numbers apart from that of the order of the events
LogScores = NDArray[np.float32]


class Lessons(NamedTuple):
    """The events of a split with their targets, as a student gets them."""

    split: Split
    log_scores: LogScores  # of the teacher, in the order of the file
    target: Target
    distillation: Distillation
    teacher: Teacher  # for outliers

    @property
    def n_events(self) -> int:
        """Number of events in an epoch, outliers among them."""
        return sum(len(own) + self._n_outliers(len(own)) for _, own in self.split.places(0, 0))

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Give the events of an epoch, shuffled within their blocks, with the outliers of this epoch among them."""
        for start, order in self.split.places(seed, epoch):
            codes, log_scores = self.split.codes(start)[order], self.log_scores[start + order]
            if self.distillation.outliers.share:
                rng = np.random.default_rng([seed, epoch, start, _OUTLIERS])
                codes, log_scores = self._with_outliers(codes, log_scores, rng)
                shuffled = rng.permutation(len(codes))
                codes, log_scores = codes[shuffled], log_scores[shuffled]
            yield self.split.inputs(codes), self._targets(log_scores)

    def ordered(self) -> Iterator[Batch]:
        """Give the background events once, in the order of the file: what a validation is about."""
        start = 0
        for x in self.split.ordered_blocks():
            yield x, self._targets(self.log_scores[start : start + len(x)])
            start += len(x)

    def fitted(self) -> Lessons:
        """Give the same with the target that the config asks for, from all of the background and some outliers."""
        codes = self.split.codes(0)
        rng = np.random.default_rng([0, _OUTLIERS])
        _, log_scores = self._with_outliers(codes, self.log_scores[: len(codes)], rng)
        everything = np.concatenate([self.log_scores, log_scores[len(codes) :]])
        return self._replace(target=Target.of_config(self.distillation, everything))

    def _with_outliers(self, codes: Codes, log_scores: LogScores, rng: np.random.Generator) -> tuple[Codes, LogScores]:
        """Put made-up events behind those of a block."""
        n = self._n_outliers(len(codes))
        if not n:
            return codes, log_scores
        made = make_outliers(codes, n, self.distillation.outliers.kinds, self.split.features, rng)
        return np.concatenate([codes, made]), np.concatenate([log_scores, _log_scores(self.teacher, made)])

    def _targets(self, log_scores: LogScores) -> NDArray[np.float32]:
        return self.target.of_logarithms(log_scores).astype(np.float32)[:, None]

    def _n_outliers(self, n_events: int) -> int:
        return round(self.distillation.outliers.share * n_events)


def prepare_lessons(config: Config, teacher: Teacher, training: Split, validation: Split, folder: Path) -> Target:
    """Score the background with the teacher, write the scores, and give the map from them to the student's target."""
    log_scores = {
        split.name: np.concatenate([_log_scores(teacher, split.codes(start)) for start in split.starts])
        for split in (training, validation)
    }
    np.savez(folder / LOG_SCORES_FILE, **log_scores)  # type: ignore[arg-type]
    anything = Target(0.0, 1.0, 1.0)
    return Lessons(training, log_scores[training.name], anything, distillation_of(config), teacher).fitted().target


def open_lessons(run: StageRun, folder: Path, target: Target, split: Split) -> Lessons:
    """Open what the teacher said of a split.

    Parameters
    ----------
    folder
        Results of the stage `reference`, finished or not.
    target
        What `prepare_lessons` gave.
    """
    with np.load(folder / LOG_SCORES_FILE, allow_pickle=False) as saved:
        log_scores = saved[split.name]
    return Lessons(split, log_scores, target, distillation_of(run.config), open_teacher(folder, run.config, split))


def _log_scores(teacher: Teacher, codes: Codes) -> LogScores:
    return logarithms(teacher(codes)).astype(np.float32)
