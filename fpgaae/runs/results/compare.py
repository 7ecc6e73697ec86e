"""What `fpgaae compare` writes, `comparison.json`: finished experiments side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fpgaae.runs.results.metrics import MetricsBySignal
from fpgaae.statistics import Interval


class Proof(NamedTuple):
    """What a bit check said: whether it passed, on how many events."""

    passed: bool
    events: int


class RateOfThreshold(NamedTuple):
    """A threshold of the firmware: the rate that was asked for, and the one of the test events, in kHz."""

    requested_khz: float
    rate_khz: Interval


@dataclass(frozen=True, kw_only=True)
class Area:
    """What a design takes, as far as it is known."""

    source: str
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram: float | None = None


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """A finished experiment."""

    name: str
    config_file: str
    git_commit: str | None
    origin: str  # "trained", "imported", "student" or "float method"
    models: Mapping[str, MetricsBySignal]  # float and firmware; of a float method each of its scores
    rates: tuple[RateOfThreshold, ...] = ()
    area: Area | None = None
    latency_ns: float | None = None
    csim: Proof | None = None
    rtl: Proof | None = None


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """The content of `comparison.json`; differences are of the firmware's scores to those of `reference`."""

    runs: tuple[ComparedRun, ...]
    reference: str | None = None  # the first run with firmware whose events and scores can be read
    differences: Mapping[str, MetricsBySignal]  # by run, of those with the same test events
    unpaired: Mapping[str, str]  # why a run has no difference
    replicas: int
    confidence_level: float
    left_out: tuple[str, ...] = ()  # results that were made from files that are there no more
