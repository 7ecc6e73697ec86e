"""The stage `trace`: the golden network to a pipelined RTL project (needs da4ml)."""

from __future__ import annotations

from fpgaae.data.features import FeatureMap
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.port_table import input_ports, packed_lines
from fpgaae.rtl.design import LOGIC_FILE, PIPELINE_FILE
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.trace import trace_trigger
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import EstimatedCost, TraceResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER


def run_trace(run: StageRun) -> TraceResult:
    """Write the RTL project and say what it is expected to cost."""
    features = FeatureMap.of(run.result(DataResult))
    trigger = GoldenTrigger.load(run.upstream("convert"), features)
    firmware = run.config.firmware
    with run.progress.task("tracing the trigger block", None):
        traced = trace_trigger(trigger)
        block = cut_into_stages(traced, firmware.clock_ns, three_inputs=firmware.three_input_adders)
    project = run.folder / PROJECT_FOLDER
    project.mkdir()
    with run.progress.task("Verilog and VHDL", None):
        ports = packed_lines(input_ports(run.config.data.hardware), "objects")
        design = write_rtl(block, firmware, project, ports)
        traced.logic.save(run.folder / LOGIC_FILE)
        block.pipeline.save(run.folder / PIPELINE_FILE)
    return TraceResult(
        project_dir=PROJECT_FOLDER,
        name=design.name,
        clock_ns=firmware.clock_ns,
        part=firmware.part,
        stages=design.stages,
        initiation_interval=1,
        estimated=EstimatedCost(lut=design.estimated_lut, ff=design.estimated_ff),
        depth_units=float(traced.logic.latency[1]),
        input_bits=design.input_bits,
        score_type=str(design.score),
        thresholds=design.n_thresholds,
    )
