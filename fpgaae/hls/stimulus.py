"""What the C simulation is fed with: real events, random ones, and the extremes of every input type.

A stimulus is described by a small picklable `Source`, so that each worker process makes its own part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config import Config
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import Codes, FixedPointType, requantize

CHUNK_EVENTS = 2048
RANDOM = "random"
EXTREMES = "extremes"
_OFF_GRID_BITS = 3  # random values lie on a grid this much finer than the input's, so that rounding is exercised


class Source(NamedTuple):
    """Consecutive events of one origin: a process of the test split, `random` or `extremes`."""

    origin: str
    start: int
    stop: int


class Stimulus(NamedTuple):
    """Events for the simulation and the input codes that exact rounding and saturation give for them."""

    values: NDArray[np.float64]  # (n, n_features), exact
    input_codes: Codes  # (n, n_features)


def sources(config: Config, events: dict[str, dict[str, int]], n_features: int) -> Iterator[Source]:
    """Give every part of the stimulus, the real events first."""
    lengths = {process: min(splits["test"], config.csim.max_events_per_process) for process, splits in events.items()}
    lengths[RANDOM] = config.csim.random_events
    lengths[EXTREMES] = len(_extreme_rows(n_features)) * 2
    for origin, length in lengths.items():
        for start in range(0, length, CHUNK_EVENTS):
            yield Source(origin, start, min(start + CHUNK_EVENTS, length))


def make_stimulus(
    source: Source, data_folder: Path, features: FeatureMap, input_type: FixedPointType, seed: int
) -> Stimulus:
    """Make one part of the stimulus."""
    if source.origin == RANDOM:
        return _random(source, features, input_type, seed)
    if source.origin == EXTREMES:
        return _extremes(source, features, input_type)
    codes = EventStore(data_folder).read(source.origin, "test", source.start, source.stop)
    return Stimulus(features.values(codes), features.input_codes(codes, input_type))


def _random(source: Source, features: FeatureMap, input_type: FixedPointType, seed: int) -> Stimulus:
    """Make random events: half of them uniform hardware integers, half values spread over the input type and beyond."""
    rng = np.random.default_rng([seed, source.start])
    n = source.stop - source.start
    low, high = features.limits
    hardware = rng.integers(low, high + 1, size=(n - n // 2, len(features)))
    fine = input_type.fraction + _OFF_GRID_BITS
    scale = 2.0 ** rng.uniform(0, input_type.width + _OFF_GRID_BITS, size=(n // 2, 1))
    direct = np.rint(rng.uniform(-1, 1, size=(n // 2, len(features))) * scale).astype(np.int64)
    return Stimulus(
        np.concatenate([features.values(hardware), np.ldexp(direct.astype(np.float64), -fine)]),
        np.concatenate([features.input_codes(hardware, input_type), requantize(direct, fine, input_type)]),
    )


def _extreme_rows(n_features: int) -> NDArray[np.int64]:
    """Give which end of its range each feature is at: all low, all high, alternating, and one feature at a time."""
    ends = [np.zeros(n_features), np.ones(n_features), -np.ones(n_features)]
    alternating = np.where(np.arange(n_features) % 2, 1, -1)
    single = np.eye(n_features)
    return np.concatenate([np.stack([*ends, alternating, -alternating]), single, -single]).astype(np.int64)


def _extremes(source: Source, features: FeatureMap, input_type: FixedPointType) -> Stimulus:
    """Make the extremes of every feature's type, then those of the network's input type."""
    rows = _extreme_rows(len(features))
    low, high = features.limits
    hardware = np.where(rows > 0, high, np.where(rows < 0, low, np.clip(features.offsets, low, high)))
    direct = np.where(rows > 0, input_type.max_code, np.where(rows < 0, input_type.min_code, 0))
    values = [features.values(hardware), np.ldexp(direct.astype(np.float64), -input_type.fraction)]
    codes = [features.input_codes(hardware, input_type), direct]
    part = slice(source.start, source.stop)
    return Stimulus(np.concatenate(values)[part], np.concatenate(codes)[part])
