"""Results of stages as tests need them: whole, with the parts given that a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.convert import ConvertResult, KerasAgreement, Threshold, TriggerEntry
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.metrics import Ablation, Estimate, MetricsResult, Rates, SignalMetrics, Verdicts
from fpgaae.runs.results.place import CriticalPath, PlaceResult, Used
from fpgaae.runs.results.rtl import EstimatedCost, InterpreterCheck, RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.statistics import Interval

NO_VERDICTS = Verdicts(level=0.05, margin=1e-4, correction="holm", models={})
NO_RATES = Rates(bunch_crossing_rate_khz=1000.0, taken_share=None, models={}, by_column={})
NO_KERAS = KerasAgreement(events=1, float64_differing_values=0, float32=())
NO_ABLATION = Ablation(events={}, reference="nothing", models={}, delta={}, verdicts=NO_VERDICTS)


@dataclass(frozen=True, kw_only=True)
class StandIn(StageResult):
    """What a stage writes that a test makes up."""

    passed: bool
    content: Any


@cache
def stand_in(stage: str) -> type[StandIn]:
    """Give the result class of a stage that a test makes up."""
    return type(f"StandIn_{stage}", (StandIn,), {"STAGE": stage})


def nothing_of(stage: str) -> StandIn:
    """Give the result of a stage that says nothing."""
    return stand_in(stage)(passed=True, content=None)


def estimate(value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> Estimate:  # noqa: ANN401
    """Give an estimate, by itself without an interval."""
    return Estimate(value=value, low=value if low is None else low, high=value if high is None else high, **more)


def signal_metrics(auc: Estimate, **tpr: Estimate) -> SignalMetrics:
    """Give the metrics of a signal; a rate is written as `at_1e_03`."""
    return SignalMetrics(auc=auc, tpr={name.removeprefix("at_").replace("_", "-"): own for name, own in tpr.items()})


def threshold(**parts: Any) -> Threshold:  # noqa: ANN401
    """Give a threshold."""
    nothing = Interval(0.0, 0.0, 0.0)
    whole = Threshold(
        code=0, fraction=0, value=0.0, requested_false_positive_rate=1e-3, requested_rate_khz=1.0,
        false_positive_rate=nothing, rate_khz=nothing, events=1, events_passed=0, events_at_threshold=1,
    )  # fmt: skip
    return replace(whole, **parts)


def convert_result(thresholds: Sequence[Threshold]) -> ConvertResult:
    """Give a conversion that says no more than its thresholds."""
    return ConvertResult(
        project_dir="project", project_name="trigger", top_function="trigger_trigger", backend="Vitis", part="xcvu9p",
        clock_ns=5.0, io_type="io_parallel", strategy="latency", reuse_factor=1, reuse=None, input_type="ap_fixed<8,4>",
        score_type="ap_ufixed<8,4>", layers=(), output_bits=0, outputs=(), keras=NO_KERAS, lint=(),
        trigger=TriggerEntry(
            bunch_crossing_rate_khz=1000.0, chosen_on="validation", background_events=1, saturated_fraction=0.0,
            confidence_level=0.6827, thresholds=tuple(thresholds),
        ),
    )  # fmt: skip


def metrics_result(**parts: Any) -> MetricsResult:  # noqa: ANN401
    """Give what an evaluation of nothing finds."""
    whole = MetricsResult(
        background_events=0, signal_events={}, confidence_level=0.6827, replicas=30, seed=0, models={}, labels={},
        delong={}, verdicts=NO_VERDICTS, decisions=(), rates=NO_RATES, correlation={}, ablation=NO_ABLATION, layers=(),
    )  # fmt: skip
    return replace(whole, **parts)


def csim_result(**parts: Any) -> CsimResult:  # noqa: ANN401
    """Give a C simulation that passed."""
    whole = CsimResult(
        passed=True, events=1, events_by_origin={}, mismatched_events=0, score_mismatches=0, decision_flips=0,
        first_mismatch=None, layers=(), score_type="ap_ufixed<8,4>", thresholds=(), changed_types=(), edited_files=(),
        keras=NO_KERAS, events_per_second=1.0,
        compile_seconds=1.0, processes=1,
    )  # fmt: skip
    return replace(whole, **parts)


def rtl_result(**parts: Any) -> RtlResult:  # noqa: ANN401
    """Give a simulation of Verilog that passed."""
    whole = RtlResult(
        passed=True, failure=None, events=1, events_by_origin={}, mismatched_events=0, lost_events=0,
        score_mismatches=0, decision_flips=0, first_mismatch=None,
        interpreter=InterpreterCheck(passed=True, events=1, mismatched_events=0), vhdl=None, latency_cycles=3,
        settling_cycles=3, designed_latency_cycles=3, initiation_interval=1, events_per_second=1.0, clock_ns=5.0,
        part="xcvu9p", estimated=EstimatedCost(lut=20, ff=10), simulator="Verilator", compile_seconds=1.0,
        edited_files=(),
    )  # fmt: skip
    return replace(whole, **parts)


def synth_result(**parts: Any) -> SynthResult:  # noqa: ANN401
    """Give a synthesis."""
    whole = SynthResult(
        tool="Yosys 0.23", part="xcvu9p", lut=18, ff=9, dsp=0, bram=0.5, carry=1, logic_levels=3, clock_ns=5.0,
        latency_cycles=3, comparison=(), hls=None, vivado=None, seconds=1.0,
    )  # fmt: skip
    return replace(whole, **parts)


def place_result(**parts: Any) -> PlaceResult:  # noqa: ANN401
    """Give a routed chip whose netlist is right and whose clock is met."""
    whole = PlaceResult(
        passed=True, family="Lattice ECP5", device="25k", package="CABGA381", speed=8, wanted_mhz=60.0, clock_mhz=71.5,
        stages=5, latency_cycles=6, latency_ns=83.9, utilization={"TRELLIS_COMB": Used(used=1200, available=24_288)},
        critical_path=CriticalPath(
            start="a", end="b", delay_ns=14.0, logic_ns=5.5, routing_ns=8.5, stage=0, layers=("hidden", "hidden_relu")
        ),
        attempts=(), events=10_000, events_by_origin={}, mismatched_events=0, score_mismatches=0, decision_flips=0,
        first_mismatch=None, events_per_second=1.0, bitstream="harness.bit", netlist="routed.v", synthesis="Yosys",
        router="nextpnr", simulator="Verilator", seconds=1.0,
    )  # fmt: skip
    return replace(whole, **parts)
