"""What the stages `trace` and `rtl` write: `trace.json`, `rtl.json`, and `rtl_layers.json` where a bit differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import ComparedLayer, Mismatch


@dataclass(frozen=True, kw_only=True)
class EstimatedCost:
    """What da4ml expects a design to take."""

    lut: int
    ff: int


@dataclass(frozen=True, kw_only=True)
class TraceResult(StageResult):
    """The RTL project."""

    STAGE: ClassVar[str] = "trace"

    project_dir: str
    name: str
    clock_ns: float
    part: str
    stages: int
    initiation_interval: int
    estimated: EstimatedCost
    depth_units: float
    input_bits: int
    score_type: str
    thresholds: int


@dataclass(frozen=True, kw_only=True)
class InterpreterCheck:
    """da4ml's interpreter of the traced logic against the golden codes."""

    passed: bool
    events: int
    mismatched_events: int


@dataclass(frozen=True, kw_only=True)
class VhdlCheck:
    """The VHDL against the golden codes."""

    passed: bool
    events: int
    mismatched_events: int
    score_mismatches: int
    decision_flips: int
    latent_mismatches: int | None = None  # codes; None where the latents are no port


@dataclass(frozen=True, kw_only=True)
class WrapperCheck:
    """What the run of a stream wrapper with gaps, back-pressure and resets showed."""

    file: str
    protocol: str
    events: int  # taken in
    forgotten_events: int  # of these, by a reset
    mismatched_events: int  # wrong, lost, repeated or out of order
    failure: str | None  # the first


@dataclass(frozen=True, kw_only=True)
class StageProof:
    """Whether a stage of the pipeline is proven to compute what was traced, for all inputs in its ranges."""

    module: str
    proven: bool
    failure: str | None  # an input for which it does not, or why there is no proof


@dataclass(frozen=True, kw_only=True)
class RegisterCheck:
    """What the registers and ports carry, against the words that stood in the place of the stages' outputs."""

    module: str
    inputs: int
    mismatched_inputs: int
    failure: str | None  # the first


@dataclass(frozen=True, kw_only=True)
class RegisterLoads:
    """The block with registers around it, with thresholds loaded over AXI4-Lite, against the golden decisions."""

    passed: bool
    failure: str | None
    sets: int  # of thresholds; the first, the trained one, is there after a reset
    events: int  # behind each
    mismatched_events: int


@dataclass(frozen=True, kw_only=True)
class RtlResult(StageResult):
    """The simulated Verilog against the golden codes."""

    STAGE: ClassVar[str] = "rtl"

    passed: bool
    failure: str | None  # what is wrong besides a bit that differs
    events: int
    events_by_origin: Mapping[str, int]
    mismatched_events: int
    lost_events: int
    score_mismatches: int
    decision_flips: int
    first_mismatch: Mismatch | None
    interpreter: InterpreterCheck
    vhdl: VhdlCheck | None  # None without GHDL
    latency_cycles: int
    latent_mismatches: int | None = None  # codes; None where the latents are no port
    settling_cycles: int | None
    designed_latency_cycles: int
    initiation_interval: int
    events_per_second: float  # through the simulated Verilog, of one process
    processes: int = 1  # that simulated side by side
    wrappers: tuple[WrapperCheck, ...] = ()
    stages: tuple[StageProof, ...] = ()  # none without Yosys
    registers: RegisterCheck | None = None  # None in results of earlier versions
    vhdl_stages: tuple[StageProof, ...] = ()  # none without GHDL
    vhdl_registers: RegisterCheck | None = None
    reloaded_thresholds: RegisterLoads | None = None  # where thresholds are reloadable
    clock_ns: float
    part: str
    estimated: EstimatedCost
    simulator: str
    compile_seconds: float
    edited_files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RtlLayersResult:
    """The content of `rtl_layers.json`: every layer of the traced logic against the golden codes."""

    passed: bool
    events: int
    mismatched_events: int
    first_mismatch: Mismatch | None
    layers: tuple[ComparedLayer, ...]
    trace_fingerprint: str | None
