"""What one step on JAX is made of: its random numbers and its optimizer. This module imports JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fpgaae.methods.base import Step

Array = Any
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # Adam, as Keras has it


class Moments(NamedTuple):
    """Adam's running means of the gradient and of its square, of one objective."""

    first: list[Array]
    second: list[Array]
    count: Array


class _Noise:
    """Random numbers of one step: each draw has a key of its own."""

    def __init__(self, key: Array) -> None:
        self._key = key
        self._draws = 0

    def _next(self) -> Array:
        self._draws += 1
        return jax.random.fold_in(self._key, self._draws)

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Give new unit normal numbers."""
        return jax.random.normal(self._next(), shape)

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Give new numbers from 0 to 1."""
        return jax.random.uniform(self._next(), shape)


def make_step(key: Array, knobs: Mapping[str, Array], progress: Array, *, training: bool) -> Step:
    """Give what terms and scores may depend on."""
    noise = _Noise(key)
    return Step(training, progress, knobs, noise.normal, noise.uniform)


def adam(values: list[Array], gradients: list[Array], moments: Moments, rate: Array) -> tuple[list[Array], Moments]:
    """Make one step of Adam (Kingma & Ba, arXiv 1412.6980), with Keras' place of epsilon."""
    count = moments.count + 1
    first = [_BETA_1 * m + (1 - _BETA_1) * g for m, g in zip(moments.first, gradients, strict=True)]
    second = [_BETA_2 * v + (1 - _BETA_2) * g * g for v, g in zip(moments.second, gradients, strict=True)]
    power = count.astype(jnp.float32)
    scale = rate * jnp.sqrt(1 - _BETA_2**power) / (1 - _BETA_1**power)
    new = [value - scale * m / (jnp.sqrt(v) + _EPSILON) for value, m, v in zip(values, first, second, strict=True)]
    return new, Moments(first, second, count)
