"""What the stage `synth` writes, `synth.json`: what the proven Verilog takes, beside what others say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import Mismatch


class HlsReport(NamedTuple):
    """What HLS expects of the trigger block."""

    lut: int
    ff: int
    dsp: int
    bram: float  # blocks of 36 kbit
    clock_ns: float
    latency_cycles: int
    initiation_interval: int


class VivadoReport(NamedTuple):
    """What the trigger block takes after routing."""

    lut: int
    ff: int
    dsp: int
    bram: float
    slack_ns: float  # of the slowest path; negative where the clock is missed


@dataclass(frozen=True, kw_only=True)
class ResourceEntry:
    """What one source says that a design takes."""

    name: str
    lut: int
    ff: int
    dsp: int | None = None
    bram: float | None = None
    percent: Mapping[str, float]  # of a known part, by resource


@dataclass(frozen=True, kw_only=True)
class MappedResult:
    """The content of `synth_netlist.json`: the netlist after mapping against the golden codes."""

    passed: bool
    events: int
    events_by_origin: Mapping[str, int]
    mismatched_events: int
    score_mismatches: int
    decision_flips: int
    latent_mismatches: int | None = None  # codes; None where the latents are no port
    first_mismatch: Mismatch | None
    events_per_second: float


@dataclass(frozen=True, kw_only=True)
class SynthResult(StageResult):
    """The design after synthesis."""

    STAGE: ClassVar[str] = "synth"

    tool: str
    part: str
    lut: int
    ff: int
    dsp: int
    bram: float
    carry: int
    logic_levels: int | None  # cells on the longest path between registers
    clock_ns: float
    latency_cycles: int
    comparison: tuple[ResourceEntry, ...]
    hls: HlsReport | None  # None without the vendor's tools
    vivado: VivadoReport | None
    seconds: float
    failed: Mapping[str, str] | None = None  # what is wrong, by the tool beside Yosys that failed
