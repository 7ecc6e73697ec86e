"""What the stage `data` writes: `data.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult

FEW_OBJECTS = 100  # from which on something is concluded
_WARNED_SHARE = 0.05  # of the filled slots of a kind at the largest pT


@dataclass(frozen=True, kw_only=True)
class WordEntry:
    """The word that a property of an object arrives as (see `fpgaae.data.layout.Word`)."""

    bits: int
    signed: bool
    lsb: float
    code_offset: int
    steps: int
    none: int | None
    overflow: int | None
    zero_overflow: bool


@dataclass(frozen=True, kw_only=True)
class FeatureType:
    """A feature: a hardware integer and the network input that is made of it."""

    name: str
    quantity: str
    bits: int
    offset: int
    shift: int
    type: str  # fixed-point, of the network input
    word: WordEntry | None = None  # where one is declared


def is_saturated(largest: int, objects: int) -> bool:
    """Tell whether the share of objects at the largest pT has to be said."""
    return objects >= FEW_OBJECTS and largest > _WARNED_SHARE * objects


@dataclass(frozen=True, kw_only=True)
class SeenEvents:
    """What a process' files held; mappings without another remark are by kind of object."""

    events_read: int
    dropped: Mapping[str, int]  # events, by reason
    empty_events: int
    objects: Mapping[str, int]
    largest_pt: Mapping[str, int]  # objects at the largest pT
    clipped: Mapping[str, int] | None = None  # integers, by column
    cut: Mapping[str, int] | None = None  # events with more objects in a list than slots
    cut_harder: Mapping[str, int] | None = None  # events of which a harder object than one that stays was cut off
    sorted: Mapping[str, int] | None = None  # events that were not sorted by pT
    dropped_weight: float | None = None  # share of the weight within `where` that was left out, where events have some

    @property
    def dropped_share(self) -> float:
        """The share of the events within `data.where` that were left out, although the firmware gets them.

        Where events have weights, it is that of their weight.
        """
        if self.dropped_weight is not None:
            return self.dropped_weight
        left_out = self.dropped.get("empty", 0) + self.dropped.get("saturated", 0)
        return left_out / (self.events_read - self.dropped.get("where", 0)) if left_out else 0.0


@dataclass(frozen=True, kw_only=True)
class DataResult(StageResult):
    """The events of each process, and the frozen features."""

    STAGE: ClassVar[str] = "data"

    events: Mapping[str, Mapping[str, int]]  # by process and split
    feature_types: tuple[FeatureType, ...]
    files: Mapping[str, str]  # by process: the name of its file
    seen: Mapping[str, SeenEvents] | None = None  # by process; None of a version that did not count
    warnings: tuple[str, ...] = ()
