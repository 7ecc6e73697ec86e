"""The commands that look before anything is run: at this machine, and at a config, model or project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpgaae import api
from fpgaae.cli.options import RUNS, EncoderOption, OutputsOption, QuantizeOption, RunsOption, WeightsOption
from fpgaae.cli.output import errors_as_sentences, open_console, print_json
from fpgaae.cli.tables import findings_table, lint_table
from fpgaae.doctor import Status


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine: compiler, packages, threads, disk, optional tools; say what to install."""
    findings = api.check_machine()
    if as_json:
        rows = [{"name": f.name, "status": f.status.value, "detail": f.detail, "cure": f.cure} for f in findings]
        print_json(rows)
    else:
        open_console(80).print(findings_table(findings))
    if any(finding.status is Status.MISSING for finding in findings):
        raise typer.Exit(3)


def lint_command(  # noqa: PLR0913, PLR0917 - each is an option
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET",
            help="A YAML config, a model (.h5, .keras, .onnx, .json, SavedModel folder) or a project.",
            show_default=False,
        ),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", help="The config that a model is to be imported into.")
    ] = None,
    weights: WeightsOption = None,
    output: OutputsOption = None,
    encoder: EncoderOption = False,
    quantize: QuantizeOption = False,
    runs: RunsOption = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find what would make the firmware differ, before training, or keep a model from `import`. Exits 1 on errors."""
    with errors_as_sentences():
        reports = api.lint(
            target, runs=runs, config=config, weights=weights, outputs=output or (), encoder=encoder, quantize=quantize
        )
    if as_json:
        rows = [row for report in reports for row in report.to_json()]
        print_json(rows)
    else:
        console = open_console()
        for report in reports:
            console.print(lint_table(report), soft_wrap=not report.findings)
    if any(report.has_errors for report in reports):
        raise typer.Exit(1)
