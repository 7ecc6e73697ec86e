"""Linting a target: a model, an experiment with what its run folder holds, or a written project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae.config.experiment import Firmware
from fpgaae.config.file import load_config
from fpgaae.data.tally import is_saturated
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import read_json
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.conversion_checks import check_conversion, check_interfaces
from fpgaae.hls.lint.description import ModelDescription
from fpgaae.hls.lint.files import MODEL_SUFFIXES, read_model_file
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.layer_checks import check_graph, check_layers
from fpgaae.hls.lint.planned import AutoBits, describe_planned
from fpgaae.hls.lint.project_checks import lint_project
from fpgaae.hls.lint.quantizer_checks import check_quantizers
from fpgaae.hls.lint.rules import finding as rule_finding
from fpgaae.hls.lint.width_checks import check_widths
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.stages import PROJECT_FOLDER

_YAML_SUFFIXES = frozenset({".yaml", ".yml"})
_ORDER = list(Severity)
_TRAINED_MODEL = "model.h5"
_DATA_RESULT = "data.json"


class Report(NamedTuple):
    """What was looked at, and what was found there."""

    subject: str
    findings: tuple[Finding, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Give plain values, each finding with its subject."""
        return [{"subject": self.subject, **finding.to_json()} for finding in self.findings]


def lint_model(model: ModelDescription, conversion: Conversion) -> tuple[Finding, ...]:
    """Find what would make the firmware of a model differ, errors first."""
    found = [
        *check_conversion(model, conversion),
        *check_layers(model),
        *check_graph(model),
        *check_quantizers(model),
        *check_interfaces(model, conversion),
        *check_widths(model, conversion),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: _ORDER.index(finding.severity)))


def lint_target(target: Path, runs: Path, config: Path | None = None) -> tuple[Report, ...]:
    """Lint a YAML config with the results in its run folder, a model file, or the folder of a project.

    Parameters
    ----------
    runs
        Where the run folders are, for a config.
    config
        An experiment whose firmware section a model file is to be converted with.

    Raises
    ------
    InputError
        If the target is missing or none of these.
    """
    if target.is_dir():
        return (Report(str(target), lint_project(target)),)
    if target.suffix in _YAML_SUFFIXES:
        if config is not None:
            raise InputError(f"{target} has its own firmware section; leave --config out, or give a model file")
        return _lint_experiment(target, runs)
    if target.is_file() and target.suffix not in MODEL_SUFFIXES:
        raise InputError(f"{target} is neither a YAML config nor a model; give a file ending in .yaml, .h5 or .keras")
    model = read_model_file(target)
    firmware = load_config(config).firmware if config is not None else Firmware()
    return (Report(str(target), lint_model(model, Conversion.of(firmware))),)


def _lint_experiment(file: Path, runs: Path) -> tuple[Report, ...]:
    """Lint the planned model of an experiment, then its trained model and its project where there are some."""
    experiment = open_experiment(file, runs)
    conversion = Conversion.of(experiment.config.firmware)
    planned: dict[tuple[str, str], Finding] = {}
    for auto in AutoBits:
        for finding in lint_model(describe_planned(experiment.config, auto), conversion):
            planned.setdefault((finding.rule, finding.layer), finding)
    background = experiment.config.data.background
    for finding in _events_at_largest_code(experiment.stage_folder("data") / _DATA_RESULT, background):
        planned.setdefault((finding.rule, finding.layer), finding)
    findings = sorted(planned.values(), key=lambda finding: _ORDER.index(finding.severity))
    reports = [Report(str(file), tuple(findings))]
    trained = experiment.stage_folder("train") / _TRAINED_MODEL
    if trained.is_file():
        reports.append(Report(str(trained), lint_model(read_model_file(trained), conversion)))
    project = experiment.stage_folder("convert") / PROJECT_FOLDER
    if project.is_dir():
        reports.append(Report(str(project), lint_project(project)))
    return tuple(reports)


def _events_at_largest_code(result: Path, background: str) -> Iterator[Finding]:
    """Find the kinds of objects of which a large share has the largest pT in training, as `data` counted them."""
    own = read_json(result).get("seen", {}).get(background, {}) if result.is_file() else {}
    for kind, largest in own.get("largest_pt", {}).items():
        if is_saturated(largest, own["objects"][kind]):
            found = f"{largest / own['objects'][kind]:.1%} of {background}"
            yield rule_finding("events-at-largest-code", kind, found)


def has_errors(reports: tuple[Report, ...]) -> bool:
    """Tell whether anything would make the firmware differ."""
    return any(finding.severity is Severity.ERROR for report in reports for finding in report.findings)


def refuse_errors(subject: str, findings: tuple[Finding, ...]) -> None:
    """Stop what would go wrong.

    Raises
    ------
    CheckFailed
        With the first error and how many more there are.
    """
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more, see `fpgaae lint {subject}`)" if len(errors) > 1 else ""
        raise CheckFailed(f"{subject}: {errors[0]}{more}")
