"""Finished float methods as teachers: kept in a student's own folder, and opened from there.

`teachers/N/` of the stage `reference` holds the method of the N-th score: its config, the weights of its members, what
it was told of its training events, and which score of which members is learned. This module imports Keras 3.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.inputs import Split, input_type_of
from fpgaae.errors import InputError
from fpgaae.files import read_json, write_json
from fpgaae.fixedpoint import Codes
from fpgaae.methods.base import Method
from fpgaae.methods.ensemble import LEARNING_RATE
from fpgaae.methods.registry import method_class
from fpgaae.models.method_networks import Values, build_networks, load_members
from fpgaae.models.method_scorer import Members, keras_scorer
from fpgaae.models.method_setting import InputMoments, input_moments, setting_of
from fpgaae.runs.experiment import MEMBERS_FILE
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.reference import FinishedTeacher

FOLDER = "teachers"
_CONFIG_FILE, _MOMENTS_FILE, _TEACHER_FILE = "config.json", "moments.npz", "teacher.json"
Scores = NDArray[np.float64]
Score = Callable[[Codes], Scores]


class _Opened(NamedTuple):
    """A finished method with the weights of all its members."""

    method: Method
    networks: dict[str, Any]
    values: tuple[Values, ...]


def keep_method(config: Config, members: Path, split: Split, folder: Path) -> None:
    """Keep a finished method in a folder.

    Parameters
    ----------
    members
        The weights of its members.
    split
        The training events, which are those that it was trained on.
    """
    folder.mkdir(parents=True)
    shutil.copyfile(members, folder / MEMBERS_FILE)
    write_json(folder / _CONFIG_FILE, config.model_dump(mode="json"))
    own = split._replace(input_type=input_type_of(config))
    x = np.concatenate([own.clipped(block) for block in own.ordered_blocks()])
    arrays: dict[str, Any] = input_moments(x)._asdict()
    np.savez(folder / _MOMENTS_FILE, **arrays)


def keep_teacher(folder: Path, teacher: FinishedTeacher) -> None:
    """Say which score of a method that was kept is learned."""
    write_json(folder / _TEACHER_FILE, as_json(teacher))


def read_teacher(folder: Path) -> FinishedTeacher:
    """Read which score of a method that was kept is learned."""
    return read_record(FinishedTeacher, folder / _TEACHER_FILE, "run the stage `reference` again, with `--force`")


def weights_of_a_member(folder: Path) -> int:
    """Count the weights of one member of a method that was kept."""
    with np.load(folder / MEMBERS_FILE, allow_pickle=False) as saved:
        return sum(int(saved[name][0].size) for name in saved.files)


def open_teachers(folder: Path, split: Split) -> Score:
    """Give the function from hardware codes (n, n_features) to the mean score (n,) of all teachers.

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    split
        Any of the events, which say what their features are.
    """
    places = sorted((folder / FOLDER).iterdir(), key=lambda place: int(place.name))
    teachers = [open_score(place, read_teacher(place), split) for place in places]
    return lambda codes: np.asarray(np.mean([score(codes) for score in teachers], axis=0))


def open_score(folder: Path, teacher: FinishedTeacher, split: Split) -> Score:
    """Give the function from hardware codes (n, n_features) to the scores (n,) of a method that was kept.

    It raises an InputError where a score is not finite.
    """
    config = _read_config(folder)
    method, networks, values = _open_method(config, folder, split)
    all_members = config.ensemble.members(config.seed)
    learning_rate = {LEARNING_RATE: config.training.reference.learning_rate}
    knobs = [{**learning_rate, **method.options.knobs, **all_members[i].point} for i in teacher.members]
    members = Members(networks, tuple(values[i] for i in teacher.members), knobs)
    scorer = keras_scorer(method.scores()[teacher.score], members)
    own = split._replace(input_type=input_type_of(config))

    def scores(codes: Codes) -> Scores:
        found = scorer({"x": own.clipped(own.inputs(codes))}).mean(axis=0)
        if n_bad := int(np.count_nonzero(~np.isfinite(found))):
            raise InputError(
                f"the score {teacher.score} of the teacher {teacher.weights_of} is not finite for {n_bad:,} of "
                f"{len(found):,} events; train it anew with a lower `training.reference.learning_rate`, or name another"
            )
        return np.asarray((found - teacher.centre) / teacher.unit)

    return scores


def _read_config(folder: Path) -> Config:
    return Config.model_validate(read_json(folder / _CONFIG_FILE))


def _open_method(config: Config, folder: Path, split: Split) -> _Opened:
    if config.method is None:
        raise ValueError("a config without a method is no teacher")
    with np.load(folder / _MOMENTS_FILE, allow_pickle=False) as saved:
        moments = InputMoments(**{name: saved[name] for name in InputMoments._fields})
    method = method_class(config.method.kind)(config.method, setting_of(config, split.features, moments))
    networks = build_networks(method, config.seed)
    return _Opened(method, networks, load_members(folder, networks))
