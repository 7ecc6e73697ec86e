"""Linting a target: a model, an experiment with what its run folder holds, or a written project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fpgaae.config.experiment import Config, Firmware
from fpgaae.config.file import load_config
from fpgaae.errors import CheckFailed, FpgaaeError, InputError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding, Report, Severity
from fpgaae.hls.lint.models import by_severity, lint_import, lint_model
from fpgaae.hls.lint.planned import AutoBits, describe_planned
from fpgaae.hls.lint.project_checks import lint_project
from fpgaae.hls.lint.rules import finding as rule_finding
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import NetworkDescription
from fpgaae.models.fit import check_fit
from fpgaae.models.model_file import MODEL_SUFFIXES, ModelFiles, read_model_file
from fpgaae.models.prepare import prepare_network
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.models.saved_model import is_saved_model
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.convert import few_events
from fpgaae.runs.results.data import DataResult, is_saturated
from fpgaae.runs.stages import PROJECT_FOLDER

_YAML_SUFFIXES = frozenset({".yaml", ".yml"})
_TRAINED_MODEL = "model.h5"


def lint_target(
    target: Path,
    runs: Path,
    config: Path | None = None,
    weights: Path | None = None,
    choices: ImportChoices | None = None,
) -> tuple[Report, ...]:
    """Lint a YAML config with the results in its run folder, a model file, or the folder of a project.

    Parameters
    ----------
    runs
        Where the run folders are, for a config.
    config
        An experiment that a model is to be imported into.
    weights
        The file with the weights of an architecture in JSON.
    choices
        What is asked for of a model.

    Raises
    ------
    InputError
        If the target is missing or none of these.
    """
    is_model = target.suffix in MODEL_SUFFIXES or (target.is_dir() and is_saved_model(target))
    if not is_model and (weights is not None or choices not in {None, ImportChoices()}):
        raise InputError(f"{target} is no model, which --weights, --output, --encoder and --quantize are for")
    if target.is_dir() and not is_model:
        return (Report(str(target), lint_project(target)),)
    if target.suffix in _YAML_SUFFIXES:
        if config is not None:
            raise InputError(f"{target} has its own firmware section; leave --config out, or give a model file")
        return _lint_experiment(target, runs)
    if target.is_file() and not is_model:
        raise InputError(
            f"{target} is neither a YAML config nor a model; give a file ending in .yaml, .h5, .keras, .onnx or .json"
        )
    files = ModelFiles(target, weights)
    files.require_readable()
    loaded = None if config is None else load_config(config, imported=True)
    return (lint_model_file(files, loaded, choices or ImportChoices()),)


def lint_model_file(files: ModelFiles, config: Config | None, choices: ImportChoices) -> Report:
    """Judge a model as `import` does, by its words."""
    subject, network = str(files.model), files.read()
    try:
        given = chosen_part(network, choices)
    except InputError as error:
        return Report(subject, (rule_finding("not-importable", "", str(error)),))
    conversion = Conversion.of(config.firmware if config is not None else Firmware())
    found = lint_import(given, conversion, quantize=choices.quantize)
    if config is None or any(finding.severity is Severity.ERROR for finding in found):
        return Report(subject, found)
    return Report(subject, by_severity([*found, *_misfits(config, given, quantize=choices.quantize)]))


def _misfits(config: Config, given: NetworkDescription, *, quantize: bool) -> Iterator[Finding]:
    """Find what of a model contradicts the experiment."""
    inputs = config.quantization.inputs
    try:
        prepared = prepare_network(given, ResolvedWidth(inputs.bits, inputs.integer_bits).signed(), quantize=quantize)
        check_fit(config, given, prepared)
    except FpgaaeError as error:
        yield rule_finding("not-importable", "", str(error))


def _lint_experiment(file: Path, runs: Path) -> tuple[Report, ...]:
    """Lint the planned model of an experiment, then its trained model and its project where there are some."""
    experiment = open_experiment(file, runs)
    conversion = Conversion.of(experiment.config.firmware)
    planned: dict[tuple[str, str], Finding] = {}
    for auto in AutoBits:
        for finding in lint_model(describe_planned(experiment.config, auto), conversion):
            planned.setdefault((finding.rule, finding.layer), finding)
    for finding in _events_at_largest_code(experiment):
        planned.setdefault((finding.rule, finding.layer), finding)
    for finding in _thresholds_of_few_events(experiment):
        planned.setdefault((finding.rule, finding.found), finding)
    reports = [Report(str(file), by_severity(planned.values()))]
    trained = experiment.stage_folder("train") / _TRAINED_MODEL
    if trained.is_file():
        reports.append(Report(str(trained), lint_model(read_model_file(trained), conversion)))
    project = experiment.stage_folder("convert") / PROJECT_FOLDER
    if project.is_dir():
        reports.append(Report(str(project), lint_project(project)))
    return tuple(reports)


def _events_at_largest_code(experiment: Experiment) -> Iterator[Finding]:
    """Find the kinds of objects of which a large share has the largest pT in training, as `data` counted them."""
    if not experiment.result_path(DataResult.STAGE).is_file():
        return
    background = experiment.config.data.background
    own = (experiment.result(DataResult).seen or {}).get(background)
    if own is None:
        return
    for kind, largest in own.largest_pt.items():
        if is_saturated(largest, own.objects[kind]):
            yield rule_finding("events-at-largest-code", kind, f"{largest / own.objects[kind]:.1%} of {background}")


def _thresholds_of_few_events(experiment: Experiment) -> Iterator[Finding]:
    """Find the working points that the events of the split hardly support, as `data` counted them."""
    if not experiment.result_path(DataResult.STAGE).is_file():
        return
    config = experiment.config
    events = experiment.result(DataResult).events[config.data.background][config.trigger.chosen_on]
    for index, rate in enumerate(config.trigger.false_positive_rates):
        if few_events(rate, events) is not None:
            found = f"threshold {index}: {rate * events:.3g} of the {events:,} events of {config.trigger.chosen_on}"
            yield rule_finding("threshold-few-events", "", found)


def refuse_errors(
    subject: str, findings: tuple[Finding, ...], error: type[FpgaaeError] = CheckFailed, advice: str = ""
) -> None:
    """Stop what would go wrong.

    Parameters
    ----------
    advice
        What else could be done, if there is anything.

    Raises
    ------
    CheckFailed
        Or the given error, with the first finding that is one and how many more there are.
    """
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more, see `fpgaae lint {subject}`)" if len(errors) > 1 else ""
        raise error(f"{subject}: {errors[0]}{advice}{more}")
