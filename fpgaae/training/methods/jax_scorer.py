"""Scoring events on JAX, for all members at once. This module imports Keras 3 with the JAX backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from fpgaae.methods.base import ScoreFunction
from fpgaae.models.method_networks import variables_of_all
from fpgaae.models.method_scorer import Columns, Members, Scorer
from fpgaae.training.methods.jax_step import make_step

Array = Any
_SCORED_EVENTS = 4096  # a call


def jax_scorer(function: ScoreFunction, members: Members) -> Scorer:
    """Give the compiled function from events to a score for every member."""
    variables = variables_of_all(members.networks)

    def score(values: list[Array], knobs: Mapping[str, Array], batch: Mapping[str, Array]) -> Array:
        step = make_step(jax.random.key(0), knobs, jnp.ones(()), training=False)
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(members.networks, batch, step).astype(jnp.float32)

    compiled = jax.jit(jax.vmap(score, in_axes=(0, 0, None)))
    values = [jnp.stack(own) for own in zip(*members.values, strict=True)]
    stacked = {name: jnp.array([own[name] for own in members.knobs], dtype=jnp.float32) for name in members.knobs[0]}

    def scores(columns: Columns) -> NDArray[np.float64]:
        n = len(columns["x"])
        parts = []
        for start in range(0, n, _SCORED_EVENTS):
            rows = np.minimum(np.arange(start, start + _SCORED_EVENTS), n - 1)  # one shape, compiled once
            batch = {name: column[rows] for name, column in columns.items()}
            parts.append(np.asarray(compiled(values, stacked, batch)))
        return np.concatenate(parts, axis=1)[:, :n].astype(np.float64)

    return scores
