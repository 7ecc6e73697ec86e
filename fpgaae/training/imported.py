"""The stage `import`: a model file is checked against the experiment, compared with what is made of it, and kept.

This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import open_split
from fpgaae.errors import InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.models import lint_import
from fpgaae.hls.lint.run import refuse_errors
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import NetworkDescription
from fpgaae.models.model_file import ModelFiles, is_onnx
from fpgaae.models.prepare import Prepared, prepare_network
from fpgaae.models.twin_check import check_prepared, evaluate_apart, stimulus
from fpgaae.runs.experiment import ImportedModel
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.imported import ImportedLayer, ImportedTwin, ImportResult
from fpgaae.runs.run import StageRun
from fpgaae.training.import_checks import check_empty_slots
from fpgaae.training.imported_network import (
    ANEW,
    check_model_fits,
    exact_network,
    float_inputs,
    imported_model,
    input_type,
)

_COMPARED_EVENTS = 256


def run_import(run: StageRun, files: ModelFiles, replaced: ImportedModel | None) -> ImportResult:
    """Check a model file against the experiment and keep a copy of it."""
    wanted = imported_model(run)
    asked = wanted.choices
    given = chosen_part(files.read(), asked)
    _refuse(run, files.model, given, quantize=asked.quantize)
    prepared = prepare_network(given, input_type(run.config), quantize=asked.quantize)
    features = FeatureMap.of(run.result(DataResult))
    check_model_fits(run, given, prepared)
    if prepared.quantized is not None and asked.keep_db is not None:
        raise InputError(
            f"{files.model} is taken with the widths that it has, so that `--bits auto` has none to search; add "
            "--quantize"
        )
    if prepared.quantized is not None:
        check_empty_slots(given, exact_network(run.config, prepared.quantized, features)[0])
    twin_check = _compare_with_file(run, files, given, prepared)
    files.copy_to(run.folder)
    return ImportResult(
        file=wanted.file_name,
        sha256=wanted.sha256,
        quantize=asked.quantize,
        kind=_kind(files.model, given),
        taken_as_it_is=prepared.quantized is not None,
        layers=tuple(ImportedLayer(name=layer.name, kind=layer.kind) for layer in given.layers),
        replaces=replaced and replaced.file_name,
        twin=twin_check,
        encoder=asked.encoder,
        outputs=asked.outputs,
        keep_db=asked.keep_db,
        weights=wanted.weights_name,
        weights_sha256=wanted.weights_sha256,
    )


def _kind(file: Path, given: NetworkDescription) -> str:
    if is_onnx(file):
        return "qonnx" if given.is_quantized else "onnx"
    return "qkeras" if given.is_quantized else "float"


def _compare_with_file(run: StageRun, files: ModelFiles, given: NetworkDescription, prepared: Prepared) -> ImportedTwin:
    """Make sure that what was rebuilt is the model of the file: the bit check starts from there."""
    events = next(float_inputs(open_split(run, "train")))[:_COMPARED_EVENTS]
    evaluate = partial(evaluate_apart, weights=files.weights) if files.weights is not None else evaluate_apart
    found = check_prepared(files.model, given, prepared, events, evaluate)
    return ImportedTwin(
        events=len(stimulus(events)),
        largest_difference=found.largest,
        largest_value=found.magnitude,
        layers=found.layers,
    )


def _refuse(run: StageRun, file: Path, given: NetworkDescription, *, quantize: bool) -> None:
    """Refuse what lint calls an error, in its words."""
    conversion = Conversion.of(run.config.firmware)
    anew = given.is_quantized and not quantize and not _has_errors(lint_import(given, conversion, quantize=True))
    refuse_errors(str(file), lint_import(given, conversion, quantize=quantize), InputError, ANEW if anew else "")


def _has_errors(findings: tuple[Finding, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)
