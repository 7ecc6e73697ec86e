"""What a student is trained on: background events and made-up outliers, with targets from its teacher's scores.

The teacher scores the background once; the grades of its scores are kept, 4 bytes an event. Outliers are made anew in
each epoch, block by block, and scored; or they come from a number of sets, whose grades are kept, too. Which network
learns from them does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.distillation import Distillation
from fpgaae.config.experiment import Config
from fpgaae.data.inputs import Split
from fpgaae.fixedpoint import Codes
from fpgaae.models.target import Target
from fpgaae.models.teacher import Teacher, distillation_of, open_teacher
from fpgaae.runs.run import StageRun
from fpgaae.training.loop import Batch
from fpgaae.training.outliers import make_outliers

GRADES_FILE = "teacher_grades.npz"
_OUTLIERS = 1  # a stream of random numbers apart from that of the order of the events
_ORDER = 2  # another, of the order in which outliers of a set come
Grades = NDArray[np.float32]
KeptGrades = Mapping[str, Grades]  # of the events of the file by split, and of the outliers of a set


class Lessons(NamedTuple):
    """The events of a split with their targets, as a student gets them."""

    split: Split
    grades: Grades  # of the teacher's scores, in the order of the file
    target: Target
    distillation: Distillation
    teacher: Teacher  # for outliers
    of_sets: tuple[Grades, ...] = ()  # of the outliers of each set, block by block; none: they are made anew

    @property
    def n_events(self) -> int:
        """Number of events in an epoch, outliers among them."""
        return sum(len(own) + self._n_outliers(len(own)) for _, own in self.split.places(0, 0))

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Give the events of an epoch, shuffled within their blocks, with the outliers of this epoch among them."""
        for start, order in self.split.places(seed, epoch):
            in_file_order = self.split.codes(start)
            codes, grades = in_file_order[order], self.grades[start + order]
            if self.of_sets:
                index = epoch % len(self.of_sets)
                made, of_made = self._set(in_file_order, seed, index, start), self._grades_in_set(index, start)
                rng = np.random.default_rng([seed, epoch, start, _ORDER])
            else:
                rng = np.random.default_rng([seed, epoch, start, _OUTLIERS])
                made = self._made(codes, rng)
                of_made = self._grades_of(made) if len(made) else self.grades[:0]
            if len(made):
                codes, grades = np.concatenate([codes, made]), np.concatenate([grades, of_made])
                shuffled = rng.permutation(len(codes))
                codes, grades = codes[shuffled], grades[shuffled]
            yield self.split.inputs(codes), self._targets(grades)

    def ordered(self) -> Iterator[Batch]:
        """Give the background events once, in the order of the file: what a validation is about."""
        start = 0
        for x in self.split.ordered_blocks():
            yield x, self._targets(self.grades[start : start + len(x)])
            start += len(x)

    def fitted(self) -> Lessons:
        """Give the same with the target that the config asks for, from all of the background and some outliers."""
        codes = self.split.codes(0)
        made = self._made(codes, np.random.default_rng([0, _OUTLIERS]))
        everything = np.concatenate([self.grades, self._grades_of(made)]) if len(made) else self.grades
        return self._replace(target=self.target.clipped(self.distillation, everything))

    def grades_of_set(self, seed: int, index: int) -> Grades:
        """Score the outliers of a set, block by block."""
        blocks = [self._set(self.split.codes(start), seed, index, start) for start in self.split.starts]
        return np.concatenate([self._grades_of(made) for made in blocks])

    def _grades_in_set(self, index: int, start: int) -> Grades:
        """Give the grades of the outliers of a set that belong to a block; those in front of it are full."""
        size = self.split.starts.step
        first, n = start // size * self._n_outliers(size), self._n_outliers(min(size, self.split.n_events - start))
        return self.of_sets[index][first : first + n]

    def _set(self, codes: Codes, seed: int, index: int, start: int) -> Codes:
        """Make the outliers of a set from the events of a block, in the order of the file."""
        return self._made(codes, np.random.default_rng([seed, index, start, _OUTLIERS]))

    def _made(self, codes: Codes, rng: np.random.Generator) -> Codes:
        """Make as many outliers of the events of a block as belong to it."""
        n = self._n_outliers(len(codes))
        return make_outliers(codes, n, self.distillation.outliers.kinds, self.split.features, rng) if n else codes[:0]

    def _grades_of(self, codes: Codes) -> Grades:
        return self.target.grades(self.teacher(codes)).astype(np.float32)

    def _targets(self, grades: Grades) -> NDArray[np.float32]:
        return self.target.of_grades(grades).astype(np.float32)[:, None]

    def _n_outliers(self, n_events: int) -> int:
        return round(self.distillation.outliers.share * n_events)


def prepare_lessons(config: Config, teacher: Teacher, training: Split, validation: Split, folder: Path) -> Target:
    """Score the background with the teacher, write the grades, and give the map from scores to the student's target."""
    distillation = distillation_of(config)
    scores = {split.name: scores_of(split, teacher) for split in (training, validation)}
    unclipped = Target.unclipped(distillation.target, scores[training.name])
    kept = {name: unclipped.grades(own).astype(np.float32) for name, own in scores.items()}
    lessons = Lessons(training, kept[training.name], unclipped, distillation, teacher).fitted()
    if distillation.outliers.share:
        for index in range(distillation.outliers.sets or 0):
            kept[_set_name(index)] = lessons.grades_of_set(config.seed, index)
    arrays: dict[str, Any] = kept
    np.savez(folder / GRADES_FILE, **arrays)
    return lessons.target


def open_lessons(run: StageRun, folder: Path, target: Target, split: Split) -> Lessons:
    """Open what the teacher said of a split.

    Parameters
    ----------
    folder
        Results of the stage `reference`, finished or not.
    target
        What `prepare_lessons` gave.
    """
    distillation = distillation_of(run.config)
    with np.load(folder / GRADES_FILE, allow_pickle=False) as saved:
        grades = saved[split.name]
        names = map(_set_name, range(distillation.outliers.sets or 0))
        of_sets = tuple(saved[name] for name in names if name in saved)
    return Lessons(split, grades, target, distillation, open_teacher(folder, run.config, split), of_sets)


def scores_of(split: Split, teacher: Teacher) -> NDArray[np.float64]:
    """Score every event of a split, in the order of the file."""
    return np.concatenate([teacher(split.codes(start)) for start in split.starts])


def _set_name(index: int) -> str:
    return f"outliers_{index}"
