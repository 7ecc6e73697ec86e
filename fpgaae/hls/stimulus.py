"""What the firmware is fed with: real events, random ones, those at the edges, extremes of input types and layers.

Words (hardware integers, where no words are declared) enter through the ports of the trigger block; values that none of
them gives, the network.

A stimulus is described by a small picklable `Source`, so that each worker process makes its own part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.store import EventStore
from fpgaae.fixedpoint import Codes, requantize
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.layer_stimulus import layer_codes, n_layer_rows
from fpgaae.hls.word_stimulus import word_events

CHUNK_EVENTS = 2048
RANDOM = "random"
EXTREMES = "extremes"
EDGES = "edges"
LAYERS = "layers"
WORDS = "words"
MADE_UP = frozenset({RANDOM, EXTREMES, EDGES, LAYERS, WORDS})
_OFF_GRID_BITS = 3  # random values lie on a grid this much finer than the input's, so that rounding is exercised


class Source(NamedTuple):
    """Consecutive events of one origin: a process of the test split, or one of `MADE_UP`."""

    origin: str
    start: int
    stop: int


class Stimulus(NamedTuple):
    """Events for the simulation: those that enter as words of the ports, then those that enter as values."""

    hardware: Codes  # (n_hardware, n_features) words
    values: NDArray[np.float64]  # (n_values, n_features), exact
    input_codes: Codes  # (n_hardware + n_values, n_features), as exact rounding and saturation give them
    injected: Mapping[str, Codes] | None = None  # by layer, (n_values, size): what stands in for its output


class Stimuli:
    """Makes the stimulus of an experiment's network, part by part.

    Parameters
    ----------
    trigger
        Its features, network and thresholds.
    edges
        (n_events, n_features) words of the ports at the edges, as `edge_events` finds them.
    """

    def __init__(
        self, config: Config, data_folder: Path, trigger: GoldenTrigger, edges: Codes | None = None
    ) -> None:  # fmt: skip
        self._config = config
        self._data_folder = data_folder
        self._trigger = trigger
        self._features, self._network = trigger.features, trigger.network
        self._input_type = trigger.network.input_type
        self._edges = np.zeros((0, len(self._features)), dtype=np.int64) if edges is None else edges

    def sources(self) -> Iterator[Source]:
        """Give every part of the stimulus, the real events first."""
        limit = self._config.csim.max_events_per_process
        store = EventStore(self._data_folder)
        lengths = {process: min(store.count(process, "test"), limit) for process in self._config.data.files}
        lengths[RANDOM] = self._config.csim.random_events
        lengths[WORDS] = self._config.csim.random_events if self._features.has_words else 0
        lengths[EXTREMES] = len(_extreme_rows(len(self._features))) * 2
        lengths[EDGES] = len(self._edges)
        lengths[LAYERS] = n_layer_rows(self._network)
        for origin, length in lengths.items():
            for start in range(0, length, CHUNK_EVENTS):
                yield Source(origin, start, min(start + CHUNK_EVENTS, length))

    def few(self, n: int, whole: Collection[str] = (EDGES,)) -> Iterator[tuple[Source, Codes]]:
        """Give the first n hardware integers of each origin, and those of some origins whole: all at the edges."""
        for source in self.sources():
            if source.origin == LAYERS or (source.start and source.origin not in whole):
                continue
            hardware = self.make(source).hardware
            yield source, hardware if source.origin in whole else hardware[:n]

    def make(self, source: Source) -> Stimulus:
        """Make one part."""
        if source.origin == RANDOM:
            return self._random(source)
        if source.origin == EXTREMES:
            return self._extremes(source)
        if source.origin == EDGES:
            return self._of_hardware(self._edges[source.start : source.stop])
        if source.origin == LAYERS:
            return self._layers(source)
        if source.origin == WORDS:
            rng = np.random.default_rng([self._config.seed, source.start, len(self._features)])
            return self._of_hardware(word_events(self._features, source.stop - source.start, rng))
        codes = EventStore(self._data_folder).read(source.origin, "test", source.start, source.stop)
        return self._of_hardware(self._features.words_of_codes(codes.astype(np.int64)))

    def _of_hardware(self, words: Codes) -> Stimulus:
        return Stimulus(words, np.zeros((0, len(self._features))), self._trigger.input_codes(words))

    def _joined(self, hardware: Codes, values: NDArray[np.float64], value_codes: Codes) -> Stimulus:
        codes = self._trigger.input_codes(hardware)
        return Stimulus(hardware, values, np.concatenate([codes, value_codes]))

    def _random(self, source: Source) -> Stimulus:
        """Make random events: half of them uniform words of the ports, half values over the input type and beyond."""
        rng = np.random.default_rng([self._config.seed, source.start])
        n = source.stop - source.start
        low, high = self._features.port_limits
        hardware = rng.integers(low, high + 1, size=(n - n // 2, len(self._features)))
        fine = self._input_type.fraction + _OFF_GRID_BITS
        scale = 2.0 ** rng.uniform(0, self._input_type.width + _OFF_GRID_BITS, size=(n // 2, 1))
        direct = np.rint(rng.uniform(-1, 1, size=(n // 2, len(self._features))) * scale).astype(np.int64)
        values = np.ldexp(direct.astype(np.float64), -fine)
        return self._joined(hardware, values, requantize(direct, fine, self._input_type))

    def _extremes(self, source: Source) -> Stimulus:
        """Make the extremes of every port, then those of the network's input type."""
        rows = _extreme_rows(len(self._features))
        low, high = self._features.port_limits
        hardware = np.where(rows > 0, high, np.where(rows < 0, low, self._features.middle_words))
        direct = np.where(rows > 0, self._input_type.max_code, np.where(rows < 0, self._input_type.min_code, 0))
        values = np.ldexp(direct.astype(np.float64), -self._input_type.fraction)
        first, last = (min(end, len(rows)) for end in (source.start, source.stop))
        rest = slice(max(source.start - len(rows), 0), max(source.stop - len(rows), 0))
        return self._joined(hardware[first:last], values[rest], direct[rest])

    def _layers(self, source: Source) -> Stimulus:
        """Make events whose layers get the codes of `layer_codes` instead of each other's."""
        part = slice(source.start, source.stop)
        injected = {name: codes[part] for name, codes in layer_codes(self._network, self._config.seed).items()}
        inputs = np.zeros((source.stop - source.start, len(self._features)), dtype=np.int64)
        return Stimulus(inputs[:0], inputs.astype(np.float64), inputs, injected)


def _extreme_rows(n_features: int) -> NDArray[np.int64]:
    """Give which end of its range each feature is at: all low, all high, alternating, and one feature at a time."""
    ends = [np.zeros(n_features), np.ones(n_features), -np.ones(n_features)]
    alternating = np.where(np.arange(n_features) % 2, 1, -1)
    single = np.eye(n_features)
    return np.concatenate([np.stack([*ends, alternating, -alternating]), single, -single]).astype(np.int64)
