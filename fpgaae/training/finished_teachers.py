"""Finished float methods become the teachers of a student: looked up, checked, and kept in the student's own folder.

This module imports Keras 3.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.distillation import FinishedScore
from fpgaae.config.shipped import CONFIG_PREFIX, find_shipped
from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import BLOCK_EVENTS, Split
from fpgaae.data.readers import event_hashes
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.methods.registry import method_class, score_names
from fpgaae.models.finished_teacher import FOLDER, keep_method, keep_teacher, open_score, weights_of_a_member
from fpgaae.models.teacher import distillation_of
from fpgaae.runs.experiment import MEMBERS_FILE, Experiment, TakenWeights, open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.reference import FinishedTeacher
from fpgaae.runs.run import StageRun, require_current
from fpgaae.training.distillation import scores_of

_QUANTILES = (0.16, 0.5, 0.84)  # of a score over the background, by which several are made comparable


class _Found(NamedTuple):
    """A finished method that a config names, which fits the student."""

    experiment: Experiment
    wanted: FinishedScore
    taken: TakenWeights

    def entry(self, weights_of_one: int) -> FinishedTeacher:
        """Say which score of which members is learned."""
        config = self.experiment.config
        if config.method is None:
            raise ValueError("a config without a method is no teacher")
        all_members = config.ensemble.members(config.seed)
        chosen = tuple(range(len(all_members))) if self.wanted.member == "mean" else (self.wanted.member,)
        return FinishedTeacher(
            weights_of=self.wanted.weights_of,
            method=config.method.kind,
            score=self.wanted.score or (*config.method.scores, *score_names(method_class(config.method.kind)))[0],
            members=chosen,
            seeds=tuple(all_members[i].seed for i in chosen),
            weights=weights_of_one * len(chosen),
            sha256=str(self.taken.sha256),
        )


def take_teachers(run: StageRun, training: Split) -> tuple[FinishedTeacher, ...]:
    """Keep the finished methods that the config names in the run's folder, and say what is learned of each.

    Raises
    ------
    InputError
        If one is missing, stale, of other events or another scaling, has no such score or member, or gives scores that
        are not finite.
    """
    wanted = distillation_of(run.config).finished_teachers
    found = [_find(run, training, *pair) for pair in zip(wanted, run.experiment.teachers, strict=True)]
    teachers = []
    for index, one in enumerate(found):
        folder = run.folder / FOLDER / str(index)
        members = one.experiment.stage_folder("reference") / MEMBERS_FILE
        keep_method(one.experiment.config, members, training, folder)
        teacher = one.entry(weights_of_a_member(folder))
        if len(found) > 1:
            teacher = _standardized(teacher, folder, training)
        keep_teacher(folder, teacher)
        teachers.append(teacher)
    return tuple(teachers)


def _find(run: StageRun, training: Split, wanted: FinishedScore, taken: TakenWeights) -> _Found:
    """Look a method up by its config, and refuse one that does not fit."""
    own = run.experiment.config_file
    shipped = wanted.weights_of.startswith(CONFIG_PREFIX)
    file = find_shipped(wanted.weights_of).file if shipped else Path(wanted.weights_of)
    if not file.is_file():
        raise InputError(
            f"`distillation.teacher` of {own} names {file}, which is no file; give a path from the present folder on, "
            "or config:NAME of a shipped one"
        )
    experiment = open_experiment(file, Path(taken.folder).parent.parent)
    config = experiment.config
    if config.method is None:
        raise InputError(
            f"`distillation.teacher` of {own} names {file}, which has no `method`; name one of configs/reference/"
        )
    found = method_class(config.method.kind)
    if found.mixes:
        raise InputError(
            f"`distillation.teacher` of {own} names the method {config.method.kind}, which has signals mixed into its "
            "training; a student learns of none, so name another method"
        )
    hashes = event_hashes(config, file)
    for stage in ("reference", "data"):
        require_current(experiment, stage, hashes, wanted="reference")
    _require_same_events(run, training, experiment)
    if wanted.score is not None and wanted.score not in (known := score_names(found)):
        raise InputError(
            f"`distillation.teacher` of {own} names the score {wanted.score}; the method {config.method.kind} has "
            f"{', '.join(known)}"
        )
    n_members = len(config.ensemble.members(config.seed))
    if wanted.member != "mean" and wanted.member >= n_members:
        raise InputError(
            f"`distillation.teacher` of {own} names member {wanted.member} of {file}, which has {n_members}, counted "
            "from 0; give a smaller number, or mean"
        )
    return _Found(experiment, wanted, taken)


def _require_same_events(run: StageRun, training: Split, teacher: Experiment) -> None:
    """Refuse a teacher that was trained on other background events, or has other inputs."""
    own = run.experiment.config_file
    if FeatureMap.of(teacher.result(DataResult)) != training.features:
        raise InputError(
            f"the teacher {teacher.config_file} has another scaling than {own}, or other features; give both the same "
            "`data` and `seed`"
        )
    theirs = training._replace(store=EventStore(teacher.stage_folder("data")), process=teacher.config.data.background)
    if _digest(theirs) != _digest(training):
        raise InputError(
            f"the teacher {teacher.config_file} was trained on other events than {own} has; give both the same `data` "
            "and `seed`, or the same `data.split.seed`"
        )


def _digest(split: Split) -> bytes:
    """Give the hash of the hardware integers of a split."""
    digest = hashlib.sha256()
    for codes in split.store.chunks(split.process, split.name, BLOCK_EVENTS):
        digest.update(codes.tobytes())
    return digest.digest()


def _standardized(teacher: FinishedTeacher, folder: Path, training: Split) -> FinishedTeacher:
    """Give a teacher whose score has its median over the background at 0, and a spread of 1."""
    score = open_score(folder, teacher, training)
    low, centre, high = np.quantile(scores_of(training, score), _QUANTILES).tolist()
    if low == high:
        raise InputError(
            f"the score {teacher.score} of the teacher {teacher.weights_of} is the same for most of the background, so "
            "that it can't be combined with others; leave it out"
        )
    return FinishedTeacher(**{**vars(teacher), "centre": centre, "unit": (high - low) / 2})
