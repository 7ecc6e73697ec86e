"""What `fpgaae emulate` writes, `emulate.json`, and `fpgaae export` says: the emulator and what it scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fpgaae.files import sha256_of_text
from fpgaae.runs.record import as_json
from fpgaae.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class EmulatedFile:
    """An event file that was scored."""

    file: str
    output: str
    key: str  # identifies its content and the network
    events: int
    accepted: tuple[int, ...]  # a number a threshold
    objects: Mapping[str, int] | None = None  # by kind
    largest_pt: Mapping[str, int] | None = None  # those at the largest pT
    kept: int | None = (
        None  # events that fulfil `data.where`, which `accepted` counts; None: there is no such condition
    )
    sha256: str = ""  # of its scores

    @property
    def counted(self) -> int:
        """The number of events that `accepted` is a part of."""
        return self.events if self.kept is None else self.kept


@dataclass(frozen=True, kw_only=True)
class EmulatedThreshold:
    """What a threshold accepts of all events, and the rate if these are the trigger's input; None of no events."""

    code: int
    accepted: int
    accepted_share: Interval | None = None  # a false positive rate of background, an efficiency of a signal
    rate_khz: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class EmulateFiles:
    """The content of `emulate.json`."""

    network: str
    score_fraction: int
    events: int
    thresholds: tuple[EmulatedThreshold, ...]
    files: tuple[EmulatedFile, ...]
    failed: Mapping[str, str]  # what is wrong, by event file
    loaded: bool = False  # whether the thresholds are those of a file, and not the trained ones
    seal: str = ""  # SHA-256 of all that stands above, so that an edit is seen

    def sealed(self) -> EmulateFiles:
        """Give the same with its seal."""
        return replace(self, seal=self._seal())

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was written."""
        return self.seal == self._seal()

    def _seal(self) -> str:
        return sha256_of_text(json.dumps(as_json(replace(self, seal="")), sort_keys=True))


@dataclass(frozen=True, kw_only=True)
class EmulateResult(EmulateFiles):
    """The same, and how long it took."""

    seconds: float
    events_per_second: float


@dataclass(frozen=True, kw_only=True)
class EmulatorPackage:
    """A written emulator."""

    name: str
    hash: str
    weights_hash: str
    types_hash: str
    n_features: int
    n_thresholds: int
    score_fraction: int
    vectors: int


@dataclass(frozen=True, kw_only=True)
class ExportedEmulator(EmulatorPackage):
    """A written emulator, and where it lies."""

    folder: str


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """The emulator as CMSSW loads it, and what it was compared on."""

    name: str
    version: str
    library: str
    events: int
    folder: str
