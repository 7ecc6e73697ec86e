"""What `fpgaae evaluate CONFIG --against FILE` writes, `drift.json`: two samples of events, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fpgaae.statistics import Interval

DRIFT_FILE = "drift.json"  # in the folder of `evaluate`


class Pair(NamedTuple):
    """A number of the experiment's own sample and of the other."""

    reference: float
    other: float


class Counts(NamedTuple):
    """A count in the experiment's own sample and in the other."""

    reference: int
    other: int


@dataclass(frozen=True, kw_only=True)
class ScoreDrift:
    """How far the scores of the samples differ."""

    distance: float
    p_value: float
    quantiles: Mapping[str, Pair]


@dataclass(frozen=True, kw_only=True)
class SampleRate:
    """What a threshold lets pass of a sample."""

    false_positive_rate: Interval
    rate_khz: Interval
    passed: int


@dataclass(frozen=True, kw_only=True)
class RateDrift:
    """A threshold on both samples."""

    code: int
    reference: SampleRate
    other: SampleRate
    p_value: float


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """How far a feature moved."""

    name: str
    distance: float
    p_value: float
    mean_code: Pair
    shift_in_sigma: float | None  # None where the feature does not vary
    saturated: Pair
    zero: Pair
    corrected_p_value: float
    moved: bool


@dataclass(frozen=True, kw_only=True)
class DriftedFile:
    """The other file of events."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What differs between two samples."""

    sentence: str
    events: Counts
    groups: Counts
    level: float
    score: ScoreDrift
    rates: tuple[RateDrift, ...]
    moved: tuple[str, ...]  # names of features
    features: tuple[FeatureDrift, ...]  # the one that moved the most first


@dataclass(frozen=True, kw_only=True)
class DriftResult(Drift, DriftedFile):
    """The content of `drift.json`: the file first, then what differs."""
