"""What the stage `place` writes, `place.json`: the routed chip, its clock, and its netlist against the golden codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import Mismatch

FRONT_FILE = "place_front/front.json"  # in the run folder: it takes more than one stage's time


@dataclass(frozen=True, kw_only=True)
class Used:
    """How many of the chip's elements of a kind are taken."""

    used: int
    available: int


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """The slowest path between two registers of the routed chip."""

    start: str  # names of the registers
    end: str
    delay_ns: float
    logic_ns: float  # of the delay, set-up time included
    routing_ns: float
    stage: int | None  # of the pipeline, counted from 0; None: none of them, such as the harness
    layers: tuple[str, ...]  # that it runs through, in order


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A pipelining that was placed and routed."""

    depth: int  # adders, at most, between two registers
    stages: int
    latency_cycles: int
    latency_ns: float  # at its clock
    clock_mhz: float
    lut: int
    ff: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FrontPoint(Attempt):
    """A pipelining of the front of clock against latency."""

    critical_path: CriticalPath


@dataclass(frozen=True, kw_only=True)
class KeptPoint:
    """A point in a file of its own, with all that it rests on."""

    made_from: Mapping[str, str]
    point: FrontPoint


@dataclass(frozen=True, kw_only=True)
class PlaceFront:
    """Clock against latency: what several pipelinings of a block reach on a chip, fewest adders first."""

    family: str
    device: str
    package: str
    speed: int
    wanted_mhz: float
    synthesis: str  # the programs and their versions
    router: str
    logic: str  # SHA-256 of the traced logic
    points: tuple[FrontPoint, ...]


@dataclass(frozen=True, kw_only=True)
class Occupied:
    """Tiles of the chip with cells of a group: an entry a tile in each."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]  # the first is the upper end of the chip
    cells: tuple[int, ...]  # LUTs, halves of carry cells and registers


@dataclass(frozen=True, kw_only=True)
class FloorPlan:
    """Where the cells of each layer, of the harness and of what belongs to no layer lie, `floor_plan.json`."""

    columns: int
    rows: int
    groups: Mapping[str, Occupied]


@dataclass(frozen=True, kw_only=True)
class PlaceResult(StageResult):
    """The placed and routed block."""

    STAGE: ClassVar[str] = "place"

    passed: bool  # the netlist equals the golden network, and the clock is met
    family: str
    device: str
    package: str
    speed: int
    wanted_mhz: float
    clock_mhz: float
    stages: int
    latency_cycles: int
    latency_ns: float
    utilization: Mapping[str, Used]
    critical_path: CriticalPath
    attempts: tuple[Attempt, ...]
    events: int
    events_by_origin: Mapping[str, int]
    mismatched_events: int
    score_mismatches: int
    decision_flips: int
    latent_mismatches: int | None = None  # codes; None where the latents are no port
    first_mismatch: Mismatch | None
    events_per_second: float
    bitstream: str
    netlist: str
    synthesis: str  # the programs and their versions
    router: str
    simulator: str
    seconds: float

    @property
    def is_fast_enough(self) -> bool:
        """Whether the wanted clock is met."""
        return self.clock_mhz >= self.wanted_mhz
