"""What every training loop is given and gives, whatever its backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import FloatFit
from fpgaae.errors import CheckFailed, InputError
from fpgaae.methods.base import Method, Phase
from fpgaae.methods.ensemble import LEARNING_RATE, Member
from fpgaae.models.method_networks import Values, build_networks, initial_values, variables_of_all
from fpgaae.progress import Progress
from fpgaae.training.methods.dataset import Columns


class Totals(NamedTuple):
    """Numbers of events in all, where a process holds its share of them only."""

    training: int
    validation: int


class Job(NamedTuple):
    """What is to be trained, and on which events."""

    method: Method
    members: tuple[Member, ...]
    fit: FloatFit
    training: Columns
    validation: Columns
    scratch: Path
    progress: Progress
    totals: Totals | None = None

    @property
    def n_events(self) -> int:
        """Number of training events, of all processes."""
        return len(self.training["x"]) if self.totals is None else self.totals.training

    @property
    def batch_size(self) -> int:
        """Number of events a step; the last, smaller batch of an epoch is left out."""
        return self.fit.batch_size

    @property
    def steps(self) -> int:
        """Number of batches an epoch."""
        return self.n_events // self.fit.batch_size

    def knobs(self, member: Member) -> dict[str, float]:
        """Give the numbers that differ between members."""
        own = {LEARNING_RATE: self.fit.learning_rate, **self.method.options.knobs}
        return {**own, **member.point}

    def require_a_batch(self) -> None:
        """Refuse a training of less than one batch.

        Raises
        ------
        InputError
            If there are fewer events than a batch holds.
        """
        if self.steps < 1:
            raise InputError(
                f"the float training has {self.n_events} events, fewer than one batch of {self.batch_size}; "
                "give more events or a smaller `training.reference.batch_size`"
            )


class MemberHistory(NamedTuple):
    """What the training of one member gave, a number an epoch each."""

    terms: dict[str, list[float]]  # of the loss in training, averaged over the batches
    val_loss: list[float]

    @property
    def loss(self) -> list[float]:
        """The loss in training."""
        return [float(sum(own)) for own in zip(*self.terms.values(), strict=True)]


class Trained(NamedTuple):
    """The outcome of a training."""

    networks: Mapping[str, Any]  # the template that the values belong to
    values: tuple[Values, ...]  # by member
    histories: tuple[MemberHistory, ...]
    events_per_second: float  # of all members together
    loop: str  # which loop trained
    n_devices: int = 1


def solve(job: Job) -> Trained | None:
    """Take the weights from the method's closed form, if it has one; they do not depend on the seed."""
    found = job.method.solve(job.training["x"])
    if found is None:
        return None
    networks = build_networks(job.method, job.members[0].seed)
    for variable in variables_of_all(networks):
        variable.assign(found[variable.path].astype(np.float32))
    values = initial_values(networks)
    return Trained(networks, (values,) * len(job.members), (), 0.0, "closed form")


def phase_epochs(job: Job) -> list[tuple[Phase, int]]:
    """Give every phase with its number of epochs, one at least; the last takes what is left."""
    phases = job.method.phases()
    total = sum(phase.share for phase in phases)
    epochs = [max(1, round(job.fit.epochs * phase.share / total)) for phase in phases]
    epochs[-1] = max(1, job.fit.epochs - sum(epochs[:-1]))
    return list(zip(phases, epochs, strict=True))


def require_finite(job: Job, epoch: int, terms: Mapping[str, NDArray[np.floating]]) -> None:
    """Stop a training whose loss is not finite, with the epoch, the term and advice.

    Parameters
    ----------
    epoch
        From 0.
    terms
        By name, a number a member each.

    Raises
    ------
    CheckFailed
        If one is not finite.
    """
    for name, values in terms.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            member = job.members[int(bad[0])]
            point = "".join(f", {key} {value:g}" for key, value in member.point.items())
            raise CheckFailed(
                f"the term `{name}` of the loss is not finite in epoch {epoch + 1} of the float training (method "
                f"{job.method.options.kind}, seed {member.seed}{point}); lower `training.reference.learning_rate`, now "
                f"{job.knobs(member)[LEARNING_RATE]:g}{_advice(job.method.options.knobs)}"
            )


def _advice(knobs: Mapping[str, float]) -> str:
    return f", or the weights of the terms in `method` ({', '.join(knobs)})" if knobs else ""
