"""A trained teacher, whose scores a student learns; what is trained on them does not belong here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.distillation import Distillation
from fpgaae.config.experiment import Config
from fpgaae.data.inputs import Split
from fpgaae.errors import ConfigError, InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.scores.base import score_class
from fpgaae.models.float_output import open_teacher_output
from fpgaae.models.target import Target
from fpgaae.runs.results.reference import ReferenceResult, TrainedReference
from fpgaae.runs.run import StageRun

Teacher = Callable[[Codes], NDArray[np.float64]]  # hardware codes (n, n_features) -> scores (n,)


def open_teacher(folder: Path, config: Config, split: Split) -> Teacher:
    """Open a trained teacher.

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    """
    distillation = distillation_of(config)
    trained = distillation.trained_teacher
    if trained is None:
        from fpgaae.models.finished_teacher import open_teachers  # noqa: PLC0415

        return open_teachers(folder, split)
    score = trained.score
    output = open_teacher_output(folder, distillation, config.data.hardware.image_shape)

    def scores(codes: Codes) -> NDArray[np.float64]:
        x = split.clipped(split.inputs(codes))
        return score_class(score).float_value(x, output(x), split.features.empty_slot_values())

    return scores


class Taught(NamedTuple):
    """The size of a teacher, and the map from its score to what its student learned."""

    weights: int
    target: Target


def find_taught(run: StageRun) -> Taught | None:
    """Give what the stage `reference` says of a teacher; an imported student comes without one."""
    if run.config.distillation is None:
        return None
    result = run.result(ReferenceResult)
    if not isinstance(result, TrainedReference) or result.target is None:
        return None
    weights = sum(teacher.weights for teacher in result.teachers)
    return Taught(weights if result.teacher is None else result.teacher.weights, Target.of(result.target))


def require_taught(run: StageRun) -> Taught:
    """Give what the stage `reference` says of a teacher.

    Raises
    ------
    InputError
        If it trained none.
    """
    if (taught := find_taught(run)) is None:
        command = run.experiment.command("reference")
        raise InputError(f"{run.experiment.result_path('reference')} names no teacher; run `{command} --force`")
    return taught


def distillation_of(config: Config) -> Distillation:
    """Give the config's section on the teacher.

    Raises
    ------
    ConfigError
        If it has none.
    """
    if config.distillation is None:
        raise ConfigError("the config describes no teacher; add `distillation:`")
    return config.distillation
