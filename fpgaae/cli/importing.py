"""The command that takes a model from a file in the place of a training."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fpgaae import api
from fpgaae.cli.options import (
    RUNS,
    EncoderOption,
    ForceOption,
    JsonOption,
    OutputsOption,
    QuantizeOption,
    RunsOption,
    WeightsOption,
)
from fpgaae.cli.output import errors_as_sentences, open_console, open_progress, print_json, set_up_logging
from fpgaae.cli.stages import print_outcome
from fpgaae.cli.summary import imported_lines
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.imported import ImportResult
from fpgaae.runs.results.reference import ImportedReference, ReferenceResult
from fpgaae.runs.run import Outcome


class SearchedBits(Enum):
    """What `import --bits` takes."""

    AUTO = "auto"


def import_command(  # noqa: PLR0913, PLR0917 - each is an option
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .keras, .h5, .onnx or .json file, or a SavedModel folder.", show_default=False
        ),
    ],
    config: Annotated[Path, typer.Option("--config", help="The experiment's YAML file.", show_default=False)],
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    quantize: QuantizeOption = False,
    weights: WeightsOption = None,
    output: OutputsOption = None,
    encoder: EncoderOption = False,
    bits: Annotated[
        SearchedBits | None,
        typer.Option("--bits", metavar="auto", help="Search the smallest widths that keep --keep-db in every layer."),
    ] = None,
    keep_db: Annotated[
        float, typer.Option("--keep-db", min=1, max=90, help="Signal to noise for --bits auto, in decibels.")
    ] = 30,
) -> None:
    """Take a model of Keras, QKeras or ONNX from a file instead of a training; quantize a float one by the config."""
    set_up_logging(False)
    progress = open_progress(as_json)
    with errors_as_sentences():
        outcomes: list[Outcome[StageResult]] = []
        experiment = api.import_model(
            model,
            config,
            weights=weights,
            outputs=output or (),
            encoder=encoder,
            quantize=quantize,
            keep_db=None if bits is None else keep_db,
            runs=runs,
            force=force,
            progress=progress,
            on_result=lambda _, outcome: outcomes.append(outcome),
        ).experiment
    (outcome,) = outcomes
    if as_json:
        print_json(outcome.result)
        return
    replaced = experiment.result(ImportResult).replaces
    if replaced and not outcome.was_current:
        open_console(80).print(f"replaces the import of {escape(replaced)}")
    reference = experiment.result(ReferenceResult)
    if isinstance(reference, ImportedReference):
        for line in imported_lines(reference):
            open_console(80).print(line)
    print_outcome(experiment, "train", outcome)
