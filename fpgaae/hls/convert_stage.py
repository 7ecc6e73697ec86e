"""The stage `convert`: a trained model to a written project and its golden network, proven to belong together.

This module imports TensorFlow and hls4ml.
"""

from __future__ import annotations

import logging

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.files import Json
from fpgaae.fixedpoint import Codes
from fpgaae.golden.deployment import deploy
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents, edge_events
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.network import ACCEPT_LAYER, GOLDEN_FILE, IntegerLayer, IntegerNetwork, LayerKind
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.convert import write_project
from fpgaae.hls.front_end import TriggerBlock, write_golden_vectors
from fpgaae.hls.harness import write_harness
from fpgaae.hls.keras_check import KerasComparison
from fpgaae.hls.lint.files import read_model_file
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.run import lint_model, refuse_errors
from fpgaae.hls.network_ports import write_weights
from fpgaae.hls.reuse import reuse_estimate
from fpgaae.hls.stimulus import EDGES, EXTREMES, LAYERS, MADE_UP, Stimuli
from fpgaae.hls.working_points import background_scores, choose_thresholds
from fpgaae.models.extract import extract_network
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

_VECTORS_AN_ORIGIN = 200
_KNOWN_EVENTS = 2048  # of the training split, from which the search for events at the edges starts
_KERAS_EVENTS = 20_000  # real events an origin on which Keras and the golden network are compared
_log = logging.getLogger(__name__)


def run_convert(run: StageRun) -> Json:
    """Write the HLS project and the golden network, and prove the latter against Keras on every kind of event."""
    features = FeatureMap.from_json(run.result("data")["feature_types"])
    findings = _lint(run)
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))
    trained = extract_network(model)
    network = deploy(trained, run.config.firmware)
    if not network.score.kind.is_score or network.score.type.signed:
        raise InputError("the model does not end in a score; train it with this package, or import it with a config")
    background = background_scores(run, network, features)
    points = choose_thresholds(background, run.config.trigger, run.config.evaluation.confidence_level)
    decided = network.with_thresholds(np.array([point.code for point in points]))
    with run.progress.task("events at the edges", None):
        edges = _find_edges(run, decided, features, background)
    edges.save(run.folder / EDGES_FILE)
    stimuli = Stimuli(run.config, run.upstream("data"), features, decided, edges.hardware)
    project = run.folder / PROJECT_FOLDER
    with run.progress.task("HLS project", None):
        written = write_project(model, network, run.config.firmware, project)
        thresholds = np.array([point.code for point in points])
        block = TriggerBlock(written.top, run.config.data.hardware, features, thresholds)
        block.write(project)
        write_harness(project, block, run.config.firmware)
        _write_vectors(run, decided, stimuli, block)
        write_weights(project, written.top, network)
    decided.save(run.folder / GOLDEN_FILE)
    keras = _compare_with_keras(run, KerasComparison(model, trained), stimuli, features)
    firmware = run.config.firmware
    return {
        "project_dir": PROJECT_FOLDER,
        "project_name": written.top.project_name,
        "top_function": f"{written.top.project_name}_trigger",
        "backend": firmware.backend,
        "part": firmware.part,
        "clock_ns": firmware.clock_ns,
        "io_type": firmware.io_type,
        "strategy": firmware.strategy,
        "reuse_factor": firmware.reuse_factor,
        "reuse": reuse_estimate(written.layers, firmware.clock_ns) if firmware.strategy == "resource" else None,
        "input_type": str(network.input_type),
        "score_type": str(network.score.type),
        "layers": [*written.layers[:-1], *_port_entries(decided), written.layers[-1], _entry(decided[ACCEPT_LAYER])],
        "output_bits": sum(layer.size * layer.type.width for layer in _outputs(decided)),
        "outputs": [{"name": layer.name, "values": layer.size, "type": str(layer.type)} for layer in _outputs(decided)],
        **({"weight_ports": [port.to_json() for port in written.top.weights]} if written.top.weights else {}),
        "trigger": {
            "bunch_crossing_rate_khz": run.config.trigger.bunch_crossing_rate_khz,
            "chosen_on": run.config.trigger.chosen_on,
            "background_events": len(background),
            "saturated_fraction": float(np.mean(background == network.score.type.max_code)),
            "confidence_level": run.config.evaluation.confidence_level,
            "thresholds": [point.to_json(network.score.type, run.config.trigger) for point in points],
        },
        "edge_events": {"events": len(edges.hardware), "not_reached": list(edges.not_reached)},
        "keras": keras,
        "lint": [finding.to_json() for finding in findings],
    }


def _find_edges(run: StageRun, network: IntegerNetwork, features: FeatureMap, background: Codes) -> EdgeEvents:
    """Look for events at the edges, from training events and from those whose scores the thresholds are."""
    store, process = EventStore(run.upstream("data")), run.config.data.background
    known = [store.read(process, "train", 0, min(store.count(process, "train"), _KNOWN_EVENTS))]
    table = network[ACCEPT_LAYER].table
    for threshold in table.codes.tolist() if table is not None else []:
        event = int(np.argmax(background == threshold))
        known.append(store.read(process, run.config.trigger.chosen_on, event, event + 1))
    return edge_events(network, features, np.concatenate(known), run.config.seed)


def _outputs(network: IntegerNetwork) -> tuple[IntegerLayer, ...]:
    """Give what the trigger block puts out."""
    ports = (layer for layer in network.layers if layer.kind is LayerKind.PORT)
    return network.score, network[ACCEPT_LAYER], *ports


def _port_entries(network: IntegerNetwork) -> tuple[Json, ...]:
    return tuple(_entry(layer) for layer in network.layers if layer.kind is LayerKind.PORT)


def _entry(layer: IntegerLayer) -> Json:
    """Describe as a layer what stands behind the network: a port, or the decisions."""
    return {
        "name": layer.name,
        "golden": layer.name,
        "kind": layer.kind.value,
        "values": layer.size,
        "shape": [layer.size],
        "types": {"result": str(layer.type)},
        "golden_type": str(layer.type),
        "weights": 0,
        "nonzero_weights": 0,
        "multiplications": 0,
        "strategy": None,
        "reuse_factor": None,
    }


def _lint(run: StageRun) -> tuple[Finding, ...]:
    """Refuse a model with errors before anything of its file is executed, and log its warnings."""
    file = run.upstream("train") / MODEL_FILE
    findings = lint_model(read_model_file(file), Conversion.of(run.config.firmware))
    refuse_errors(str(file), findings)
    for finding in findings:
        _log.log(logging.WARNING if finding.severity is Severity.WARNING else logging.INFO, "%s", finding)
    return findings


def _compare_with_keras(run: StageRun, comparison: KerasComparison, stimuli: Stimuli, features: FeatureMap) -> Json:
    plan = [
        source
        for source in stimuli.sources()
        if source.origin != LAYERS and (source.start < _KERAS_EVENTS or source.origin in MADE_UP)
    ]
    with run.progress.task("golden codes against Keras", sum(s.stop - s.start for s in plan)) as task:
        for source in plan:
            stimulus = stimuli.make(source)
            values = np.concatenate([features.values(stimulus.hardware), stimulus.values])
            comparison.add(values, stimulus.input_codes)
            task.advance(source.stop - source.start)
    return comparison.to_json()


def _write_vectors(run: StageRun, network: IntegerNetwork, stimuli: Stimuli, block: TriggerBlock) -> None:
    """Write the testbench's golden vectors: the first events of every origin, with all extremes and edges."""
    parts = []
    for source in stimuli.sources():
        if source.start == 0 and source.origin != LAYERS:
            part = (
                source
                if source.origin in {EXTREMES, EDGES}
                else source._replace(stop=min(source.stop, _VECTORS_AN_ORIGIN))
            )
            made = stimuli.make(part)
            parts.append((made.hardware, made.input_codes[: len(made.hardware)]))
    hardware, input_codes = (np.concatenate(codes) for codes in zip(*parts, strict=True))
    golden = network.run(input_codes)
    scores, accept = golden[network.score.name].codes[:, 0], golden[ACCEPT_LAYER].codes
    latents = next((golden[layer.name].codes for layer in network.layers if layer.kind is LayerKind.PORT), None)
    if latents is not None:
        latents = latents & ((1 << network[LATENTS_LAYER].type.width) - 1)
    write_golden_vectors(run.folder / PROJECT_FOLDER, block, hardware, scores, accept, latents)
