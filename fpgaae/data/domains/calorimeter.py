"""Calorimeter images: the transverse energy of each region, (phi, eta) as CMS' Level-1 calorimeter trigger has 18 x 14.

Files are HDF5 or npz arrays (events, phi, eta) in GeV. The toys are a soft background with falling jets, and signals on
top of the same soft background; they stand in for data and are no simulation of a detector.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpgaae.config.data import Data
from fpgaae.data.source import EventFile, Reader, Source
from fpgaae.data.toys import ToySource
from fpgaae.section import Section

Values = NDArray[np.float64]


class Options(Section):
    """Of the toys."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    pileup: Annotated[float, Field(gt=0, le=1e6)] = 55.0  # mean number of collisions in a crossing
    pileup_spread: Annotated[float, Field(ge=0, le=1e6)] = 12.0


class Jets(NamedTuple):
    """How many deposits an event has, how hard and how wide they are."""

    fewest: int
    most: int
    pt_min_gev: float
    tail: float  # of the power law pt^-(tail + 1)
    width: float  # in regions


_KINDS = {
    "background": Jets(0, 2, 12.0, 3.2, 0.7),
    "dijet": Jets(2, 2, 60.0, 3.0, 0.7),
    "multijet": Jets(6, 9, 22.0, 3.5, 0.7),
    "taus": Jets(2, 2, 32.0, 4.0, 0.25),
    "soft_bomb": Jets(30, 50, 2.5, 3.0, 0.4),
}
_ETA_SLOPE = 0.35  # more soft energy forward
_REGION_GEV = 0.011  # mean soft energy of a region and collision
_GAMMA_SHAPE = 0.7


def make_images(rng: np.random.Generator, n: int, jets: Jets, options: Options, shape: tuple[int, int]) -> Values:
    """Make images (n, phi, eta) in GeV: gamma-distributed soft energy that grows with pile-up, and jets.

    Jets go round in phi; their energy is shared as a Gaussian of `width` regions.
    """
    collisions = np.maximum(rng.normal(options.pileup, options.pileup_spread, size=(n, 1, 1)), 1.0)
    eta = np.abs(np.linspace(-1, 1, shape[1]))
    mean = _REGION_GEV * collisions * (1 + _ETA_SLOPE * eta)
    soft = rng.gamma(_GAMMA_SHAPE, 1.0, size=(n, *shape)) * (mean / _GAMMA_SHAPE)
    return np.asarray(soft + _deposits(rng, n, jets, shape))


def _deposits(rng: np.random.Generator, n: int, jets: Jets, shape: tuple[int, int]) -> Values:
    wanted = rng.integers(jets.fewest, jets.most + 1, size=n)
    pt = jets.pt_min_gev * rng.random((n, jets.most)) ** (-1 / jets.tail)
    pt *= np.arange(jets.most) < wanted[:, None]
    phi, eta = (_shares(rng, (n, jets.most), extent, jets.width, round_=axis == 0) for axis, extent in enumerate(shape))
    return np.asarray(np.einsum("nj,njp,nje->npe", pt, phi, eta))


def _shares(rng: np.random.Generator, size: tuple[int, int], extent: int, width: float, *, round_: bool) -> Values:
    """Give the share of each deposit's energy that a row of regions gets, (*size, extent)."""
    centre = rng.uniform(0, extent, size=size) if round_ else rng.normal(extent / 2, extent / 5, size=size) % extent
    distance = np.abs(np.arange(extent) + 0.5 - centre[..., None])
    if round_:
        distance = np.minimum(distance, extent - distance)
    weights = np.exp(-0.5 * (distance / width) ** 2)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _open(file: EventFile, data: Data, options: Options) -> Source | None:
    array = data.hardware.array
    if file.path is not None or array is None:
        return None
    phi, eta = (*array.shape, 1)[:2]
    jets = _KINDS[file.toy]
    return ToySource(
        file, options.seed, lambda rng, n: make_images(rng, n, jets, options, (phi, eta)).reshape(n, *array.shape)
    )


READER = Reader(Options, _open, tuple(_KINDS))
