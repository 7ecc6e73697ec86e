"""What the uses of a float method write, a file each: numbers, and sentences with those that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.stages import explore_stage
from fpgaae.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class UseResult(StageResult):
    """What every use says."""

    use: str
    title: str
    summary: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LatentResult(UseResult):
    """The latents in the plane."""

    STAGE: ClassVar[str] = explore_stage("latent")

    latents: int
    active_latents: int
    explained_variance: float  # by the plane
    mean: Mapping[str, tuple[float, ...]]  # by process, in the plane
    spread: Mapping[str, tuple[float, ...]]
    events: Mapping[str, int]  # by process


@dataclass(frozen=True, kw_only=True)
class SampleDistances:
    """How far events are from true ones, and from those that the same model makes of true ones."""

    to_test_events: Interval
    to_decoded_events: Interval | None = None
    classifier_auc: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class SampleResult(UseResult):
    """New events."""

    STAGE: ClassVar[str] = explore_stage("sample")

    events: int
    confidence_level: float
    samples: Mapping[str, SampleDistances]


@dataclass(frozen=True, kw_only=True)
class InterpolateResult(UseResult):
    """Ways between events."""

    STAGE: ClassVar[str] = explore_stage("interpolate")

    pairs: int
    steps: int
    nearest_training_event: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ImputeResult(UseResult):
    """Missing inputs."""

    STAGE: ClassVar[str] = explore_stage("impute")

    events: int
    missing: float  # share
    rmse: Mapping[str, float]  # by what they are filled with
    rmse_per_feature: Mapping[str, Mapping[str, float]]
    ssim: Mapping[str, float] | None = None  # of images


@dataclass(frozen=True, kw_only=True)
class ClusterAgreement:
    """How far clusters are those of the processes."""

    adjusted_rand_index: float
    purity: float


@dataclass(frozen=True, kw_only=True)
class ClusterResult(UseResult):
    """Clusters of the latents, beside those of the inputs."""

    STAGE: ClassVar[str] = explore_stage("cluster")

    events: int
    clusters: int
    latents: ClusterAgreement
    inputs: ClusterAgreement


@dataclass(frozen=True, kw_only=True)
class Coder:
    """The error of a coder against the bits of a latent."""

    error: float  # of exact latents
    error_by_bits: Mapping[str, float]
    bits_a_latent: int | None  # that are enough


@dataclass(frozen=True, kw_only=True)
class CompressResult(UseResult):
    """Compression."""

    STAGE: ClassVar[str] = explore_stage("compress")

    inputs: int
    latents: int
    rate: float
    input_bits: int
    latent_bits: int | None
    rate_in_bits: float | None
    coders: Mapping[str, Coder]


@dataclass(frozen=True, kw_only=True)
class LatentCorrelation:
    """What a latent has to do with a quantity."""

    pearson: float
    spearman: float


@dataclass(frozen=True, kw_only=True)
class MemberCorrelation:
    """What the score of a member has to do with a quantity."""

    seed: int
    point: Mapping[str, float]
    pearson: float
    spearman: float


@dataclass(frozen=True, kw_only=True)
class QuantityCorrelation:
    """What scores and latents have to do with a quantity; the latent is the one that goes with it the most."""

    members: tuple[MemberCorrelation, ...]
    latents: tuple[LatentCorrelation, ...] | None = None
    latent: int | None = None
    pearson: float | None = None


@dataclass(frozen=True, kw_only=True)
class CorrelateResult(UseResult):
    """Scores and latents against known quantities."""

    STAGE: ClassVar[str] = explore_stage("correlate")

    events: int
    score: str
    quantities: Mapping[str, QuantityCorrelation]


RESULTS: Mapping[str, type[UseResult]] = {
    "latent": LatentResult,
    "sample": SampleResult,
    "interpolate": InterpolateResult,
    "impute": ImputeResult,
    "cluster": ClusterResult,
    "compress": CompressResult,
    "correlate": CorrelateResult,
}
