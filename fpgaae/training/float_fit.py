"""The training of a float network (Keras 3), and what it learns: its own inputs, or a teacher's scores.

Which networks are trained, and what is written of them, does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Fit, Model
from fpgaae.data.inputs import Split
from fpgaae.models.float import reconstruction_loss
from fpgaae.progress import Progress
from fpgaae.training.distillation import Lessons
from fpgaae.training.loop import Batch, History, Material, Run, steps_per_epoch, train


class FloatLesson(NamedTuple):
    """What a float network learns, and the loss."""

    material: Material
    loss: Any


def fit_float(
    network: keras.Model, lesson: FloatLesson, fit: Fit, scratch: Path, progress: Progress, description: str
) -> History:
    """Train a network with Adam along a cosine, going on from the checkpoint in `scratch` if there is one."""
    steps = fit.epochs * steps_per_epoch(lesson.material.n_events, fit.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        fit.learning_rate, steps, alpha=fit.final_learning_rate / fit.learning_rate
    )
    network.compile(optimizer=keras.optimizers.Adam(schedule), loss=lesson.loss)
    return train(Run(network, lesson.material), fit, scratch, progress, description)


def reconstruction_lesson(model: Model, training: Split, validation: Split, seed: int) -> FloatLesson:
    """Let an autoencoder learn its own inputs."""
    return FloatLesson(
        Material(
            lambda epoch: _pairs(training, training.blocks(seed, epoch)),
            lambda: _pairs(validation, validation.ordered_blocks()),
            training.n_events,
        ),
        reconstruction_loss(model, _variance(training), training.features.empty_slot_values()),
    )


def student_lesson(training: Lessons, validation: Lessons, seed: int) -> FloatLesson:
    """Let a student learn its teacher's scores."""
    return FloatLesson(
        Material(
            lambda epoch: _clipped(training.split, training.epoch(seed, epoch)),
            lambda: _clipped(validation.split, validation.ordered()),
            training.n_events,
        ),
        "mean_squared_error",
    )


def _clipped(split: Split, batches: Iterable[Batch]) -> Iterator[Batch]:
    for x, y in batches:
        yield split.clipped(x), y


def _pairs(split: Split, blocks: Iterator[NDArray[np.float32]]) -> Iterator[Batch]:
    for block in blocks:
        x = split.clipped(block)
        yield x, x


def _variance(split: Split) -> NDArray[np.float64]:
    """Give the variance of every clipped input over the training split, (n_features,)."""
    n, total, squares = 0, 0.0, 0.0
    for block in split.ordered_blocks():
        x = split.clipped(block).astype(np.float64)
        n += len(x)
        total = total + x.sum(axis=0)
        squares = squares + (x * x).sum(axis=0)
    return np.asarray(np.maximum(squares / n - (total / n) ** 2, 0))
