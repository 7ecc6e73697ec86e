"""What the stage `evaluate` writes, `metrics.json`: what is made of scores, of layers, of latents and of a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.flatness import Flatness
from fpgaae.runs.results.reference import TargetOfScores
from fpgaae.statistics import Interval


def fpr_key(fpr: float) -> str:
    """Name a false positive rate as `metrics.json` does, for example ``1e-03``."""
    return f"{fpr:.0e}"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric with its interval, or three nulls and the reason why there is none.

    `background_events_above` is set at a false positive rate only: the background events above the threshold (of a
    difference, the smaller number of the two models). The last two are set for differences: how far the replicas
    spread, which is what a test needs.
    """

    value: float | None
    low: float | None
    high: float | None
    background_events_above: int | None = None
    note: str | None = None
    standard_error: float | None = None
    interval_95: Interval | None = None

    @property
    def interval(self) -> Interval | None:
        """The value with its two ends, None where there are none."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return Interval(self.value, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class SignalMetrics:
    """AUC and signal efficiencies, or the difference of both between two models."""

    auc: Estimate
    tpr: Mapping[str, Estimate]  # by false positive rate


MetricsBySignal = Mapping[str, SignalMetrics]


class AreaTest(NamedTuple):
    """The difference of two areas, its standard error, and the two-sided p-value of no difference."""

    difference: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class TestedMetric:
    """The p-value of one metric, and the same corrected for all tests of the model."""

    p_value: float
    corrected_p_value: float


@dataclass(frozen=True, kw_only=True)
class SignalVerdict:
    """Whether a model can be told from another on a signal."""

    distinguishable: bool
    p_value: float
    tests_of_the_model: int
    metrics: Mapping[str, TestedMetric]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Whether models can be told from another one."""

    level: float
    margin: float
    correction: str
    models: Mapping[str, Mapping[str, SignalVerdict]]  # by model and signal


@dataclass(frozen=True, kw_only=True)
class ProcessDecisions:
    """The events that each model accepts, and those on which two models decide differently."""

    events: int
    accepted: Mapping[str, int]  # by model
    efficiency: Interval  # of the firmware
    flips: Mapping[str, int]  # by pair of models


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A threshold of the firmware: the rate that it really gives, and what models decide there."""

    code: int
    value: float
    requested_false_positive_rate: float
    requested_rate_khz: float
    false_positive_rate: Interval
    rate_khz: Interval
    background_events: int
    background_events_passed: int
    p_value: float
    agrees: bool
    processes: Mapping[str, ProcessDecisions]
    doubt: str | None = None  # why the threshold itself is hardly known
    cells: int | None = None  # of a threshold that follows sums: `code` is that of one threshold for all
    effective_passed: float | None = None  # as many independent events of weight 1, where some have groups or weights
    chosen_rate: float | None = None  # on the events that it was chosen on, where ties keep that below what was asked


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Values with the ends of their intervals, a number a threshold each."""

    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """Rate and efficiencies of a model at rising thresholds; pure: of events that the existing trigger leaves."""

    threshold: tuple[float, ...]
    background_passed: tuple[int, ...]
    rate_khz: Intervals
    efficiency: Mapping[str, Intervals]  # by signal
    pure_background_passed: tuple[int, ...] | None = None
    pure_rate_khz: Intervals | None = None
    pure_efficiency: Mapping[str, Intervals] | None = None
    effective_passed: tuple[int, ...] | None = None  # of weighted background events: what they are worth


@dataclass(frozen=True, kw_only=True)
class RateBin:
    """The firmware's rate in a bin of pile-up or of runs."""

    low: float
    high: float
    events: int
    passed: int
    rate_khz: Interval
    pure_rate_khz: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class BinnedRate:
    """The firmware's rate at one threshold, and the p-value of one rate in all bins."""

    bins: tuple[RateBin, ...]
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Rates against the threshold, and against what the events know."""

    bunch_crossing_rate_khz: float
    taken_share: float | None  # by the existing trigger
    models: Mapping[str, RateCurve]
    by_column: Mapping[str, tuple[BinnedRate, ...]]  # by column: an entry a threshold


@dataclass(frozen=True, kw_only=True)
class ModelProfile:
    """The mean score of a model in each bin; a single event has no error."""

    mean: tuple[float, ...]
    standard_error: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Mean scores in bins of a quantity."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    events: tuple[int, ...]
    models: Mapping[str, ModelProfile]


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """What the scores have to do with a quantity."""

    events_of_correlation: int
    profile: Profile
    distance_correlation: Mapping[str, float]  # by model
    false_positive_rates: tuple[float, ...]
    shared_decisions: Mapping[str, tuple[float | None, ...]]  # by model, one a rate


@dataclass(frozen=True, kw_only=True)
class GroupAreas:
    """Areas under the curve from the mean score of each group."""

    auc: Interval
    partial_auc: Interval


@dataclass(frozen=True, kw_only=True)
class GroupMetrics:
    """Every model judged by the mean score of each group of events."""

    groups: Mapping[str, int]  # by process
    max_false_positive_rate: float
    models: Mapping[str, Mapping[str, GroupAreas]]  # by model and signal
    delta: Mapping[str, GroupAreas] | None = None  # firmware - float


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What each part of the quantization costs."""

    events: Mapping[str, int]  # by process
    reference: str
    models: Mapping[str, MetricsBySignal]  # by what is quantized
    delta: Mapping[str, MetricsBySignal]
    verdicts: Verdicts


@dataclass(frozen=True, kw_only=True)
class WeightLoss:
    """How a layer's weights lie in their type."""

    type: str
    rms: float
    sqnr_db: float | None
    saturated: float
    zero: float
    range: tuple[float, float]
    type_range: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LayerLoss:
    """The error of a layer against the same weights unrounded; mappings are by process."""

    name: str
    kind: str
    type: str
    sqnr_db: Mapping[str, float | None]
    rms: Mapping[str, float]
    range: tuple[float, float]
    type_range: tuple[float, float]
    saturated: Mapping[str, float]
    saturated_channels: Mapping[str, tuple[float, ...]]
    zero: Mapping[str, float]
    zero_channels: Mapping[str, tuple[float, ...]]
    weights: WeightLoss | None = None


@dataclass(frozen=True, kw_only=True)
class MeasuredMean:
    """A mean over images with its interval; nulls where fewer than two can be measured."""

    value: float | None
    low: float | None
    high: float | None
    events: int


@dataclass(frozen=True, kw_only=True)
class ImageMeasures:
    """How far decoded images are from true ones."""

    telescope: MeasuredMean
    earth_movers_distance: MeasuredMean


@dataclass(frozen=True, kw_only=True)
class DataRate:
    """The bits of an event in front of and behind the encoder."""

    latents: int
    latent_type: str
    input_bits: int
    output_bits: int
    compression_ratio: float
    input_gbit_per_s: float
    output_gbit_per_s: float


@dataclass(frozen=True, kw_only=True)
class Compression(DataRate):
    """What latents keep of the image that they are sent for."""

    confidence_level: float
    processes: Mapping[str, Mapping[str, ImageMeasures]]  # by process and model


@dataclass(frozen=True, kw_only=True)
class StudentSignal:
    """What a student keeps of its teacher's separation."""

    student_auc: float
    teacher_auc: float
    kept: Estimate


@dataclass(frozen=True, kw_only=True)
class StudentSizes:
    """Numbers of weights, biases among them."""

    student: int
    student_nonzero: int
    teacher: int
    share: float


@dataclass(frozen=True, kw_only=True)
class StudentComparison:
    """A student against its teacher."""

    signals: Mapping[str, StudentSignal]
    rank_correlation: Mapping[str, float | None]  # by process
    weights: StudentSizes
    target: TargetOfScores


@dataclass(frozen=True, kw_only=True)
class ScoreMetrics:
    """What is made of the scores of all models."""

    background_events: int
    signal_events: Mapping[str, int]
    confidence_level: float
    replicas: int
    seed: int
    models: Mapping[str, MetricsBySignal]
    delta: MetricsBySignal | None = None  # firmware - float
    delta_quantized: MetricsBySignal | None = None
    labels: Mapping[str, str]  # of the models that are shown under another name
    delong: Mapping[str, Mapping[str, AreaTest]]  # by signal and model
    verdicts: Verdicts
    decisions: tuple[Decision, ...]  # one a threshold
    rates: Rates
    correlation: Mapping[str, Correlation]  # by quantity
    groups: GroupMetrics | None = None
    effective_events: Mapping[str, float] | None = None  # sum(w)^2 / sum(w^2), of processes whose events have weights
    flatness: tuple[Flatness, ...] = ()  # one a threshold, where they follow sums


@dataclass(frozen=True, kw_only=True)
class OtherEvents(ScoreMetrics):
    """A finished experiment on the events of another config."""

    config_file: str
    hashes: Mapping[str, str]  # of the event files, by process


@dataclass(frozen=True, kw_only=True)
class MetricsResult(ScoreMetrics, StageResult):
    """Everything that the evaluation found."""

    STAGE: ClassVar[str] = "evaluate"

    ablation: Ablation
    layers: tuple[LayerLoss, ...]
    compression: Compression | None = None
    distillation: StudentComparison | None = None
    failed_figures: Mapping[str, str] | None = None  # what is wrong, by the figure that could not be drawn
