"""What the stage `data` writes: `data.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult


@dataclass(frozen=True, kw_only=True)
class FeatureType:
    """A feature: a hardware integer and the network input that is made of it."""

    name: str
    quantity: str
    bits: int
    offset: int
    shift: int
    type: str  # fixed-point, of the network input


@dataclass(frozen=True, kw_only=True)
class DataResult(StageResult):
    """The events of each process, and the frozen features."""

    STAGE: ClassVar[str] = "data"

    events: Mapping[str, Mapping[str, int]]  # by process and split
    feature_types: tuple[FeatureType, ...]
    files: Mapping[str, str]  # by process: the name of its file
