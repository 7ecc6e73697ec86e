"""The events that a method trains on and is tested with, where signals are mixed into its training.

Signals have a test split only. A method that mixes them is given those of their groups that the split of the background
would train on or validate with, and is tested with the others: no event, and no group, is in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.inputs import open_split
from fpgaae.data.splits import SPLITS, split_of_groups
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.methods.base import Method
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.dataset import Columns, load_columns, rows_of

_TEST = SPLITS[-1]


def training_columns(run: StageRun, split: str, method: type[Method]) -> Columns:
    """Give what a method trains on, or validates with.

    Raises
    ------
    InputError
        If there are no signals to mix in, or too few.
    """
    background = run.config.data.background
    return _mixtures(run, split) if method.mixes else load_columns(run, background, split, method.columns)


def shared_columns(
    run: StageRun, split: str, method: type[Method], share: Callable[[int], range]
) -> tuple[Columns, int]:
    """Give the share of one of several processes of what a method trains on, or validates with; and how many all have.

    Parameters
    ----------
    share
        From the number of events to those of this process.
    """
    if method.mixes:
        columns = _mixtures(run, split)
        n = len(columns["x"])
        return rows_of(columns, share(n)), n
    n = open_split(run, split).n_events
    return load_columns(run, run.config.data.background, split, method.columns, share(n)), n


def unseen_columns(run: StageRun, process: str, method: type[Method]) -> Columns:
    """Give the inputs of the events of a process that no training of this method has seen."""
    columns = {"x": load_columns(run, process, _TEST)["x"]}
    if not method.mixes or process == run.config.data.background:
        return columns
    rows = _rows(run, process, _TEST)
    if not len(rows):
        raise InputError(f"no event of {process} is left to test with; give more events, or a larger `data.split.test`")
    return {"x": columns["x"][rows]}


def unseen_groups(run: StageRun, process: str, method: type[Method]) -> NDArray[np.int64]:
    """Give the group of each event of `unseen_columns`."""
    groups = EventStore(run.upstream("data")).groups(process, _TEST)
    if not method.mixes or process == run.config.data.background:
        return groups
    return groups[_rows(run, process, _TEST)]


def _mixtures(run: StageRun, split: str) -> Columns:
    """Make two mixed samples, of half the background each, and say of every event which it is in."""
    options: Any = run.config.method
    background = load_columns(run, run.config.data.background, split)["x"]
    signals = _signals(run, options.signals)
    rng = np.random.default_rng([run.config.seed, SPLITS.index(split)])
    left = {process: _signal_events(run, process, split, rng) for process in signals}
    xs, labels = [], []
    for label, share, own in zip((1, 0), options.fractions, np.array_split(background, 2), strict=True):
        wanted = round(len(own) * share / (1 - share) / len(signals))
        for process in signals:
            if len(left[process]) < wanted:
                raise InputError(
                    f"{process} has too few events in the groups for the {split} split: a share of {share:g} needs "
                    f"{wanted}; lower `method.fractions` or give more events"
                )
            xs.append(left[process][:wanted])
            left[process] = left[process][wanted:]
        xs.append(own)
        labels.append(np.full(len(own) + wanted * len(signals), label, dtype=np.float32))
    return {"x": np.concatenate(xs), "mixture": np.concatenate(labels)}


def _signals(run: StageRun, wanted: tuple[str, ...]) -> tuple[str, ...]:
    data = run.config.data
    known = tuple(process for process in data.files if process != data.background)
    if unknown := [process for process in wanted if process not in known]:
        raise InputError(
            f"method.signals: `data.files` has no signal `{unknown[0]}`; it has {', '.join(known) or 'none'}"
        )
    if not known:
        raise InputError("the method cwola mixes signals into its training; name one at least in `data.files`")
    return wanted or known


def _signal_events(run: StageRun, process: str, split: str, rng: np.random.Generator) -> NDArray[np.float32]:
    rows = rng.permutation(_rows(run, process, split))
    return np.asarray(load_columns(run, process, _TEST)["x"][rows])


def _rows(run: StageRun, process: str, split: str) -> NDArray[np.int64]:
    """Give which events of a signal a split of the background would hold."""
    groups = EventStore(run.upstream("data")).groups(process, _TEST)
    found = split_of_groups(groups, run.config.data.split, run.config.split_seed)
    return np.flatnonzero(found == SPLITS.index(split))
