"""What a scan measures: `baseline.json` of a float reference, `trial.json` of a quantized network, and `scan.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from fpgaae.runs.results.base import StageResult
from fpgaae.statistics import Interval

AxisValue: TypeAlias = bool | int | float | str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Measured(StageResult):
    """Areas and efficiencies of a score on the events of `evaluation.judged_on`."""

    auc: Mapping[str, float]  # by signal
    tpr: Mapping[str, Mapping[str, float]]  # by false positive rate and signal


@dataclass(frozen=True, kw_only=True)
class BaselineResult(Measured):
    """What the float reference of trials gives."""

    STAGE: ClassVar[str] = "baseline"


@dataclass(frozen=True, kw_only=True)
class TrialResult(Measured):
    """What a quantized network gives and costs."""

    STAGE: ClassVar[str] = "trial"

    lut: int
    ff: int
    latency_cycles: int
    latency_ns: float
    sparsity: float
    val_loss: float
    score_type: str


@dataclass(frozen=True, kw_only=True)
class TrialEntry:
    """A trial of a point: one seed."""

    label: str
    seed: int
    auc: Mapping[str, float]  # by signal
    tpr: Mapping[str, Mapping[str, float]]  # by false positive rate and signal
    lut: int
    ff: int
    latency_cycles: int
    latency_ns: float
    sparsity: float
    val_loss: float
    score_type: str

    def cost(self, name: str) -> float:
        """Give a cost by its name."""
        return {"lut": self.lut, "ff": self.ff, "latency_ns": self.latency_ns}[name]


@dataclass(frozen=True, kw_only=True)
class MeanPerformance:
    """A mean over signals, with its standard error: of the events, and of the seeds."""

    value: float
    standard_error: float
    of_events: float
    of_seeds: float
    by_seed: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ScannedMetric:
    """A metric of a signal: its value, the paired difference from the float reference, and their ratio."""

    value: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    baseline: Interval
    difference: Interval
    ratio: Interval | None  # None where the reference has an efficiency of zero
    p_value: float
    corrected_p_value: float
    distinguishable: bool


@dataclass(frozen=True, kw_only=True)
class PointEntry:
    """A point of a scan; costs reach from the cheapest to the dearest seed."""

    label: str
    values: Mapping[str, AxisValue]  # by axis
    on_front: bool
    objectives: Mapping[str, float]
    performance: MeanPerformance
    baseline: MeanPerformance
    lut: Interval
    ff: Interval
    latency_ns: Interval
    sparsity: float
    distinguishable: tuple[str, ...]
    signals: Mapping[str, Mapping[str, ScannedMetric]]  # by signal and metric
    trials: tuple[TrialEntry, ...]

    def cost(self, name: str) -> Interval:
        """Give a cost by its name."""
        return {"lut": self.lut, "ff": self.ff, "latency_ns": self.latency_ns}[name]


@dataclass(frozen=True, kw_only=True)
class AskedPoints:
    """The content of `points.json`: what a search asked for, of which scan."""

    scan: str  # identifies it
    points: tuple[Mapping[str, AxisValue], ...]


@dataclass(frozen=True, kw_only=True)
class ScanPoints:
    """What the points of a scan come to."""

    name: str
    base: str
    axes: Mapping[str, tuple[str, ...]]  # the config's keys that each sets
    seeds: tuple[int, ...]
    objectives: tuple[str, ...]
    performance: str
    signals: tuple[str, ...]
    false_positive_rate: float
    significance: float
    margin: float
    correction: str
    tests: int
    points: tuple[PointEntry, ...]
    failed: Mapping[str, str]
    judged_on: str = "test"  # the split whose events choose


@dataclass(frozen=True, kw_only=True)
class ScanResult(ScanPoints):
    """The content of `scan.json`."""

    folder: str
    front: tuple[str, ...]  # config files
    trials_run: int
    wall_time_s: float
