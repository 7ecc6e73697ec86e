"""What `fpgaae repeat` writes, `repeat.json`: an experiment with several seeds, and the mean and spread over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """A number over the seeds.

    The standard error is that of the mean: of the events (bootstrap by group) and of the seeds together.
    """

    mean: float
    spread: float | None  # standard deviation over the seeds; one has none
    standard_error: float | None  # null of what does not come from events
    by_seed: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SignalOverSeeds:
    """How well the firmware's score tells a signal from the background, over the seeds."""

    auc: OverSeeds
    tpr: Mapping[str, OverSeeds]  # by false positive rate; where 5 background events or more lie above


@dataclass(frozen=True, kw_only=True)
class RepeatResult:
    """An experiment that was trained with several seeds, every one on the same split of the events."""

    config: str
    folder: str
    seeds: tuple[int, ...]
    stage: str  # up to which every seed was run, beside its measurement
    judged_on: str  # the split whose events were scored
    signals: Mapping[str, SignalOverSeeds]
    costs: Mapping[str, OverSeeds]  # lut, ff (estimates by da4ml), latency_ns; yosys_lut and yosys_ff behind `synth`
    sparsity: OverSeeds
    val_loss: OverSeeds
