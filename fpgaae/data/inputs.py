"""Training events in blocks of bounded memory, in an order that depends only on the seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding, nearest_codes, values_of
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun

BLOCK_EVENTS = 131_072


class Split(NamedTuple):
    """The background's events of one split as network inputs."""

    store: EventStore
    process: str
    name: str
    features: FeatureMap
    input_type: FixedPointType

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.store.count(self.process, self.name)

    @property
    def starts(self) -> range:
        """The first event of each block, in the order of the file."""
        return range(0, self.n_events, BLOCK_EVENTS)

    def places(self, seed: int, epoch: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give the order of an epoch: the first event of each block, and the order of those in it."""
        rng = np.random.default_rng([seed, epoch])
        for start in rng.permutation(np.array(self.starts, dtype=np.int64)):
            yield int(start), rng.permutation(min(BLOCK_EVENTS, self.n_events - int(start)))

    def blocks(self, seed: int, epoch: int) -> Iterator[NDArray[np.float32]]:
        """Give every event once, shuffled: blocks in random order, and the events of each block."""
        for start, order in self.places(seed, epoch):
            yield self.inputs(self.codes(start))[order]

    def ordered_blocks(self, rows: range | None = None) -> Iterator[NDArray[np.float32]]:
        """Give every event once, or those of consecutive rows, in the order of the file."""
        wanted = range(self.n_events) if rows is None else rows
        for start in range(wanted.start, wanted.stop, BLOCK_EVENTS):
            stop = min(start + BLOCK_EVENTS, wanted.stop)
            yield self.inputs(self.store.read(self.process, self.name, start, stop))

    def codes(self, start: int) -> Codes:
        """Give the hardware codes of the block that begins with an event, (n, n_features)."""
        return self.store.read(self.process, self.name, start, min(start + BLOCK_EVENTS, self.n_events))

    def inputs(self, codes: Codes) -> NDArray[np.float32]:
        """Give the network inputs of hardware codes."""
        return self.features.values(codes).astype(np.float32)

    def clipped(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Clip inputs to the range of the network's input type, without rounding: what the float reference sees."""
        low, high = self.input_type.min_code * self.input_type.lsb, self.input_type.max_code * self.input_type.lsb
        return np.clip(x, np.float32(low), np.float32(high))

    def quantized(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Round and saturate inputs to the network's input type: what the firmware sees."""
        return values_of(nearest_codes(x, self.input_type), self.input_type.fraction).astype(np.float32)


def open_split(run: StageRun, name: str) -> Split:
    """Open a split of the background."""
    features = FeatureMap.of(run.result(DataResult))
    return Split(
        EventStore(run.upstream("data")), run.config.data.background, name, features, input_type_of(run.config)
    )


def input_type_of(config: Config) -> FixedPointType:
    """Give the type of the network's inputs, whose range also clips those of the float networks."""
    width = config.quantization.inputs
    return FixedPointType(width.bits, width.integer_bits + 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)
