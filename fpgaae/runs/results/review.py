"""The numbers behind the figures that a review asks for: `review.json`, which `evaluate` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpgaae.statistics import Interval

REVIEW_FILE = "review.json"


@dataclass(frozen=True, kw_only=True)
class Efficiencies:
    """Events and those that pass in each bin, and their share; None in a bin without events."""

    events: tuple[int, ...]
    passed: tuple[int, ...]
    efficiency: tuple[Interval | None, ...]


@dataclass(frozen=True, kw_only=True)
class TurnOn:
    """Efficiency against a quantity; bins go from an edge up to the next, which the last one includes."""

    unit: str
    edges: tuple[float, ...]
    thresholds: tuple[Mapping[str, Mapping[str, Efficiencies]], ...]  # one a threshold: by process and model
    without: Mapping[str, int]  # events that do not have the quantity, by process


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """Significance improvement, TPR / sqrt(FPR), of a model on a signal at falling thresholds."""

    false_positive_rate: tuple[float, ...]
    background_passed: tuple[int, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Losses:
    """A training, by epoch."""

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class InputOfProcess:
    """How a process lies on an input; quantiles are of the network input, of 1, 25, 50, 75 and 99 %."""

    events: int
    counts: tuple[int, ...]  # in each bin
    zero: float  # share of the events, as all below
    smallest_code: float
    largest_code: float
    saturated_low: float  # of the network input, at the ends of the network's input type
    saturated_high: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class InputDistribution:
    """An input: physical value = code * lsb, network input = (code - offset) * 2**-shift."""

    name: str
    quantity: str
    unit: str
    lsb: float
    offset: int
    shift: int
    first_code: int  # of the first bin
    codes_a_bin: int
    processes: Mapping[str, InputOfProcess]


@dataclass(frozen=True, kw_only=True)
class ValueProfile:
    """Absolute values, unrounded, against the type that holds them; quantiles of those that are not zero."""

    layer: str
    part: str  # "weights", "biases" or "values"
    type: str
    lsb: float
    largest: float  # that the type holds
    zero: float  # share of the unrounded values that are
    below_lsb: float  # share that is smaller than half an lsb, and not zero
    beyond: float  # share beyond the ends of the type
    quantiles: tuple[float, ...] | None  # 0, 5, 25, 50, 75, 95 and 100 %; None where all are zero


@dataclass(frozen=True, kw_only=True)
class LatentOfProcess:
    """How a process lies on a latent."""

    mean: float
    standard_deviation: float
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Latents:
    """The latents of the deployed encoder, in firmware values: `latents[i]` by process, in bins between edges."""

    layer: str
    type: str
    events: Mapping[str, int]
    edges: tuple[float, ...]
    latents: tuple[Mapping[str, LatentOfProcess], ...]


@dataclass(frozen=True, kw_only=True)
class DrivingSlot:
    """A slot of an event, and by what share of itself the score falls where the slot is empty."""

    name: str
    share: float
    values: Mapping[str, float]  # physical, by quantity


@dataclass(frozen=True, kw_only=True)
class AnomalousEvent:
    """An event of the background with one of the largest scores."""

    event: int  # place among the test events
    group: int
    score_code: int
    score: float
    quantities: Mapping[str, float]  # HT and the like
    shares: tuple[float, ...]  # of every slot
    driving: tuple[DrivingSlot, ...]  # those with the largest shares


@dataclass(frozen=True, kw_only=True)
class Anomalous:
    """The most anomalous events of the background, the largest score first."""

    slots: tuple[str, ...]
    events: tuple[AnomalousEvent, ...]


@dataclass(frozen=True, kw_only=True)
class MenuBit:
    """A bit of the existing trigger on the background; rates in kHz."""

    bit: int
    passed: int
    unique: int  # taken by no other bit, nor by the firmware's first threshold
    shared: int  # with the firmware's first threshold
    rate_khz: Interval
    unique_rate_khz: Interval
    shared_rate_khz: Interval
    signals: Mapping[str, Interval | None]  # efficiency; None where the signal's files have no such bit


@dataclass(frozen=True, kw_only=True)
class Menu:
    """Which bits of the existing menu take the events."""

    bits: tuple[MenuBit, ...]
    events: int
    taken: int  # by any bit
    firmware: int  # by the firmware's first threshold
    firmware_unique: int  # and by no bit


@dataclass(frozen=True, kw_only=True)
class Review:
    """The content of `review.json`."""

    confidence_level: float
    thresholds: tuple[float, ...]  # of the firmware
    turn_ons: Mapping[str, TurnOn]  # by quantity
    significance: Mapping[str, Mapping[str, Improvement]]  # by signal and model
    training: Mapping[str, Losses]  # "float", "quantized", "teacher", as far as they were trained
    inputs: tuple[InputDistribution, ...]
    values: tuple[ValueProfile, ...]
    latents: Latents | None = None
    anomalous: Anomalous
    menu: Menu | None = None
