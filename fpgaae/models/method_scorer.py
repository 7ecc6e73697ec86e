"""The scores that the members of a trained float method give, on whichever backend Keras has.

This module imports Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fpgaae.methods.base import Networks, ScoreFunction, Step, Tensor
from fpgaae.models.method_networks import Values, variables_of_all

_SCORED_EVENTS = 8192  # a call
Columns = Mapping[str, NDArray[np.float32]]  # "x": (n, n_features); others: (n,) or (n, ...)
Scorer = Callable[[Columns], NDArray[np.float64]]  # events -> a score for every member, (n_members, n)


class Members(NamedTuple):
    """The members of an ensemble: networks that any of them can be put into, and what differs between them."""

    networks: Networks
    values: tuple[Values, ...]  # by member
    knobs: list[dict[str, float]]  # by member


def make_step(noise: Any, knobs: Mapping[str, float], progress: Tensor, *, training: bool) -> Step:  # noqa: ANN401
    """Give what terms and scores may depend on."""
    return Step(
        training,
        progress,
        knobs,
        lambda shape: keras.random.normal(shape, seed=noise),
        lambda shape: keras.random.uniform(shape, seed=noise),
    )


def keras_scorer(function: ScoreFunction, members: Members) -> Scorer:
    """Give the function from events to a score for every member."""
    variables = variables_of_all(members.networks)

    def scores(columns: Columns) -> NDArray[np.float64]:
        found = []
        for values, own in zip(members.values, members.knobs, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            step = make_step(keras.random.SeedGenerator(0), own, 1.0, training=False)
            parts = []
            for start in range(0, len(columns["x"]), _SCORED_EVENTS):
                stop = start + _SCORED_EVENTS
                batch = {name: ops.convert_to_tensor(column[start:stop]) for name, column in columns.items()}
                parts.append(ops.convert_to_numpy(function(members.networks, batch, step)))
            found.append(np.concatenate(parts).astype(np.float64))
        return np.stack(found)

    return scores
