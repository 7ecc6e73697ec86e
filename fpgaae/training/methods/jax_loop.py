"""The training loop on JAX: all members at once, an epoch one compiled scan, the events on the device.

This module imports Keras 3 with the JAX backend.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import PartitionSpec
from numpy.typing import NDArray

from fpgaae.methods.base import Objective, Phase, Step
from fpgaae.methods.ensemble import LEARNING_RATE
from fpgaae.models.method_networks import Values, build_networks, initial_values, variables_of_all
from fpgaae.progress import Task
from fpgaae.training.methods.checkpoint import Checkpoint, Saved
from fpgaae.training.methods.dataset import Columns
from fpgaae.training.methods.devices import MEMBERS, place, require_memory
from fpgaae.training.methods.jax_step import Moments, adam, make_step
from fpgaae.training.methods.job import (
    Job,
    MemberHistory,
    Trained,
    phase_epochs,
    require_finite,
)
from fpgaae.training.methods.shuffle import shuffled
from fpgaae.training.methods.together import is_first, of_first

Array = Any


class State(NamedTuple):
    """All that changes in the training of a member."""

    values: list[Array]  # of every variable
    moments: tuple[Moments, ...]  # by objective


def train_with_jax(job: Job) -> Trained:
    """Train every member of the ensemble at once.

    Raises
    ------
    CheckFailed
        If a loss is not finite.
    InputError
        If there are fewer events than a batch holds.
    """
    job.require_a_batch()
    require_memory(job.training)
    starts = []
    for member in job.members:
        networks = build_networks(job.method, member.seed)
        starts.append(initial_values(networks))
    return _Loop(job, networks, starts).run()


class _Progress(NamedTuple):
    """How far a training is, and what it gave."""

    done: int  # epochs of all phases
    seconds: float
    terms: dict[str, list[list[float]]]  # by name and member
    val_loss: list[list[float]]  # by member


class _Loop:
    """The compiled functions of one job."""

    def __init__(self, job: Job, networks: Mapping[str, Any], starts: list[Values]) -> None:
        self._job = job
        self._networks = networks
        self._variables = variables_of_all(networks)
        self._place = place(len(job.members), job.batch_size)
        members = [min(i, len(starts) - 1) for i in range(self._place.padded(len(starts)))]  # the last one repeated
        knobs = [job.knobs(job.members[i]) for i in members]
        self._members = members
        stacked = [np.stack([starts[i][v] for i in members]) for v in range(len(self._variables))]
        if self._place.spans_processes:
            stacked, _ = of_first(stacked, {})
        self._values = self._place.put(stacked, MEMBERS)
        keys = np.stack([jax.random.key_data(jax.random.key(job.members[i].seed)) for i in members])
        self._keys = jax.random.wrap_key_data(self._place.put(keys, MEMBERS))
        named = {name: np.array([own[name] for own in knobs], dtype=np.float32) for name in knobs[0]}
        self._knobs = self._place.put(named, MEMBERS)
        self._n_validation = len(job.validation["x"]) if job.totals is None else job.totals.validation
        self._columns = self._place.put_events(job.training, job.n_events)
        self._validation = self._place.put_events(job.validation, self._n_validation)

    def run(self) -> Trained:
        """Train phase by phase."""
        job, n = self._job, len(self._job.members)
        checkpoint = Checkpoint(job.scratch)
        saved = self._saved(checkpoint)
        at = _Progress(0, 0.0, {}, [[] for _ in range(n)]) if saved is None else _Progress(*saved.notes["progress"])
        before, skipped = 0, 0 if saved is None else int(saved.notes["phase"])
        with job.progress.task("float training", job.fit.epochs) as task:
            task.advance(at.done)
            for index, (phase, epochs) in enumerate(phase_epochs(job)):
                first = max(0, at.done - before)
                before += epochs
                if index < skipped:
                    continue  # of a resumed training: its state is that of a later phase
                fresh = jax.vmap(partial(self._fresh, phase))
                state = State(
                    self._values,
                    (self._place.compile(fresh) if self._place.spans_processes else fresh)(self._values),
                )
                if saved is not None:
                    shapes = jax.tree.structure(state)
                    state = self._place.put(jax.tree.unflatten(shapes, saved.arrays), MEMBERS)
                    saved = None

                def save(state: State, at: _Progress, phase: int = index) -> None:
                    if is_first() and checkpoint.is_due():
                        checkpoint.save(jax.tree.leaves(state), {"phase": phase, "progress": list(at)})

                if first < epochs:
                    state, at = self._train_phase(phase, (first, epochs), state, at, save, task)
                self._values = state.values
        host = [np.asarray(value) for value in self._values]
        histories = tuple(
            MemberHistory({name: own[i] for name, own in at.terms.items()}, at.val_loss[i]) for i in range(n)
        )
        rate = job.steps * job.batch_size * at.done * n / max(at.seconds, 1e-9)
        values = tuple([own[i] for own in host] for i in range(n))
        return Trained(self._networks, values, histories, rate, "scan", self._place.n_devices)

    def _saved(self, checkpoint: Checkpoint) -> Saved | None:
        """Give the state that a killed training goes on from, the same to all processes."""
        saved = checkpoint.load()
        if self._place.spans_processes:
            arrays, notes = of_first(*([], {}) if saved is None else saved)
            saved = Saved(arrays, notes) if notes else None
        if saved is None:
            return None
        return saved._replace(arrays=[array[self._members] for array in saved.arrays])  # of another number of devices

    def _train_phase(
        self,
        phase: Phase,
        span: tuple[int, int],
        state: State,
        at: _Progress,
        save: Callable[[State, _Progress], None],
        task: Task,
    ) -> tuple[State, _Progress]:
        """Train the epochs of a phase from `span[0]` on."""
        first, epochs = span

        offset = at.done - first

        def where(epoch: int) -> Array:
            return self._place.put(np.array([offset + epoch, epoch, epochs], dtype=np.int32))

        function = self._place.compile(self._spread(partial(self._epoch, phase), 3, 2), donate_argnums=0)
        compiled = function.lower(state, self._keys, self._knobs, where(first), self._columns).compile()
        validate = self._place.compile(self._spread(partial(self._loss, phase), 2, 1))
        for epoch in range(first, epochs):
            started = time.perf_counter()
            state, found = compiled(state, self._keys, self._knobs, where(epoch), self._columns)
            found = {name: values[: len(at.val_loss)] for name, values in jax.device_get(found).items()}
            seconds = at.seconds + time.perf_counter() - started
            require_finite(self._job, at.done, found)
            validated = np.asarray(validate(state.values, self._knobs, self._validation))[: len(at.val_loss)]
            at = _Progress(
                at.done + 1, seconds, _longer(at.terms, found), _longer({"": at.val_loss}, {"": validated})[""]
            )
            save(state, at)
            task.note(f"validation loss {validated.mean():.4g}")
            task.advance()
        return state, at

    def _spread(self, function: Callable[..., Any], n_by_member: int, n_common: int) -> Callable[..., Any]:
        """Run a function of one member for all: the first arguments are by member, the others common to all."""

        def one_by_one(*arguments: Any) -> Any:  # noqa: ANN401
            common = arguments[n_by_member:]
            return jax.lax.map(lambda own: function(*own, *common), arguments[:n_by_member])

        at_once = jax.vmap(function, in_axes=(*[0] * n_by_member, *[None] * n_common))
        mapped = one_by_one if _convolves_on_cpu(self._networks) else at_once
        if self._place.mesh is None or self._place.axis != MEMBERS:
            return mapped
        by_member, common = PartitionSpec(MEMBERS), PartitionSpec()
        specs = (*[by_member] * n_by_member, *[common] * n_common)
        return jax.shard_map(mapped, mesh=self._place.mesh, in_specs=specs, out_specs=by_member, check_vma=False)

    def _indices(self, objective: Objective) -> list[int]:
        position = {id(variable): index for index, variable in enumerate(self._variables)}
        return [position[id(variable)] for variable in objective.variables(self._networks)]

    def _fresh(self, phase: Phase, values: list[Array]) -> tuple[Moments, ...]:
        moments = []
        for objective in phase.objectives:
            zeros = [jnp.zeros_like(values[i]) for i in self._indices(objective)]
            moments.append(Moments(zeros, [jnp.zeros_like(zero) for zero in zeros], jnp.zeros((), jnp.int32)))
        return tuple(moments)

    def _epoch(
        self,
        phase: Phase,
        state: State,
        key: Array,
        knobs: Mapping[str, Array],
        where: Array,
        columns: Mapping[str, Array],
    ) -> tuple[State, dict[str, Array]]:
        job, (done, epoch, epochs) = self._job, where
        of_epoch = jax.random.fold_in(key, done)
        order = shuffled(of_epoch, job.n_events)[: job.steps * job.batch_size]

        def body(state: State, item: tuple[Array, Array]) -> tuple[State, dict[str, Array]]:
            rows, index = item
            batch = self._place.pick(columns, rows)
            progress = (epoch + index / job.steps) / epochs
            step = make_step(jax.random.fold_in(of_epoch, index), knobs, progress, training=True)
            return self._update(phase, state, batch, step)

        items = (order.reshape(job.steps, job.batch_size), jnp.arange(job.steps))
        state, terms = jax.lax.scan(body, state, items)
        return state, {name: jnp.mean(values) for name, values in terms.items()}

    def _update(
        self, phase: Phase, state: State, batch: Mapping[str, Array], step: Step
    ) -> tuple[State, dict[str, Array]]:
        values, moments = list(state.values), list(state.moments)
        terms: dict[str, Array] = {}
        rate = self._learning_rate(step)
        for number, objective in enumerate(phase.objectives):
            indices = self._indices(objective)
            for _ in range(objective.updates):

                def loss(own: list[Array]) -> tuple[Array, tuple[dict[str, Array], list[Array]]]:
                    merged = list(values)  # noqa: B023 - called at once
                    for i, value in zip(indices, own, strict=True):  # noqa: B023
                        merged[i] = value
                    found, after = self._terms(objective, merged, batch, step)  # noqa: B023
                    return sum(found.values()), (found, after)

                own = [values[i] for i in indices]
                gradients, (found, after) = jax.grad(loss, has_aux=True)(own)
                new, moments[number] = adam(own, gradients, moments[number], rate)
                values = after
                if objective.bound is not None:
                    new = [jnp.clip(value, -objective.bound, objective.bound) for value in new]
                for i, value in zip(indices, new, strict=True):
                    values[i] = value
            terms |= found
        return State(values, tuple(moments)), terms

    def _learning_rate(self, step: Step) -> Array:
        """Fall along a cosine to the final learning rate."""
        start, end = step.knobs[LEARNING_RATE], self._job.fit.final_learning_rate
        return end + (start - end) * 0.5 * (1 + jnp.cos(jnp.pi * step.progress))

    def _terms(
        self, objective: Objective, values: list[Array], batch: Mapping[str, Array], step: Step
    ) -> tuple[dict[str, Array], list[Array]]:
        """Give the terms, and every variable after the call (batch normalization changes some)."""
        mapping = list(zip(self._variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            found = objective.terms(self._networks, batch, step)
        after = [scope.get_current_value(variable) for variable in self._variables]
        return {name: term.astype(jnp.float32) for name, term in found.items()}, after

    def _loss(self, phase: Phase, values: list[Array], knobs: Mapping[str, Array], columns: Columns) -> Array:
        """Give the loss of a phase, without the randomness of training."""
        columns = {name: column[: self._n_validation] for name, column in columns.items()}
        step = make_step(jax.random.key(0), knobs, jnp.ones(()), training=False)
        found = [self._terms(objective, values, columns, step)[0] for objective in phase.objectives]
        return sum(term for terms in found for term in terms.values())


def _convolves_on_cpu(networks: Mapping[str, Any]) -> bool:
    """Tell whether members are better trained one after the other: a CPU takes twice as long for all at once.

    XLA makes one grouped convolution of them, which it does not optimize there.
    """
    layers = (layer for network in networks.values() for layer in network.layers)
    return jax.devices()[0].platform == "cpu" and any(isinstance(layer, keras.layers.Conv2D) for layer in layers)


def _longer(
    history: Mapping[str, list[list[float]]], found: Mapping[str, NDArray[np.floating]]
) -> dict[str, list[list[float]]]:
    """Add one number a member to each of some lists."""
    return {
        name: [[*own, float(value)] for own, value in zip(history.get(name, [[]] * len(values)), values, strict=True)]
        for name, values in found.items()
    }
