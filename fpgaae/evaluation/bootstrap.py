"""Paired bootstrap of groups of events: one resample for every model, so that differences are paired.

Events that stem from one source (the overlays of one simulated collision, say) are not independent. Groups are drawn
with replacement, and a replica is then an integer weight per event: nothing is copied and nothing is sorted again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.ranks import Beside, RankedBackground, RankedSignal, SignalReplica
from fpgaae.statistics import (
    DEFAULT_CONFIDENCE_LEVEL,
    NO_WEIGHTS,
    Interval,
    PassedEvents,
    Weights,
    check_level,
    refuse_weightless,
)

LEVEL_OF_TESTS = 0.95  # of the interval that a test of a difference at 5 % has to agree with
DEFAULT_FPRS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True)
class BootstrapSettings:
    """How many replicas, at which confidence level, from which seed, and at which false positive rates.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    n_replicas: int = 300
    confidence_level: float = DEFAULT_CONFIDENCE_LEVEL
    seed: int = 0
    fprs: tuple[float, ...] = DEFAULT_FPRS

    def __post_init__(self) -> None:
        check_level(self.confidence_level)
        if self.n_replicas < 2:
            raise InputError(f"{self.n_replicas} replicas give no interval: ask for at least 2 (300 are usual).")
        if self.seed < 0:
            raise InputError(f"The seed {self.seed} is negative: give 0 or a positive integer.")
        if not all(0 < rate < 1 for rate in self.fprs):
            raise InputError(f"The false positive rates {self.fprs} have to lie between 0 and 1, ends excluded.")


class GroupResampler:
    """Draws the groups of one process with replacement.

    Parameters
    ----------
    groups
        The group of each event, shape (n_events,); any integers.
    name
        The process. Its random stream depends on the seed and this name only: adding a process or a model changes no
        other one's replicas.
    seed
        Seed of the whole bootstrap.

    Raises
    ------
    InputError
        If there are no events, the groups are not integers, or there are fewer than two groups.
    """

    def __init__(self, groups: NDArray[np.int64], name: str, seed: int) -> None:
        if groups.ndim != 1 or not np.issubdtype(groups.dtype, np.integer):
            raise InputError(
                f"The groups of `{name}` have the type {groups.dtype} and shape {groups.shape}: give one integer each."
            )
        labels, index = np.unique(groups, return_inverse=True)
        if labels.size < 2:
            raise InputError(
                f"The process `{name}` has {labels.size} groups of events, and a bootstrap needs at least 2: "
                "give independent events groups of their own."
            )
        self.n_groups = int(labels.size)
        self.index: NDArray[np.int32] = index.astype(np.int32)
        self._generator = np.random.default_rng([seed, zlib.crc32(name.encode())])

    def draw(self) -> NDArray[np.int32]:
        """How often each group was drawn in the next replica, shape (n_groups,); the sum is n_groups."""
        drawn = self._generator.integers(0, self.n_groups, self.n_groups, dtype=np.int32)
        return np.bincount(drawn, minlength=self.n_groups).astype(np.int32)

    def ones(self) -> NDArray[np.int32]:
        """Take each group once: the sample itself."""
        return np.ones(self.n_groups, dtype=np.int32)


class RankedModel:
    """All scores of one model, sorted once.

    Parameters
    ----------
    scores
        ``scores[process]``, shape (n_events of the process,).
    resamplers
        One per process.
    background
        The process that sets the thresholds.
    fprs
        False positive rates at which thresholds are placed.
    weights
        By process, above 0.
    """

    def __init__(
        self,
        scores: Mapping[str, NDArray[Any]],
        resamplers: Mapping[str, GroupResampler],
        background: str,
        fprs: Sequence[float],
        weights: Weights = NO_WEIGHTS,
    ) -> None:
        self._name = background
        index = resamplers[background].index
        self._background = RankedBackground(scores[background], index, fprs, weights.get(background))
        self._signals = {
            name: RankedSignal(scores[name], resampler.index, self._background, weights.get(name))
            for name, resampler in resamplers.items()
            if name != background
        }

    def replica(self, counts: Mapping[str, NDArray[np.int32]]) -> dict[str, SignalReplica]:
        """Metrics per signal when group g of a process is taken ``counts[process][g]`` times."""
        background = self._background.replica(counts[self._name])
        return {name: signal.replica(counts[name], background) for name, signal in self._signals.items()}

    def on_sample(self, ones: Mapping[str, NDArray[np.int32]], n_replicas: int) -> dict[str, Replicas]:
        """Give the metrics per signal on the sample itself, with replicas that are to be filled in."""
        background, beside = self._background.replica(ones[self._name]), self._background.beside()
        shape = (n_replicas, background.cuts.size)
        return {
            name: Replicas(
                signal.replica(ones[name], background), list(map(signal.passing, background.cuts.tolist())),
                self._background.tied,
                [[(own, signal.passing(own.cut)) for own in scores] for scores in beside],
                np.empty(n_replicas), np.empty(shape), np.empty(shape),
            )
            for name, signal in self._signals.items()
        }  # fmt: skip


@dataclass(frozen=True)
class Replicas:
    """Metrics of one model and one signal: on the sample itself, and in every replica.

    `passing` counts the signal's events above each threshold; `tied` says for each, (n_fprs,), whether several
    background events lie exactly at it, and `beside` counts the signal's events above the scores beside it. `auc` has
    the shape (n_replicas,), `tpr` and `linear_tpr` (n_replicas, n_fprs).
    """

    nominal: SignalReplica
    passing: list[PassedEvents]
    tied: NDArray[np.bool_]
    beside: list[list[tuple[Beside, PassedEvents]]]
    auc: NDArray[np.float64]
    tpr: NDArray[np.float64]
    linear_tpr: NDArray[np.float64]

    def tpr_to_compare(self, i: int, *, tied: bool) -> NDArray[np.float64]:
        """Give the efficiencies at rate i that differences from another model are taken of, (n_replicas,).

        Parameters
        ----------
        tied
            Whether the scores of one of the two models tie at their threshold: then its jumps are part of the spread.
        """
        return np.asarray((self.tpr if tied else self.linear_tpr)[:, i])


def bootstrap(
    scores: Mapping[str, Mapping[str, NDArray[Any]]],
    groups: Mapping[str, NDArray[np.int64]],
    background: str,
    settings: BootstrapSettings,
    weights: Weights = NO_WEIGHTS,
) -> dict[str, dict[str, Replicas]]:
    """Metrics of every model and signal, on the sample and in replicas that all models share.

    Parameters
    ----------
    scores
        ``scores[model][process]``, shape (n_events of the process,).
    groups
        ``groups[process]``, shape (n_events of the process,): events of one group are drawn together.
    background
        The process that sets the thresholds; every other one is a signal.
    settings
        Replicas, seed and false positive rates.
    weights
        ``weights[process]``, shape (n_events of the process,), 0 or more; events of weight 0 count nowhere.

    Returns
    -------
    ``result[model][signal]``. Differences between models may be taken replica by replica.

    Notes
    -----
    B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 (resampling the independent
    units) and 13 (percentile intervals).
    """
    scores, groups, weights = with_weight(scores, groups, weights)
    resamplers = {name: GroupResampler(np.asarray(labels), name, settings.seed) for name, labels in groups.items()}
    copies = _copies(scores)
    models = {
        model: RankedModel(own, resamplers, background, settings.fprs, weights)
        for model, own in scores.items()
        if copies[model] == model
    }
    ones = {name: resampler.ones() for name, resampler in resamplers.items()}
    result = {model: ranked.on_sample(ones, settings.n_replicas) for model, ranked in models.items()}
    for i in range(settings.n_replicas):
        counts = {name: resampler.draw() for name, resampler in resamplers.items()}
        for model, ranked in models.items():
            for name, drawn in ranked.replica(counts).items():
                replicas = result[model][name]
                replicas.auc[i], replicas.tpr[i], replicas.linear_tpr[i] = drawn.auc, drawn.tpr, drawn.linear_tpr
    return {model: result[first] for model, first in copies.items()}


def with_weight(
    scores: Mapping[str, Mapping[str, NDArray[Any]]], groups: Mapping[str, NDArray[np.int64]], weights: Weights
) -> tuple[Mapping[str, Mapping[str, NDArray[Any]]], Mapping[str, NDArray[np.int64]], Weights]:
    """Leave out the events of weight 0: groups of nothing else would make replicas without any weight.

    Raises
    ------
    InputError
        If all events of a process have the weight 0.
    """
    for process in groups:
        if process in weights:
            refuse_weightless(weights[process], process)
    there = {process: own > 0 for process, own in weights.items() if process in groups and not (own > 0).all()}
    if not there:
        return scores, groups, weights

    def left(by_process: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: values[there[name]] if name in there else values for name, values in by_process.items()}

    return {model: left(own) for model, own in scores.items()}, left(groups), left(weights)


def _copies(scores: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, str]:
    """Name for each model the first one with the very same scores: firmware has those of the quantized model."""
    copies: dict[str, str] = {}
    for model, own in scores.items():
        same = (
            first
            for first in dict.fromkeys(copies.values())
            if all(np.array_equal(own[process], scores[first][process]) for process in own)
        )
        copies[model] = next(same, model)
    return copies


def percentile_interval(value: float, replicas: NDArray[np.float64], level: float) -> Interval:
    """Put a value between the percentiles (1 - level) / 2 and (1 + level) / 2 of its replicas.

    The percentile p of n replicas is the one at place p (n + 1) of their order, which another replica lies below with
    probability p: the smaller the number of replicas, the more too close do other definitions lie.

    Raises
    ------
    InputError
        If the level is outside (0, 1).

    Notes
    -----
    R. J. Hyndman and Y. Fan, The American Statistician 50 (1996) 361, definition 6.
    """
    tail = (1 - check_level(level)) / 2
    low, high = np.quantile(replicas, [tail, 1 - tail], method="weibull")
    return Interval(value, float(low), float(high))


def error_of_test(value: float, replicas: NDArray[np.float64], *, tied: bool) -> float:
    """Give the standard error that a normal test of a difference from zero needs.

    It is that of the replicas. Where scores tie, a difference is a jump or none, which is not normal: there it is what
    makes the test at 5 % find a difference where its 95 % interval does not reach zero, and no other one.
    """
    if tied:
        interval = percentile_interval(value, replicas, LEVEL_OF_TESTS)
        towards_zero = value - interval.low if value > 0 else interval.high - value
        if towards_zero > 0:
            return towards_zero / float(scipy.special.ndtri((1 + LEVEL_OF_TESTS) / 2))
    return float(replicas.std(ddof=1))
