"""Two-dimensional Ising configurations across the critical temperature, made by a vectorised Monte Carlo.

Spins of +-1 on a square lattice with periodic ends, energy -J sum over neighbours of s s', J = k = 1, no field; the
exact critical temperature is 2 / ln(1 + sqrt(2)) = 2.269 (L. Onsager, Phys. Rev. 65 (1944) 117).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.config.data import Data
from fpgaae.data.source import EventFile, Reader, Source
from fpgaae.data.toys import ToySource
from fpgaae.errors import InputError
from fpgaae.section import Section

CRITICAL_TEMPERATURE = float(2 / np.log(1 + np.sqrt(2)))
_KINDS = {"ising": (0.0, np.inf), "ordered": (0.0, CRITICAL_TEMPERATURE), "disordered": (CRITICAL_TEMPERATURE, np.inf)}


class Options(Section):
    """Of the Monte Carlo."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    coldest: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    hottest: Annotated[float, Field(gt=0, le=1e6)] = 3.5
    sweeps: Annotated[int, Field(ge=1, le=100_000)] = 200  # attempts to flip each spin


def simulate(rng: np.random.Generator, temperatures: NDArray[np.float64], size: int, sweeps: int) -> NDArray[np.int8]:
    """Make one configuration a temperature, (n, size, size), by Metropolis flips of one checkerboard colour at once.

    Below the critical temperature they begin ordered, up or down, so that none ends in two domains; above, at random.
    """
    n = len(temperatures)
    spins = rng.choice(np.array([-1, 1], dtype=np.int8), size=(n, size, size))
    cold = temperatures < CRITICAL_TEMPERATURE
    spins[cold] = rng.choice(np.array([-1, 1], dtype=np.int8), size=(int(cold.sum()), 1, 1))
    colour = np.indices((size, size)).sum(axis=0) % 2
    # A flip costs 2 s times the sum of the neighbours: 0, 4 or 8 are paid by chance (Metropolis et al. 1953).
    chance = np.exp(-2 * np.array([2, 4])[:, None] / temperatures).astype(np.float32)
    for step in range(2 * sweeps):
        neighbours = sum(np.roll(spins, shift, axis) for shift in (-1, 1) for axis in (1, 2))
        aligned = spins * neighbours
        accepted = np.where(aligned == 4, chance[1][:, None, None], chance[0][:, None, None])
        flip = (aligned <= 0) | (rng.random(spins.shape, dtype=np.float32) < accepted)
        spins[flip & (colour == step % 2)] *= -1
    return spins


def magnetisation(spins: NDArray[np.integer]) -> NDArray[np.float64]:
    """Give the mean spin of each configuration, (n,), for spins (n, ...)."""
    return np.asarray(spins.reshape(len(spins), -1).mean(axis=1))


def _open(file: EventFile, data: Data, options: Options) -> Source | None:
    array = data.hardware.array
    if file.path is not None or array is None:
        return None
    if len(array.shape) != 2 or array.shape[0] != array.shape[1] or array.shape[0] % 2 or not array.signed:
        raise InputError(
            f"`data.hardware.array` has the shape {list(array.shape)}; spins need an even square and `signed: true`"
        )
    low, high = _KINDS[file.toy]
    coldest, hottest = max(options.coldest, low), min(options.hottest, high)
    if coldest >= hottest:
        raise InputError(f"{file}: `data.options` leave no temperature from {coldest:g} to {hottest:g}; correct them")

    def make(rng: np.random.Generator, n: int) -> NDArray[np.int8]:
        return simulate(rng, rng.uniform(coldest, hottest, size=n), array.shape[0], options.sweeps)

    return ToySource(file, options.seed, make)


READER = Reader(Options, _open, tuple(_KINDS))
