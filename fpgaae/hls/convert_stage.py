"""The stage `convert`: a trained model to a written project and its golden network, proven to belong together.

This module imports TensorFlow and hls4ml.
"""

from __future__ import annotations

import logging

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.deployment import deploy
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents, edge_events
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.network import GOLDEN_FILE
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cells import MULTIPLICITY
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.convert import write_project
from fpgaae.hls.front_end import TriggerBlock, write_golden_vectors
from fpgaae.hls.harness import write_harness
from fpgaae.hls.keras_check import KerasComparison
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.models import lint_model
from fpgaae.hls.lint.run import refuse_errors
from fpgaae.hls.network_ports import threshold_port, write_thresholds, write_weights
from fpgaae.hls.port_table import input_ports
from fpgaae.hls.reuse import reuse_estimate
from fpgaae.hls.stimulus import EDGES, EXTREMES, LAYERS, MADE_UP, Stimuli
from fpgaae.hls.working_points import background_scores, choose_working_points, kept_crossings
from fpgaae.models.extract import extract_network
from fpgaae.models.model_file import read_model_file
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.runs.results.convert import (
    ConvertedLayer,
    ConvertResult,
    EdgeSearch,
    FollowedSumEntry,
    KerasAgreement,
    LayerTypes,
    Output,
    TriggerEntry,
)
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

_VECTORS_AN_ORIGIN = 200
_KNOWN_EVENTS = 2048  # of the training split, from which the search for events at the edges starts
_MOST_KNOWN = 256  # events whose scores are thresholds, beside those
_KERAS_EVENTS = 20_000  # real events an origin on which Keras and the golden network are compared
_log = logging.getLogger(__name__)


def run_convert(run: StageRun) -> ConvertResult:
    """Write the HLS project and the golden network, and prove the latter against Keras on every kind of event."""
    data = run.result(DataResult)
    features, crossings = FeatureMap.of(data), kept_crossings(run.config.trigger, data, run.config.data.background)
    findings = _lint(run)
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))
    trained = extract_network(model)
    network = deploy(trained, run.config.firmware)
    if not isinstance(network.score, ScoreLayer) or network.score.type.signed:
        raise InputError("the model does not end in a score; train it with this package, or import it with a config")
    background = background_scores(run, GoldenTrigger(features, network))
    chosen = choose_working_points(run, background, crossings)
    entries = tuple(point.entry(network.score.type, crossings) for point in chosen.points)
    for index, entry in enumerate(entries):
        if entry.doubt is not None:
            _log.warning("threshold %d is in doubt: %s", index, entry.doubt)
    trigger = GoldenTrigger(features, network).with_thresholds(
        chosen.codes, chosen.sums, reloadable=run.config.firmware.reloadable_thresholds
    )
    with run.progress.task("events at the edges", None):
        edges = _find_edges(run, trigger, background)
    edges.save(run.folder / EDGES_FILE)
    stimuli = Stimuli(run.config, run.upstream("data"), trigger, edges.hardware)
    project = run.folder / PROJECT_FOLDER
    with run.progress.task("HLS project", None):
        written = write_project(model, network, run.config.firmware, project)
        block = TriggerBlock(written.top, run.config.data.hardware, trigger)
        block.write(project)
        write_harness(project, block, run.config.firmware)
        _write_vectors(run, trigger, stimuli, block)
        write_weights(project, written.top, network)
        write_thresholds(project, trigger.network)
    trigger.network.save(run.folder / GOLDEN_FILE)
    keras = _compare_with_keras(run, KerasComparison(model, trained), stimuli, features)
    firmware = run.config.firmware
    return ConvertResult(
        project_dir=PROJECT_FOLDER,
        project_name=written.top.project_name,
        top_function=f"{written.top.project_name}_trigger",
        backend=firmware.backend,
        part=firmware.part,
        clock_ns=firmware.clock_ns,
        io_type=firmware.io_type,
        strategy=firmware.strategy,
        reuse_factor=firmware.reuse_factor,
        reuse=reuse_estimate(written.layers, firmware.clock_ns) if firmware.strategy == "resource" else None,
        input_type=str(network.input_type),
        score_type=str(network.score.type),
        layers=(*written.layers[:-1], *map(_entry, _beside(trigger)), written.layers[-1], _entry(trigger.accept)),
        ports=input_ports(run.config.data.hardware),
        output_bits=sum(layer.size * layer.type.width for layer in _outputs(trigger)),
        outputs=tuple(Output(name=own.name, values=own.size, type=str(own.type)) for own in _outputs(trigger)),
        weight_ports=tuple(port.entry() for port in written.top.weights),
        threshold_port=threshold_port(trigger.accept),
        trigger=TriggerEntry(
            bunch_crossing_rate_khz=run.config.trigger.bunch_crossing_rate_khz,
            chosen_on=run.config.trigger.chosen_on,
            background_events=len(background),
            saturated_fraction=float(np.mean(background == network.score.type.max_code)),
            confidence_level=run.config.evaluation.confidence_level,
            thresholds=entries,
            follows=tuple(_followed(of, features) for of in chosen.sums),
        ),
        edge_events=EdgeSearch(
            events=len(edges.hardware), not_reached=edges.not_reached, unreachable=edges.unreachable
        ),
        keras=keras,
        lint=tuple(finding.entry() for finding in findings),
    )


def _find_edges(run: StageRun, trigger: GoldenTrigger, background: Codes) -> EdgeEvents:
    """Look for events at the edges, from training events and from those whose scores the thresholds are."""
    store, process = EventStore(run.upstream("data")), run.config.data.background
    known = [store.read(process, "train", 0, min(store.count(process, "train"), _KNOWN_EVENTS))]
    for threshold in trigger.accept.by_cell.ravel().tolist()[:_MOST_KNOWN]:
        event = int(np.argmax(background == threshold))
        known.append(store.read(process, run.config.trigger.chosen_on, event, event + 1))
    return edge_events(trigger, trigger.features.words_of_codes(np.concatenate(known)), run.config.seed)


def _outputs(trigger: GoldenTrigger) -> tuple[Layer, ...]:
    """Give what the trigger block puts out."""
    return trigger.network.score, trigger.accept, *trigger.network.ports


def _beside(trigger: GoldenTrigger) -> tuple[Layer, ...]:
    """Give what is recorded between the network's layers and its score: what thresholds are looked up by, and ports."""
    cell = trigger.network.cell
    return (*(() if cell is None else (cell,)), *trigger.network.ports)


def _followed(of: BinnedSum, features: FeatureMap) -> FollowedSumEntry:
    return FollowedSumEntry(
        quantity=MULTIPLICITY if of.counts else "sum",
        features=tuple(features.features[place].hardware.name for place in of.places),
        edges=of.edges,
    )


def _entry(layer: Layer) -> ConvertedLayer:
    """Describe as a layer what stands behind the network: a port, or the decisions."""
    return ConvertedLayer(
        name=layer.name,
        golden=layer.name,
        kind=layer.kind,
        values=layer.size,
        shape=(layer.size,),
        types=LayerTypes(result=str(layer.type)),
        golden_type=str(layer.type),
        weights=0,
        nonzero_weights=0,
        multiplications=0,
        strategy=None,
        reuse_factor=None,
    )


def _lint(run: StageRun) -> tuple[Finding, ...]:
    """Refuse a model with errors before anything of its file is executed, and log its warnings."""
    file = run.upstream("train") / MODEL_FILE
    findings = lint_model(read_model_file(file), Conversion.of(run.config.firmware))
    refuse_errors(str(file), findings)
    for finding in findings:
        _log.log(logging.WARNING if finding.severity is Severity.WARNING else logging.INFO, "%s", finding)
    return findings


def _compare_with_keras(
    run: StageRun, comparison: KerasComparison, stimuli: Stimuli, features: FeatureMap
) -> KerasAgreement:
    plan = [
        source
        for source in stimuli.sources()
        if source.origin != LAYERS and (source.start < _KERAS_EVENTS or source.origin in MADE_UP)
    ]
    with run.progress.task("golden codes against Keras", sum(s.stop - s.start for s in plan)) as task:
        for source in plan:
            stimulus = stimuli.make(source)
            codes = features.codes_of_words(stimulus.hardware)
            values = np.concatenate([features.values(codes), stimulus.values])
            comparison.add(values, stimulus.input_codes)
            task.advance(source.stop - source.start)
    return comparison.result()


def _write_vectors(run: StageRun, trigger: GoldenTrigger, stimuli: Stimuli, block: TriggerBlock) -> None:
    """Write the testbench's golden vectors: the first events of every origin, with all extremes and edges."""
    hardware = np.concatenate([codes for _, codes in stimuli.few(_VECTORS_AN_ORIGIN, whole={EXTREMES, EDGES})])
    golden = trigger.run(hardware)
    scores, accept = golden[trigger.network.score.name].codes[:, 0], golden[trigger.accept.name].codes
    latents = next((golden[port.name].codes & ((1 << port.type.width) - 1) for port in trigger.network.ports), None)
    write_golden_vectors(run.folder / PROJECT_FOLDER, block, hardware, scores, accept, latents)
