"""The stage `report`: everything that is known of an experiment on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from fpgaae.config.experiment import Config
from fpgaae.errors import InputError
from fpgaae.files import read_sealed, write_text
from fpgaae.hls.port_table import port_name, port_sentence
from fpgaae.report.deployment import deployment_of, export_command, front_command
from fpgaae.report.page import BitCheck, LayerRow, PageContent, PageFigure, render_page
from fpgaae.report.sections import loaded_facts, placed_facts, resource_rows
from fpgaae.runs.experiment import Experiment, find_import
from fpgaae.runs.folder import MANIFEST, edited_files, of_other_files, read_manifest
from fpgaae.runs.record import from_json, read_record
from fpgaae.runs.results.base import Result
from fpgaae.runs.results.convert import ConvertedLayer, ConvertResult
from fpgaae.runs.results.csim import ComparedLayer, CsimResult
from fpgaae.runs.results.drift import DRIFT_FILE, DriftResult
from fpgaae.runs.results.metrics import LayerLoss, MetricsResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.report import ReportResult
from fpgaae.runs.results.review import REVIEW_FILE, Review
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import STAGES

_DRIFT = (
    "Inputs and rates in both samples",
    "Left: the inputs that moved the most, red where chance does not explain it. Right: the rate of each threshold.",
)
_TURN_ONS = "turn_ons_"
_EVENT_TURN_ONS = f"{_TURN_ONS}event"
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
    _EVENT_TURN_ONS: (
        "Efficiency against what events hold",
        "Share of each process that passes the first threshold: points are the firmware, with intervals that count "
        "groups of events, lines the float model at the same rate. The axis is linear below 1e-4.",
        "physics",
    ),
    "significance": (
        "Significance improvement",
        "TPR over the square root of FPR: by how much a cut on the score improves the significance of a signal. Bands: "
        "float and firmware, with the statistics of signal and background; at least 5 background events pass.",
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
    "types": (
        "Weights and values against their types",
        "Unrounded weights (orange) and values (blue) that are not zero: boxes hold 50 %, lines 90 %, points are the "
        "largest. Grey: from the least step of the type to its largest value.",
        "losses",
    ),
    "inputs": (
        "Distributions of the inputs",
        "The background in physical values, a line a slot; below each panel what a step of the hardware integer is.",
        "inputs",
    ),
    "network_inputs": (
        "Network inputs, and shares at the ends",
        "Above: boxes hold 50 %, lines 98 % of the background, dashed are the ends of the network's input type. Below: "
        "the share of the background that is 0, at the largest code, and saturated in the network's input.",
        "inputs",
    ),
    "latents": (
        "Latents of the deployed encoder",
        "What the firmware computes, every process normalised to its events.",
        "inputs",
    ),
    "trainings": ("Trainings", "Loss against the epoch, of the training and of the validation events.", "inputs"),
    "anomalous": (
        "What drives the score",
        "By what share the exact score of each event falls when a slot is emptied.",
        "events",
    ),
    "rates": (
        "Rate against threshold",
        "Float and firmware, with intervals that count groups of events; the lines are the firmware's thresholds. "
        "Where nothing passes, an open triangle marks the upper end of the interval.",
        "rates",
    ),
    "columns": (
        "Rate against pile-up and run",
        "The firmware's rate at its first three thresholds; open markers: what the existing trigger does not take.",
        "rates",
    ),
    "profiles": (
        "What the score goes with",
        "Mean score of background events in bins, float and firmware side by side.",
        "rates",
    ),
}


_LATER = (RtlResult, SynthResult, ProveResult, PlaceResult)


class _Later(NamedTuple):
    """Results of stages that the report does not need."""

    rtl: RtlResult | None
    synth: SynthResult | None
    proof: ProveResult | None
    place: PlaceResult | None


def run_report(run: StageRun) -> ReportResult:
    """Write `index.html`, which needs no other file and no network."""
    configuration = run.experiment.config_file.read_text(encoding="utf-8")
    later = _Later(
        run.optional_result(RtlResult), run.optional_result(SynthResult), run.optional_result(ProveResult),
        run.optional_result(PlaceResult),
    )  # fmt: skip
    content = _content(run, later, configuration, _stale(run))
    (run.folder / "index.html").write_text(render_page(content), encoding="utf-8")
    return ReportResult(file=str(run.experiment.result_path(ReportResult.STAGE)))


def report_folder(folder: Path, output: Path) -> ReportResult:
    """Write the page of a finished run folder, wherever it lies: its config is the one in its manifest.

    Raises
    ------
    InputError
        If the folder has no evaluation, or one of its results was edited by hand.
    """
    manifest = folder / MetricsResult.STAGE / MANIFEST
    if not manifest.is_file():
        raise InputError(f"{folder} has no finished evaluation to report; give a run folder, such as runs/l1_ae")
    recorded = read_manifest(manifest.parent)
    config = Config.model_validate(recorded["config"], context={"imported": find_import(folder) is not None})
    experiment = Experiment(Path(recorded["config_file"]), config, folder)
    for stage in (ConvertResult.STAGE, CsimResult.STAGE, MetricsResult.STAGE):
        name = experiment.spec(stage).result_file
        if name in edited_files(folder / stage):
            raise InputError(f"{folder / stage / name} is not as the stage `{stage}` wrote it; run the stage again")
        if (stale := of_other_files(folder / stage)) is not None:
            raise InputError(f"{stale}; run `{experiment.command(stage)} --force`")
    run = StageRun(experiment, output.parent, output.parent, {})

    left_out = {kind.STAGE: of_other_files(folder / kind.STAGE) for kind in _LATER}

    def later(kind: type[Result]) -> Result | None:
        known = left_out[kind.STAGE] is None and experiment.result_path(kind.STAGE).is_file()
        return experiment.result(kind) if known else None

    found = _Later(later(RtlResult), later(SynthResult), later(ProveResult), later(PlaceResult))
    configuration = yaml.safe_dump(recorded["config"], sort_keys=False)
    sentences = tuple(
        f"{sentence}, and is left out; run `{experiment.command(stage)} --force` and this report again"
        for stage, sentence in left_out.items()
        if sentence is not None
    )
    write_text(output, render_page(_content(run, found, configuration, sentences)))
    return ReportResult(file=str(output))


def _stale(run: StageRun) -> tuple[str, ...]:
    """Say which results there are besides, and why they are not shown."""
    return tuple(
        f"{run.experiment.result_path(kind.STAGE)} was made from another config, other events or other files, and "
        f"is left out; run `{run.experiment.command(kind.STAGE)}` and this report again"
        for kind in _LATER
        if run.is_stale(kind)
    )


def _content(run: StageRun, later: _Later, configuration: str, stale: tuple[str, ...]) -> PageContent:
    rtl, synth = later.rtl, later.synth
    convert, csim = run.result(ConvertResult), run.result(CsimResult)
    manifest = read_manifest(run.upstream("convert"))
    evaluation, labels = run.result(MetricsResult), run.config.evaluation.labels
    deployment = deployment_of(run.experiment, is_placed=later.place is not None)
    checks = [BitCheck.of("C simulation", csim)]
    if rtl is not None:
        checks.append(BitCheck.of("RTL simulation", rtl))
    if later.place is not None:
        checks.append(BitCheck.of("Routed netlist", later.place))
    return PageContent(
        experiment=run.experiment.name,
        checks=tuple(checks),
        metrics=evaluation,
        review=_review(run),
        drift=_drift(run),
        layers=_layers(convert, csim, evaluation.layers, run.config.data.background),
        figures=(*_figures(run.upstream("evaluate") / "figures"), *deployment.figures),
        firmware=_firmware(convert, csim, rtl, synth),
        ports={port_name(port): port_sentence(port) for port in convert.ports},
        resources=resource_rows(rtl, synth),
        placed={} if later.place is None else placed_facts(later.place),
        package=deployment.package,
        registers=deployment.registers,
        proof=later.proof,
        left_out=stale
        + deployment.left_out
        + tuple(f"the figure {name} was not drawn: {said}" for name, said in (evaluation.failed_figures or {}).items())
        + (() if synth is None else tuple(f"{tool}: {said}" for tool, said in (synth.failed or {}).items())),
        commands={
            **{stage: run.experiment.command(stage) for stage in STAGES},
            "front": front_command(run.experiment),
            "export": export_command(run.experiment),
        },
        configuration=configuration,
        hashes={
            name: value for name, value in manifest["outputs"].items() if name.endswith((".npz", ".cpp", "defines.h"))
        },
        versions=manifest["versions"],
        commit=manifest["git_commit"],
        finished=_finished(run),
        headings=tuple(filter(None, (labels.experiment, labels.energy))),
    )


def _finished(run: StageRun) -> str | None:
    """Say when the evaluation was, in universal time."""
    finished = read_manifest(run.upstream("evaluate")).get("finished")
    return None if finished is None else f"{finished[:10]} {finished[11:16]} UTC"


def _drift(run: StageRun) -> DriftResult | None:
    """Read what `evaluate --against` found, where it was asked."""
    file = run.upstream("evaluate") / DRIFT_FILE
    cure = f"run `{run.experiment.command('evaluate')} --against FILE` again"
    return from_json(DriftResult, read_sealed(file, cure), f"{file}: ", cure) if file.is_file() else None


def _review(run: StageRun) -> Review | None:
    """Read the numbers of the review, None of an evaluation by a version that made none."""
    file = run.upstream("evaluate") / REVIEW_FILE
    cure = f"run `{run.experiment.command('evaluate')} --force`"
    return read_record(Review, file, cure) if file.is_file() else None


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
        if name == _EVENT_TURN_ONS:
            found += _turn_ons_of_objects(folder)
    if (file := folder.with_name("drift.svg")).is_file():
        found.append(PageFigure(_DRIFT[0], _DRIFT[1], file.read_text(encoding="utf-8"), "drift"))
    return tuple(found)


def _turn_ons_of_objects(folder: Path) -> list[PageFigure]:
    """Give the turn-ons against the leading object of each kind."""
    _, caption, section = _FIGURES[_EVENT_TURN_ONS]
    files = {file.stem.removeprefix(_TURN_ONS): file for file in sorted(folder.glob(f"{_TURN_ONS}*.svg"))}
    return [
        PageFigure(f"Efficiency against the leading {kind}", caption, file.read_text(encoding="utf-8"), section)
        for kind, file in files.items()
        if f"{_TURN_ONS}{kind}" != _EVENT_TURN_ONS
    ]


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
    facts |= loaded_facts(csim, rtl)
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
