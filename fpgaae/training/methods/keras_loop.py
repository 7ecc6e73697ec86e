"""Training through Keras' own `fit`, for the backends TensorFlow and PyTorch: member after member, the same terms.

This module imports Keras 3.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from fpgaae.errors import InputError
from fpgaae.methods.base import Networks, Objective, Step, Terms, all_variables
from fpgaae.methods.ensemble import LEARNING_RATE, Member
from fpgaae.models.method_networks import build_networks, initial_values
from fpgaae.models.method_scorer import make_step
from fpgaae.training.methods.job import (
    Job,
    MemberHistory,
    Trained,
    phase_epochs,
    require_finite,
)

Tensor = Any


class Part(NamedTuple):
    """A part of the training, which minimises one sum."""

    objective: Objective
    begin: int  # its first epoch
    epochs: int


class _FitModel(keras.Model):
    """The terms of an objective as the loss of a Keras model."""

    def __init__(self, job: Job, member: Member, networks: Networks, part: Part) -> None:
        super().__init__(name="fit")
        self._job = job
        self._part = part
        self._networks = dict(networks)
        self._noise = keras.random.SeedGenerator(member.seed)
        self._knobs = job.knobs(member)
        self._means = {name: keras.metrics.Mean(name) for name in self._term_names()}

    def _term_names(self) -> tuple[str, ...]:
        batch = {name: ops.convert_to_tensor(c[:2]) for name, c in self._job.training.items()}
        return tuple(self._part.objective.terms(self._networks, batch, self._step(0.0, training=False)))

    def _step(self, progress: Tensor, *, training: bool) -> Step:
        return make_step(self._noise, self._knobs, progress, training=training)

    def call(self, inputs: Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Add every term to the loss."""
        optimizer = getattr(self, "optimizer", None)
        done = 0.0 if optimizer is None else ops.cast(optimizer.iterations, "float32")
        progress = done / (self._job.steps * self._part.epochs) if training else 1.0
        terms: Terms = self._part.objective.terms(self._networks, inputs, self._step(progress, training=training))
        for name, term in terms.items():
            self.add_loss(ops.cast(term, "float32"))
            self._means[name].update_state(term)
        return inputs["x"][:, :1]


def train_with_keras(job: Job) -> Trained:
    """Train the members one after the other.

    Raises
    ------
    CheckFailed
        If a loss is not finite.
    InputError
        If there are fewer events than a batch holds, or the method has adversaries.
    """
    job.require_a_batch()
    parts = _parts(job)
    values, histories, seconds = [], [], 0.0
    with job.progress.task("float training", job.fit.epochs * len(job.members)) as task:
        for index, member in enumerate(job.members):
            networks = build_networks(job.method, member.seed)
            trained = []
            for part in parts:
                with _only(part.objective, networks):
                    trained.append(_train_part(job, (index, member), networks, part, task))
            values.append(initial_values(networks))
            val_loss = [loss for history, _ in trained for loss in history.val_loss]
            histories.append(MemberHistory(trained[-1][0].terms, val_loss))
            seconds += sum(took for _, took in trained)
    rate = job.steps * job.batch_size * job.fit.epochs * len(job.members) / max(seconds, 1e-9)
    return Trained(networks, tuple(values), tuple(histories), rate, "fit")


def _parts(job: Job) -> list[Part]:
    """Give the parts of a training, of which each minimises one sum.

    Raises
    ------
    InputError
        If the method has adversaries.
    """
    parts, begin = [], 0
    for phase, epochs in phase_epochs(job):
        objective = phase.objectives[0]
        if len(phase.objectives) > 1 or objective.updates > 1 or objective.bound is not None:
            raise InputError(
                f"the method {job.method.options.kind} trains several networks in turn, which Keras' `fit` on the "
                f"backend {keras.backend.backend()} can't; set KERAS_BACKEND=jax"
            )
        parts.append(Part(objective, begin, epochs))
        begin += epochs
    return parts


def _train_part(
    job: Job, of: tuple[int, Member], networks: dict[str, Any], part: Part, task: Any  # noqa: ANN401
) -> tuple[MemberHistory, float]:  # fmt: skip
    (index, member), fit = of, job.fit
    rate = job.knobs(member)[LEARNING_RATE]
    schedule = keras.optimizers.schedules.CosineDecay(
        rate, job.steps * part.epochs, alpha=fit.final_learning_rate / rate
    )
    model = _FitModel(job, member, networks, part)
    model.compile(optimizer=keras.optimizers.Adam(schedule))
    rng = np.random.default_rng([member.seed, part.begin] if part.begin else member.seed)
    terms: dict[str, list[float]] = {}
    val_loss: list[float] = []
    seconds = 0.0
    for epoch in range(part.begin, part.begin + part.epochs):
        rows = rng.permutation(job.n_events)[: job.steps * fit.batch_size]
        batch = {name: column[rows] for name, column in job.training.items()}
        started = time.perf_counter()
        found = model.fit(batch, batch_size=fit.batch_size, epochs=1, shuffle=False, verbose=0).history
        seconds += time.perf_counter() - started
        means = {name: found[name][-1] for name in found if name != "loss"}
        padded = {name: np.where(np.arange(len(job.members)) == index, value, 0.0) for name, value in means.items()}
        require_finite(job, epoch, padded)
        for name, value in means.items():
            terms.setdefault(name, []).append(float(value))
        val_loss.append(_validate(model, job))
        task.note(f"validation loss {val_loss[-1]:.4g}")
        task.advance()
    return MemberHistory(terms, val_loss), seconds


@contextmanager
def _only(objective: Objective, networks: Networks) -> Iterator[None]:
    """Let the variables of an objective be changed, and no others."""
    known, chosen = all_variables(networks), {id(variable) for variable in objective.variables(networks)}
    for variable in known:
        variable.trainable = id(variable) in chosen
    try:
        yield
    finally:
        for variable in known:
            variable.trainable = True


def _validate(model: keras.Model, job: Job) -> float:
    found = model.evaluate(dict(job.validation), batch_size=len(job.validation["x"]), verbose=0, return_dict=True)
    return float(found["loss"])
