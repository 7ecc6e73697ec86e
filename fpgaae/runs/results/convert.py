"""What the stage `convert` writes, `convert.json`: the project, its layers and the thresholds of the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import Codes
from fpgaae.runs.results.base import StageResult
from fpgaae.statistics import Interval

MIN_EXPECTED_EVENTS = 10  # behind a threshold: below, its rate is known to a third of itself at best


@dataclass(frozen=True, kw_only=True)
class LayerTypes:
    """The fixed-point types of a layer, as hls4ml derived them."""

    result: str
    weight: str | None = None
    bias: str | None = None
    accum: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertedLayer:
    """A layer of the project that the C simulation records."""

    name: str
    golden: str  # name of the golden layer that it computes
    kind: str
    values: int
    shape: tuple[int, ...]  # height, width and channels of an image
    types: LayerTypes
    golden_type: str
    weights: int
    nonzero_weights: int
    multiplications: int
    strategy: str | None
    reuse_factor: int | None


@dataclass(frozen=True, kw_only=True)
class ReuseEstimate:
    """What reused multipliers take."""

    multipliers: int
    latency_clocks: int
    latency_ns: float
    interval_clocks: int
    interval_ns: float


@dataclass(frozen=True, kw_only=True)
class InputPort:
    """A property of a kind of object as it enters the trigger block: `value = (word - code_offset) * lsb`."""

    object: str
    slots: int
    quantity: str  # pt in GeV, eta, or phi in rad
    bits: int
    signed: bool
    lsb: float
    code_offset: int
    smallest: int  # word of the declaration; of an angle, of one turn
    largest: int
    steps: int | None = None  # of a turn
    none: int | None = None  # pT of an empty slot
    overflow: int | None = None  # pT of whatever is larger
    saturated: str | None = None  # what becomes of an overflow: keep, zero, drop


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the trigger block puts out."""

    name: str
    values: int
    type: str


@dataclass(frozen=True, kw_only=True)
class WeightPortEntry:
    """A port through which weights or biases are loaded (see `fpgaae.hls.project.WeightPort`)."""

    name: str
    layer: str
    is_bias: bool
    size: int
    type_name: str
    type: str
    is_memory: bool
    filters_first: bool


@dataclass(frozen=True, kw_only=True)
class ThresholdPortEntry:
    """The port through which thresholds are loaded: a code of the score each, in the order of the accept bits."""

    name: str
    size: int
    type: str  # that of the score, every code of which can be loaded
    trained: tuple[int, ...]  # codes that are to be in force after a reset


def few_events(false_positive_rate: float, events: float, *, is_largest: bool = False) -> str | None:
    """Say that fewer events than `MIN_EXPECTED_EVENTS` are expected above a threshold, or None where there are enough.

    Parameters
    ----------
    events
        Of the background that the threshold is chosen on, as many as are independent.
    is_largest
        Whether none of them passes: the threshold is their largest score.
    """
    expected = round(false_positive_rate * events, 6)  # ten, also of an effective number just below a whole one
    if expected >= MIN_EXPECTED_EVENTS:
        return (
            "it is the largest score that was seen, which so many events have that none passes; ask for a rate above "
            "their share, or give the score a type that tells them apart"
            if is_largest
            else None
        )
    largest = "it is the largest score that was seen, and " if is_largest else ""
    shown = f"{expected:.3g}"
    if float(shown) >= MIN_EXPECTED_EVENTS:
        shown = f"fewer than {MIN_EXPECTED_EVENTS}"
    return (
        f"{largest}{shown} of {events:,.0f} events are expected above it, of which {MIN_EXPECTED_EVENTS} would "
        "be enough to know its rate; ask for a larger rate, or give more events"
    )


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold of the score, and what it lets pass of the events that it was chosen on."""

    code: int
    fraction: int
    value: float
    requested_false_positive_rate: float
    requested_rate_khz: float
    false_positive_rate: Interval
    rate_khz: Interval
    events: int
    events_passed: int
    events_at_threshold: int
    effective_events: float | None = None  # where events share groups or have weights
    weighted_events: float | None = None  # sum(w)^2 / sum(w^2), where they have weights
    codes_of_cells: tuple[int, ...] | None = None  # where it follows sums: that of each cell, in the place of `code`

    def codes_at(self, cells: Codes | None) -> Codes | int:
        """Give the code that decides: of all events, or (n_events,) by the cell of each.

        Parameters
        ----------
        cells
            (n_events,), where thresholds follow sums.

        Raises
        ------
        ValueError
            If it follows sums, and no cells are given.
        """
        if self.codes_of_cells is None:
            return self.code
        if cells is None:
            raise ValueError("a threshold that follows sums needs the cell of each event")
        return np.array(self.codes_of_cells, dtype=np.int64)[cells]

    def values_at(self, cells: Codes | None) -> NDArray[np.float64] | float:
        """Give the value that decides, as `codes_at`."""
        if self.codes_of_cells is None:
            return self.value
        return np.asarray(np.ldexp(np.asarray(self.codes_at(cells), dtype=np.float64), -self.fraction))

    @property
    def doubt(self) -> str | None:
        """Say that too few events support the threshold, or None where there are enough."""
        of = self.events if self.effective_events is None else self.effective_events
        return few_events(self.requested_false_positive_rate, of, is_largest=self.events_passed == 0)

    @property
    def design_effect(self) -> float:
        """How many times more events than independent ones the rate was chosen on."""
        return 1.0 if self.effective_events is None else self.events / self.effective_events


@dataclass(frozen=True, kw_only=True)
class FollowedSumEntry:
    """A sum that the thresholds follow: of which features, and the codes that its bins end at."""

    quantity: str
    features: tuple[str, ...]
    edges: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TriggerEntry:
    """The thresholds, and what they were chosen on."""

    bunch_crossing_rate_khz: float
    chosen_on: str
    background_events: int
    saturated_fraction: float
    confidence_level: float
    thresholds: tuple[Threshold, ...]
    follows: tuple[FollowedSumEntry, ...] = ()  # the cells count the bins of the last one by ones


@dataclass(frozen=True, kw_only=True)
class EdgeSearch:
    """The search for events at the edges: how many were found, and by name what was not, and what can't be."""

    events: int
    not_reached: tuple[str, ...]
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Float32Layer:
    """How Keras' own float32 prediction of a layer compares with its golden codes."""

    name: str
    holds_every_value: bool
    differing_values: int
    largest_difference: float


@dataclass(frozen=True, kw_only=True)
class KerasAgreement:
    """The golden network against Keras."""

    events: int
    float64_differing_values: int
    float32: tuple[Float32Layer, ...]


@dataclass(frozen=True, kw_only=True)
class LintFinding:
    """A place of the model where a rule of `lint` is broken."""

    rule: str
    severity: str
    layer: str
    found: str
    cause: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class ConvertResult(StageResult):
    """The written project and its golden network."""

    STAGE: ClassVar[str] = "convert"

    project_dir: str
    project_name: str
    top_function: str
    backend: str
    part: str
    clock_ns: float
    io_type: str
    strategy: str
    reuse_factor: int
    reuse: ReuseEstimate | None
    input_type: str
    score_type: str
    layers: tuple[ConvertedLayer, ...]  # in graph order, the score and the decisions last
    ports: tuple[InputPort, ...] = ()  # where words are declared
    output_bits: int
    outputs: tuple[Output, ...]
    weight_ports: tuple[WeightPortEntry, ...] = ()
    threshold_port: ThresholdPortEntry | None = None  # where thresholds are reloadable
    trigger: TriggerEntry
    edge_events: EdgeSearch | None = None
    keras: KerasAgreement
    lint: tuple[LintFinding, ...]
