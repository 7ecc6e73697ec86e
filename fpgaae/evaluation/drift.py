"""Drift between two samples of events: which features moved, and what it does to score and rates.

Works on hardware integers, whose histograms are exact: nothing is kept of an event but its score and group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwobign

from fpgaae.config.experiment import Trigger
from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import HardwareFeature
from fpgaae.errors import InputError
from fpgaae.evaluation.decisions import same_rate
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.working_points import TEST_LEVEL, rate_khz
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.results.drift import Counts, Drift, FeatureDrift, Pair, RateDrift, SampleRate, ScoreDrift
from fpgaae.statistics import EventGroups, PassedEvents, holm

LEVEL = 0.05  # of one false "moved" among all features
_QUANTILES = (0.5, 0.9, 0.99, 0.999)
Histogram = NDArray[np.int64]


class Sample(NamedTuple):
    """What is kept of a sample: a histogram of codes a feature, from its smallest code on, the scores and groups."""

    histograms: tuple[Histogram, ...]
    score_codes: Codes  # (n_events,)
    groups: EventGroups
    cells: Codes | None = None  # (n_events,), where thresholds follow sums

    @property
    def n_independent(self) -> float:
        """Number of events divided by the mean size of the group that one lies in, as if a group's were all alike."""
        return self.n_events / self.groups.mean_size

    @property
    def n_events(self) -> int:
        """Number of events."""
        return int(self.score_codes.size)


class DriftSettings(NamedTuple):
    """The working points of the firmware and the rate of bunch crossings, and the level of the intervals.

    Of the events of each sample an own share may have been left out, and with it bunch crossings.
    """

    thresholds: Sequence[Threshold]
    trigger: Trigger
    level: float
    other_trigger: Trigger | None = None  # of the other sample; None: as of the reference


def take_sample(chunks: Iterable[tuple[Codes, NDArray[np.int64]]], golden: GoldenTrigger) -> Sample:
    """Run events through the golden network and count their codes.

    Parameters
    ----------
    chunks
        Hardware codes (n, n_features) and groups (n,).

    Raises
    ------
    InputError
        If there are no events.
    """
    low, high = golden.features.limits
    histograms = [np.zeros(last - first + 1, dtype=np.int64) for first, last in zip(low, high, strict=True)]
    scores, groups, cells = [], [], []
    stored = golden.behind_words
    for codes, own in chunks:
        for index, first in enumerate(low):
            histograms[index] += np.bincount(codes[:, index] - first, minlength=histograms[index].size)
        scores.append(stored.scores(codes))
        groups.append(own)
        if (of := stored.cells(codes)) is not None:
            cells.append(of)
    if not sum(map(len, scores)):
        raise InputError("there are no events to compare; give a file with some that the config keeps")
    joined = np.concatenate(cells) if cells else None
    return Sample(tuple(histograms), np.concatenate(scores), EventGroups(np.concatenate(groups)), joined)


def compare_samples(
    reference: Sample, other: Sample, features: FeatureMap, fraction: int, settings: DriftSettings
) -> Drift:
    """Compare features, score and rates of two samples.

    A feature has moved where the Kolmogorov-Smirnov distance of its codes is larger than chance gives, at 5 % for all
    features together (Holm). Independent are the groups of events, not the events: the p-values of distances take those
    of a group to be all alike, which bounds what they can have in common. That and the discrete codes make these tests
    cautious. Rates count how the events that pass lie in groups.

    Parameters
    ----------
    fraction
        Bits of the score behind the point.
    """
    n_independent = (reference.n_independent, other.n_independent)
    pairs = list(zip(reference.histograms, other.histograms, strict=True))
    p_values = [_ks_p_value(_distance(pair), n_independent) for pair in pairs]
    moved = [
        _feature(feature.hardware, pair, p_value, float(corrected))
        for feature, pair, p_value, corrected in zip(features.features, pairs, p_values, holm(p_values), strict=True)
    ]
    moved.sort(key=lambda entry: -entry.distance)
    score = _score(reference.score_codes, other.score_codes, n_independent, fraction)
    return Drift(
        sentence=_sentence(moved, score),
        events=Counts(reference.n_events, other.n_events),
        groups=Counts(reference.groups.n_groups, other.groups.n_groups),
        level=LEVEL,
        score=score,
        rates=tuple(_rate(reference, other, threshold, settings) for threshold in settings.thresholds),
        moved=tuple(entry.name for entry in moved if entry.moved),
        features=tuple(moved),
    )


def _distance(histograms: Sequence[Histogram]) -> float:
    """Give the largest difference of the shares of events up to a code."""
    first, second = (np.cumsum(histogram / histogram.sum()) for histogram in histograms)
    return float(np.abs(first - second).max())


def _feature(
    feature: HardwareFeature, histograms: Sequence[Histogram], p_value: float, corrected: float
) -> FeatureDrift:
    shares = [histogram / histogram.sum() for histogram in histograms]
    codes = np.arange(feature.min_code, feature.max_code + 1)
    means = [float(share @ codes) for share in shares]
    spread = float(np.sqrt(max(shares[0] @ codes.astype(np.float64) ** 2 - means[0] ** 2, 0.0)))
    at_end = (codes == feature.max_code) | ((codes == feature.min_code) & feature.signed)
    return FeatureDrift(
        name=feature.name,
        distance=_distance(histograms),
        p_value=p_value,
        mean_code=Pair(*means),
        shift_in_sigma=(means[1] - means[0]) / spread if spread else None,
        saturated=Pair(*(float(share[at_end].sum()) if feature.bits else 0.0 for share in shares)),
        zero=Pair(*(float(share[-feature.min_code]) for share in shares)),
        corrected_p_value=corrected,
        moved=corrected < LEVEL,
    )


def _ks_p_value(distance: float, n: tuple[float, float]) -> float:
    """Give the asymptotic probability of a larger distance of two samples of one distribution."""
    return float(kstwobign.sf(distance * np.sqrt(n[0] * n[1] / (n[0] + n[1]))))


def _score(reference: Codes, other: Codes, n_independent: tuple[float, float], fraction: int) -> ScoreDrift:
    both = np.unique(np.concatenate([reference, other]))
    below = [np.searchsorted(np.sort(codes), both, side="right") / codes.size for codes in (reference, other)]
    distance = float(np.abs(below[0] - below[1]).max())
    return ScoreDrift(
        distance=distance,
        p_value=_ks_p_value(distance, n_independent),
        quantiles={
            f"{quantile:g}": Pair(
                *(
                    float(np.ldexp(np.quantile(codes, quantile, method="higher"), -fraction))
                    for codes in (reference, other)
                )
            )
            for quantile in _QUANTILES
        },
    )


def _rate(reference: Sample, other: Sample, threshold: Threshold, settings: DriftSettings) -> RateDrift:
    passed = [
        sample.groups.count(sample.score_codes > threshold.codes_at(sample.cells)) for sample in (reference, other)
    ]
    triggers = settings.trigger, settings.other_trigger or settings.trigger
    first, second = (_sample_rate(own, trigger, settings.level) for own, trigger in zip(passed, triggers, strict=True))
    p_value = same_rate(*(own.effective(TEST_LEVEL) for own in passed))
    return RateDrift(code=threshold.code, reference=first, other=second, p_value=p_value)


def _sample_rate(passed: PassedEvents, trigger: Trigger, level: float) -> SampleRate:
    rate = passed.interval(level)
    return SampleRate(false_positive_rate=rate, rate_khz=rate_khz(rate, trigger), passed=passed.passed)


def _sentence(features: Sequence[FeatureDrift], of_score: ScoreDrift) -> str:
    """Say what moved first."""
    score = f"the score's distance is {of_score.distance:.3f} (p = {of_score.p_value:.2g})"
    n_moved = sum(entry.moved for entry in features)
    if not n_moved:
        return f"none of {len(features)} features moved at the {100 * LEVEL:g} % level, and {score}"
    first = features[0]
    return (
        f"{n_moved} of {len(features)} features moved at the {100 * LEVEL:g} % level, {first.name} the "
        f"most (distance {first.distance:.3f}, mean code {first.mean_code.reference:.1f} to "
        f"{first.mean_code.other:.1f}, saturated {first.saturated.reference:.2%} to "
        f"{first.saturated.other:.2%}), and {score}"
    )
