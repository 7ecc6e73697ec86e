"""The stage `convert`: a trained model to a written project and its golden network, proven to belong together.

This module imports TensorFlow and hls4ml.
"""

from __future__ import annotations

import logging

import numpy as np

from fpgaae.artifacts import PROJECT_FOLDER, Json, StageRun
from fpgaae.data.features import FeatureMap
from fpgaae.data.store import EventStore
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.convert import write_project
from fpgaae.hls.keras_check import KerasComparison
from fpgaae.hls.lint.files import read_model_file
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.run import lint_model, refuse_errors
from fpgaae.hls.project import write_golden_vectors
from fpgaae.hls.stimulus import CHUNK_EVENTS, EXTREMES, RANDOM, make_stimulus, sources
from fpgaae.models.extract import extract_network
from fpgaae.models.integer import GOLDEN_FILE, IntegerNetwork
from fpgaae.models.quantized import MODEL_FILE, load_quantized

_VECTORS_AN_ORIGIN = 200
_KERAS_EVENTS = 20_000  # real events an origin on which Keras and the golden network are compared
_log = logging.getLogger(__name__)


def run_convert(run: StageRun) -> Json:
    """Write the HLS project and the golden network, and prove the latter against Keras on every kind of event."""
    data = run.result("data")
    features = FeatureMap.from_json(data["feature_types"])
    findings = _lint(run)
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))
    network = extract_network(model)
    with run.progress.task("HLS project", None):
        written = write_project(model, network, run.config.firmware, run.folder / PROJECT_FOLDER)
    network.save(run.folder / GOLDEN_FILE)
    _write_vectors(run, network, features)
    keras = _compare_with_keras(run, KerasComparison(model, network), network, features)
    firmware = run.config.firmware
    return {
        "project_dir": PROJECT_FOLDER,
        "project_name": written.top.project_name,
        "backend": firmware.backend,
        "part": firmware.part,
        "clock_ns": firmware.clock_ns,
        "io_type": firmware.io_type,
        "strategy": firmware.strategy,
        "reuse_factor": firmware.reuse_factor,
        "input_type": str(network.input_type),
        "score_type": str(network.score.type),
        "layers": list(written.layers),
        "threshold": _threshold(run, network, features),
        "keras": keras,
        "lint": [finding.to_json() for finding in findings],
    }


def _lint(run: StageRun) -> tuple[Finding, ...]:
    """Refuse a model with errors before anything of its file is executed, and log its warnings."""
    file = run.upstream("train") / MODEL_FILE
    findings = lint_model(read_model_file(file), Conversion.of(run.config.firmware))
    refuse_errors(str(file), findings)
    for finding in findings:
        _log.log(logging.WARNING if finding.severity is Severity.WARNING else logging.INFO, "%s", finding)
    return findings


def _compare_with_keras(
    run: StageRun, comparison: KerasComparison, network: IntegerNetwork, features: FeatureMap
) -> Json:
    plan = [
        source
        for source in sources(run.config, run.result("data")["events"], len(features))
        if source.start < _KERAS_EVENTS or source.origin in {RANDOM, EXTREMES}
    ]
    with run.progress.task("golden codes against Keras", sum(s.stop - s.start for s in plan)) as task:
        for source in plan:
            stimulus = make_stimulus(source, run.upstream("data"), features, network.input_type, run.config.seed)
            comparison.add(stimulus.values, stimulus.input_codes)
            task.advance(source.stop - source.start)
    return comparison.to_json()


def _write_vectors(run: StageRun, network: IntegerNetwork, features: FeatureMap) -> None:
    """Write the testbench's golden vectors: the first events of every origin, all extremes among them."""
    inputs = []
    for source in sources(run.config, run.result("data")["events"], len(features)):
        if source.start == 0:
            part = source if source.origin == EXTREMES else source._replace(stop=min(source.stop, _VECTORS_AN_ORIGIN))
            seed = run.config.seed
            inputs.append(make_stimulus(part, run.upstream("data"), features, network.input_type, seed).input_codes)
    codes = np.concatenate(inputs)
    write_golden_vectors(run.folder / PROJECT_FOLDER, codes, network.run(codes)[network.score.name].codes)


def _threshold(run: StageRun, network: IntegerNetwork, features: FeatureMap) -> Json:
    """Choose the largest working point that keeps the wanted false positive rate, on the validation background.

    An event is accepted when its score code is larger than the threshold's.
    """
    store = EventStore(run.upstream("data"))
    chunks = store.chunks(run.config.data.background, "validation", CHUNK_EVENTS)
    name, fraction = network.score.name, network.score.type.fraction
    codes = np.concatenate([network.run(features.input_codes(c, network.input_type))[name].codes[:, 0] for c in chunks])
    codes = np.sort(codes)
    allowed = int(run.config.trigger.false_positive_rate * len(codes))
    threshold = int(codes[len(codes) - 1 - allowed])
    return {
        "code": threshold,
        "fraction": fraction,
        "value": float(np.ldexp(threshold, -fraction)),
        "requested_false_positive_rate": run.config.trigger.false_positive_rate,
        "false_positive_rate": float(np.mean(codes > threshold)),
        "events": len(codes),
    }
