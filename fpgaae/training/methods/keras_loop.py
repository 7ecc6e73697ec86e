"""Training through Keras' own `fit`, for the backends TensorFlow and PyTorch: member after member, the same terms.

This module imports Keras 3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from fpgaae.errors import InputError
from fpgaae.methods.base import Networks, Step, Terms
from fpgaae.methods.ensemble import LEARNING_RATE, Member
from fpgaae.models.method_networks import build_networks, initial_values
from fpgaae.models.method_scorer import make_step
from fpgaae.training.methods.job import (
    Job,
    MemberHistory,
    Trained,
    require_finite,
)

Tensor = Any


class _FitModel(keras.Model):
    """The terms of a method as the loss of a Keras model."""

    def __init__(self, job: Job, member: Member, networks: Networks) -> None:
        super().__init__(name="fit")
        self._job = job
        self._networks = dict(networks)
        self._noise = keras.random.SeedGenerator(member.seed)
        self._knobs = job.knobs(member)
        self._means = {name: keras.metrics.Mean(name) for name in self._term_names()}

    def _term_names(self) -> tuple[str, ...]:
        batch = {name: ops.convert_to_tensor(c[:2]) for name, c in self._job.training.items()}
        return tuple(self._job.method.terms(self._networks, batch, self._step(0.0, training=False)))

    def _step(self, progress: Tensor, *, training: bool) -> Step:
        return make_step(self._noise, self._knobs, progress, training=training)

    def call(self, inputs: Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Add every term to the loss."""
        optimizer = getattr(self, "optimizer", None)
        done = 0.0 if optimizer is None else ops.cast(optimizer.iterations, "float32")
        progress = done / (self._job.steps * self._job.fit.epochs) if training else 1.0
        terms: Terms = self._job.method.terms(self._networks, inputs, self._step(progress, training=training))
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
    phases = job.method.phases()
    if len(phases) > 1 or len(phases[0].objectives) > 1:
        raise InputError(
            f"the method {job.method.options.kind} trains in several parts, which Keras' `fit` on the backend "
            f"{keras.backend.backend()} can't; set KERAS_BACKEND=jax"
        )
    values, histories, seconds = [], [], 0.0
    with job.progress.task("float training", job.fit.epochs * len(job.members)) as task:
        for index, member in enumerate(job.members):
            networks = build_networks(job.method, member.seed)
            history, took = _train_member(job, index, member, networks, task)
            values.append(initial_values(networks))
            histories.append(history)
            seconds += took
    rate = job.steps * job.batch_size * job.fit.epochs * len(job.members) / max(seconds, 1e-9)
    return Trained(networks, tuple(values), tuple(histories), rate, "fit")


def _train_member(
    job: Job, index: int, member: Member, networks: dict[str, Any], task: Any  # noqa: ANN401
) -> tuple[MemberHistory, float]:  # fmt: skip
    fit = job.fit
    rate = job.knobs(member)[LEARNING_RATE]
    schedule = keras.optimizers.schedules.CosineDecay(
        rate, job.steps * fit.epochs, alpha=fit.final_learning_rate / rate
    )
    model = _FitModel(job, member, networks)
    model.compile(optimizer=keras.optimizers.Adam(schedule))
    rng = np.random.default_rng(member.seed)
    terms: dict[str, list[float]] = {}
    val_loss: list[float] = []
    seconds = 0.0
    for epoch in range(fit.epochs):
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


def _validate(model: keras.Model, job: Job) -> float:
    found = model.evaluate(dict(job.validation), batch_size=len(job.validation["x"]), verbose=0, return_dict=True)
    return float(found["loss"])
