"""The training loop: block by block, with a checkpoint after each epoch, for Keras 2 and Keras 3 models alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Fit
from fpgaae.errors import CheckFailed, InputError
from fpgaae.progress import Progress

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
_CHECKPOINT = "checkpoint.npz"


class Material(NamedTuple):
    """What is learned, in blocks, and what is validated on."""

    training_blocks: Callable[[int], Iterable[Batch]]  # by epoch
    validation_blocks: Callable[[], Iterable[Batch]]
    n_events: int


def ignore(epoch: int, val_loss: float) -> None:
    """Do nothing after an epoch."""


class Run(NamedTuple):
    """A model and what it is trained on."""

    model: Any  # compiled
    material: Material
    callbacks: Sequence[Any] = ()
    after_epoch: Callable[[int, float], None] = ignore  # 0 the first; before it is a checkpoint


class History(NamedTuple):
    """What the training gave."""

    loss: list[float]
    val_loss: list[float]
    events_per_second: float

    @property
    def rate(self) -> float:
        """Events per second, as a result file gives them."""
        return round(self.events_per_second, 1)


def steps_per_epoch(n_events: int, batch_size: int) -> int:
    """Give the number of optimizer steps an epoch, for a learning rate or pruning schedule."""
    return -(-n_events // batch_size)


def train(run: Run, fit: Fit, scratch: Path, progress: Progress, description: str) -> History:
    """Train for the epochs of `fit`, going on from the checkpoint in `scratch` if there is one.

    Every epoch's order of events depends only on its number, so that a resumed training ends with the same weights as
    one that was never killed.

    Raises
    ------
    InputError
        If there are fewer events than a batch holds.
    CheckFailed
        If the loss is not finite.
    """
    if run.material.n_events < fit.batch_size:
        raise InputError(
            f"the {description} has {run.material.n_events} events, fewer than one batch of {fit.batch_size}; "
            "give more events or a smaller `batch_size`"
        )
    loss, val_loss, seconds = _restore(run.model, scratch / _CHECKPOINT)
    gc.collect()
    gc.freeze()  # what is there now stays: the collections below then look at little
    with progress.task(description, fit.epochs) as task:
        task.advance(len(loss))
        for epoch in range(len(loss), fit.epochs):
            started = time.perf_counter()
            loss.append(_epoch(run, fit, epoch))
            seconds += time.perf_counter() - started
            val_loss.append(_validate(run, fit))
            if not np.isfinite(loss[-1]) or not np.isfinite(val_loss[-1]):
                raise CheckFailed(
                    f"the loss is not finite in epoch {epoch + 1} of the {description}; lower its `learning_rate`"
                )
            run.after_epoch(epoch, val_loss[-1])
            _save(run.model, scratch / _CHECKPOINT, loss, val_loss, seconds)
            task.note(f"validation loss {val_loss[-1]:.4g}")
            task.advance()
    return History(loss, val_loss, run.material.n_events * fit.epochs / max(seconds, 1e-9))


def _epoch(run: Run, fit: Fit, epoch: int) -> float:
    total, events = 0.0, 0
    for x, y in run.material.training_blocks(epoch):
        history = run.model.fit(
            x, y, batch_size=fit.batch_size, epochs=1, shuffle=False, verbose=0, callbacks=list(run.callbacks)
        )
        total += history.history["loss"][-1] * len(x)
        events += len(x)
        gc.collect()  # each `fit` leaves a reference cycle that holds its block
    return float(total / events)


def _validate(run: Run, fit: Fit) -> float:
    total, events = 0.0, 0
    for x, y in run.material.validation_blocks():
        loss = run.model.evaluate(x, y, batch_size=max(fit.batch_size, 8192), verbose=0)
        total += float(np.ravel(loss)[0]) * len(x)
        events += len(x)
        gc.collect()
    return float(total / events)


def _state(model: Any) -> Iterator[Any]:  # noqa: ANN401
    """Give every variable that a resumed training needs: weights, random state, optimizer with its step."""
    model.optimizer.build(model.trainable_variables)
    yield from model.variables
    known = {id(variable) for variable in model.variables}
    yield from (variable for variable in _optimizer_variables(model.optimizer) if id(variable) not in known)


def _optimizer_variables(optimizer: Any) -> list[Any]:  # noqa: ANN401
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)


def _save(model: Any, file: Path, loss: list[float], val_loss: list[float], seconds: float) -> None:  # noqa: ANN401
    partial = file.with_name(f".{file.name}")
    with partial.open("wb") as stream:
        arrays = [np.asarray(variable) for variable in _state(model)]
        np.savez(stream, *arrays, loss=loss, val_loss=val_loss, seconds=seconds)
    partial.replace(file)


def _restore(model: Any, file: Path) -> tuple[list[float], list[float], float]:  # noqa: ANN401
    if not file.is_file():
        return [], [], 0.0
    with np.load(file, allow_pickle=False) as saved:
        for index, variable in enumerate(_state(model)):
            variable.assign(saved[f"arr_{index}"])
        return list(map(float, saved["loss"])), list(map(float, saved["val_loss"])), float(saved["seconds"])
