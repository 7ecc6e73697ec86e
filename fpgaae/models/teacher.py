"""A trained teacher, whose scores a student learns; what is trained on them does not belong here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import Distillation
from fpgaae.data.inputs import Split
from fpgaae.errors import ConfigError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.scores.base import score_class
from fpgaae.models.float_output import open_teacher_output

Teacher = Callable[[Codes], NDArray[np.float64]]  # hardware codes (n, n_features) -> scores (n,)


def open_teacher(folder: Path, config: Config, split: Split) -> Teacher:
    """Open a trained teacher.

    Parameters
    ----------
    folder
        Results of the stage `reference`.
    """
    distillation = distillation_of(config)
    score = distillation.teacher.score
    output = open_teacher_output(folder, distillation, config.data.hardware.image_shape)

    def scores(codes: Codes) -> NDArray[np.float64]:
        x = split.clipped(split.inputs(codes))
        return score_class(score).float_value(x, output(x), split.features.empty_slot_values())

    return scores


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
