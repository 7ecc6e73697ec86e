"""The stage `report`: everything that is known of an experiment on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpgaae.files import read_json
from fpgaae.report.page import BitCheck, LayerRow, PageContent, PageFigure, render_page
from fpgaae.report.sections import resource_rows
from fpgaae.runs.folder import MANIFEST
from fpgaae.runs.results.convert import ConvertedLayer, ConvertResult
from fpgaae.runs.results.csim import ComparedLayer, CsimResult
from fpgaae.runs.results.metrics import LayerLoss, MetricsResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.report import ReportResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import STAGES

_FIGURES = {  # file: title, how to read it, section
    "roc": (
        "ROC curves",
        "Signal efficiency against false positive rate, per signal, for every score. Bands: the bootstrap's "
        "interval of float and firmware, as far down as 5 background events pass.",
        "physics",
    ),
    "scores": (
        "Score distributions",
        "The firmware's score per process; the line marks the working point on the test background.",
        "physics",
    ),
    "student": (
        "Student against teacher",
        "How often each pair of scores occurs, per process; the line is what the student was taught, the points are "
        "its median with 68 % of the events, and \N{GREEK SMALL LETTER RHO} is Spearman's rank correlation.",
        "physics",
    ),
    "losses": (
        "What each part costs",
        "Only the inputs, the weights, the activations or the score quantized, against the same weights unrounded.",
        "losses",
    ),
    "layers": (
        "Where precision is lost",
        "Left: the power of a layer's values over that of their error, what the layers in front did wrong included. "
        "Right: the share of values at an end of their type; a layer without a point has none.",
        "losses",
    ),
    "rates": (
        "Rate against threshold",
        "Float and firmware, with intervals that count groups of events; the lines are the firmware's thresholds.",
        "rates",
    ),
    "columns": (
        "Rate against pile-up and run",
        "The firmware's rate at each of its thresholds; open markers: what the existing trigger does not take.",
        "rates",
    ),
    "profiles": (
        "What the score goes with",
        "Mean score of background events in bins, float and firmware side by side.",
        "rates",
    ),
}


def run_report(run: StageRun) -> ReportResult:
    """Write `index.html`, which needs no other file and no network."""
    convert, csim = run.result(ConvertResult), run.result(CsimResult)
    manifest = read_json(run.upstream("convert") / MANIFEST)
    evaluation = run.result(MetricsResult)
    rtl, synth = run.optional_result(RtlResult), run.optional_result(SynthResult)
    checks = [BitCheck.of("C simulation", csim)]
    if rtl is not None:
        checks.append(BitCheck.of("RTL simulation", rtl))
    content = PageContent(
        experiment=run.experiment.name,
        checks=tuple(checks),
        metrics=evaluation,
        layers=_layers(convert, csim, evaluation.layers, run.config.data.background),
        figures=_figures(run.upstream("evaluate") / "figures"),
        firmware=_firmware(convert, csim, rtl, synth),
        resources=resource_rows(rtl, synth),
        proof=run.optional_result(ProveResult),
        commands={stage: run.experiment.command(stage) for stage in STAGES},
        configuration=run.experiment.config_file.read_text(encoding="utf-8"),
        hashes={
            name: value for name, value in manifest["outputs"].items() if name.endswith((".npz", ".cpp", "defines.h"))
        },
        versions=manifest["versions"],
        commit=manifest["git_commit"],
    )
    page = run.folder / "index.html"
    page.write_text(render_page(content), encoding="utf-8")
    return ReportResult(file=str(run.experiment.result_path(ReportResult.STAGE)))


def _layers(
    convert: ConvertResult, csim: CsimResult, errors: Sequence[LayerLoss], background: str
) -> tuple[LayerRow, ...]:
    checked = {layer.name: layer for layer in csim.layers}
    found = {layer.name: layer for layer in errors}
    return tuple(
        _layer(layer, checked.get(layer.name), found.get(layer.golden), background) for layer in convert.layers
    )


def _layer(layer: ConvertedLayer, check: ComparedLayer | None, error: LayerLoss | None, background: str) -> LayerRow:
    return LayerRow(
        layer.name,
        layer.types.result,
        layer.values,
        layer.multiplications,
        layer.nonzero_weights,
        None if check is None else check.mismatched_values,
        layer.weights,
        layer.types.weight,
        None if check is None else check.values,
        None if error is None else error.sqnr_db[background],
        None if error is None else max(error.saturated.values()),
        None if error is None else error.zero[background],
        () if error is None else (error.range, error.type_range),
    )


def _figures(folder: Path) -> tuple[PageFigure, ...]:
    found = []
    for name, (title, caption, section) in _FIGURES.items():
        if (file := folder / f"{name}.svg").is_file():
            found.append(PageFigure(title, caption, file.read_text(encoding="utf-8"), section))
    return tuple(found)


def _firmware(
    convert: ConvertResult, csim: CsimResult, rtl: RtlResult | None, synth: SynthResult | None
) -> dict[str, str]:
    facts = {}
    if rtl is not None:
        cycles = rtl.latency_cycles
        facts["latency"] = f"{cycles} clocks, {cycles * rtl.clock_ns:g} ns"
        facts["initiation interval"] = f"{rtl.initiation_interval} clock"
    elif (reuse := convert.reuse) is not None:
        facts["latency, sum of reuse factors"] = f"{reuse.latency_clocks:,} clocks, {reuse.latency_ns / 1e3:g} us"
        facts["multipliers, from reuse factors"] = f"{reuse.multipliers:,}"
    if synth is not None and synth.logic_levels is not None:
        facts["longest path"] = f"{synth.logic_levels} cells"
    return facts | {
        "backend": convert.backend,
        "part": convert.part,
        "clock": f"{convert.clock_ns:g} ns",
        "interface": convert.io_type,
        "strategy": f"{convert.strategy}, reuse factor {convert.reuse_factor}",
        "input type": convert.input_type,
        "score type": convert.score_type,
        "C simulation": f"{csim.events_per_second:,.0f} events/s on {csim.processes} processes",
    }
