"""What the stage `csim` writes: `csim.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.convert import FollowedSumEntry, KerasAgreement, Threshold


class Mismatch(NamedTuple):
    """The first value of a layer that differs; codes are in units of `lsb`."""

    layer: str
    channel: int
    event: int  # within its origin
    origin: str
    expected_code: int
    found_code: int
    distance_lsb: int
    lsb: float

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"layer {self.layer}, channel {self.channel}, {self.origin} event {self.event}: expected code "
            f"{self.expected_code}, found {self.found_code}, {self.distance_lsb} LSB (of {self.lsb:g}) apart"
        )


@dataclass(frozen=True, kw_only=True)
class ComparedLayer:
    """What was compared of one layer."""

    name: str
    values: int
    mismatched_values: int
    max_lsb: int
    first_mismatch: Mismatch | None


@dataclass(frozen=True, kw_only=True)
class SynthesizedBranch:
    """What was compared of the branch that is synthesized."""

    passed: bool
    events: int
    mismatched_events: int
    first_mismatch: str | None  # a sentence


@dataclass(frozen=True, kw_only=True)
class ReloadedWeights:
    """The same comparison with other weights loaded."""

    passed: bool
    seed: int
    weights: int
    events: int
    events_by_origin: Mapping[str, int]
    mismatched_events: int
    score_mismatches: int
    decision_flips: int
    first_mismatch: Mismatch | None
    layers: tuple[ComparedLayer, ...]


@dataclass(frozen=True, kw_only=True)
class ReloadedThresholds:
    """The decisions with other thresholds loaded, one set after the other, in both branches of the sources."""

    passed: bool
    seed: int
    sets: int  # the trained one first
    events: int  # that each set decides about
    decisions: int  # that were compared, those about scores at the thresholds among them
    decision_flips: int
    first_mismatch: str | None  # a sentence


@dataclass(frozen=True, kw_only=True)
class ChangedType:
    """A layer whose compiled type is not the converted one."""

    layer: str
    converted: str
    compiled: str


@dataclass(frozen=True, kw_only=True)
class CsimResult(StageResult):
    """The compiled project against the golden codes."""

    STAGE: ClassVar[str] = "csim"

    passed: bool
    events: int
    events_by_origin: Mapping[str, int]
    mismatched_events: int
    score_mismatches: int
    decision_flips: int
    first_mismatch: Mismatch | None
    layers: tuple[ComparedLayer, ...]
    synthesized_branch: SynthesizedBranch | None = None
    score_type: str
    thresholds: tuple[Threshold, ...]
    changed_types: tuple[ChangedType, ...]
    edited_files: tuple[str, ...]
    follows: tuple[FollowedSumEntry, ...] = ()  # what the thresholds follow, as `convert.json` says it
    keras: KerasAgreement
    events_per_second: float
    compile_seconds: float
    processes: int
    reloaded: ReloadedWeights | None = None  # where weights are reloadable
    reloaded_thresholds: ReloadedThresholds | None = None  # where thresholds are reloadable
