"""The stage `reference`: the full-precision training, from which the quantized one starts.

This module imports Keras 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras

from fpgaae.config.distillation import Distillation
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import Split, open_split
from fpgaae.models.float import TEACHER_WEIGHTS_FILE, build_float, folded_weights, save_float
from fpgaae.models.float_weights import count_weights
from fpgaae.models.target import Target
from fpgaae.models.teacher import open_teacher
from fpgaae.runs.results.reference import FinishedTeacher, ReferenceResult, TeacherTraining, TrainedReference
from fpgaae.runs.run import StageRun
from fpgaae.training.distillation import open_lessons, prepare_lessons
from fpgaae.training.finished_teachers import take_teachers
from fpgaae.training.float_fit import FloatLesson, fit_float, reconstruction_lesson, student_lesson
from fpgaae.training.float_pruning import prune_for_epoch, without_masks
from fpgaae.training.loop import Batch
from fpgaae.training.methods.backend import backend, device


def run_reference(run: StageRun) -> ReferenceResult:
    """Train the float network of the config and write its weights, as trained and folded; a teacher before its student.

    It is pruned meanwhile where it is only rounded afterwards (`training.quantized.mode: post_training`).
    """
    config = run.config
    fit, pruned = config.training.reference, config.training.quantizes_after
    training, validation = open_split(run, "train"), open_split(run, "validation")
    keras.utils.set_random_seed(config.seed)
    teacher, target = None, None
    finished: tuple[FinishedTeacher, ...] = ()
    if config.distillation is None:
        lesson = reconstruction_lesson(config.model, training, validation, config.seed)
    else:
        if config.distillation.trained_teacher is None:
            finished = take_teachers(run, training)
        else:
            teacher = _train_teacher(run, config.distillation, training, validation)
        lesson, target = _teach(run, training, validation)
    image = config.data.hardware.image_shape
    graph = build_float(config.model, image, config.seed, batch_normalization=fit.batch_normalization, masked=pruned)

    def blocks(epoch: int) -> Iterable[Batch]:
        prune_for_epoch(config, graph, epoch)
        return lesson.material.training_blocks(epoch)

    material = lesson.material._replace(training_blocks=blocks)
    history = fit_float(
        graph.training, lesson._replace(material=material), fit, run.scratch, run.progress, "float training"
    )
    if pruned:
        graph = without_masks(config, graph)
    folded = save_float(graph.training, run.folder)
    return TrainedReference(
        backend=backend(),
        device=device(),
        epochs=len(history.loss),
        loss=tuple(history.loss),
        val_loss=history.val_loss[-1],
        val_losses=tuple(history.val_loss),
        events_per_second=history.rate,
        weights=count_weights(folded),
        teacher=teacher,
        teachers=finished,
        target=target and target.entry(),
    )


def _train_teacher(run: StageRun, distillation: Distillation, training: Split, validation: Split) -> TeacherTraining:
    """Train the teacher and write its weights."""
    config, model, fit = run.config, distillation.trained_teacher, distillation.fit
    if model is None or fit is None:
        raise ValueError("a finished method is not trained here")
    image = config.data.hardware.image_shape
    graph = build_float(model, image, config.seed, batch_normalization=fit.batch_normalization)
    lesson = reconstruction_lesson(model, training, validation, config.seed)
    scratch = run.scratch / "teacher"
    scratch.mkdir(exist_ok=True)
    history = fit_float(graph.training, lesson, fit, scratch, run.progress, "teacher training")
    save_by_keras(graph.training.save_weights, run.folder / TEACHER_WEIGHTS_FILE)
    return TeacherTraining(
        epochs=len(history.loss),
        loss=tuple(history.loss),
        val_loss=history.val_loss[-1],
        val_losses=tuple(history.val_loss),
        events_per_second=history.rate,
        weights=count_weights(folded_weights(graph.training)),
    )


def _teach(run: StageRun, training: Split, validation: Split) -> tuple[FloatLesson, Target]:
    """Give what the student of a teacher that lies in the run's folder learns."""
    with run.progress.task("teacher's scores", None):
        teacher = open_teacher(run.folder, run.config, training)
        target = prepare_lessons(run.config, teacher, training, validation, run.folder)
    learned, checked = (open_lessons(run, run.folder, target, split) for split in (training, validation))
    return student_lesson(learned, checked, run.config.seed), target
