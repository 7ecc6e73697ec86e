"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The experiment's YAML file.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Where the run folders are.")]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Of your own Dask scheduler, as in tcp://host:8786."),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Processes here; by default one a core.")
]
SpreadSchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="Code and score events on your own Dask scheduler: tcp://host:8786."
    ),
]
SpreadWorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Code and score events in N processes; by default, if they are many, code them in several.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result file on standard output, and nothing else.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Run although the result is current, or was edited by hand.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what the tools say, on standard error.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="The weights of a model that is an architecture in JSON."),
]
OutputsOption = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="NAME", help="Take the model up to this layer, as z_mean of a variational one."),
]
EncoderOption = Annotated[bool, typer.Option("--encoder", help="Take an autoencoder up to its bottleneck.")]
QuantizeOption = Annotated[
    bool, typer.Option("--quantize", help="Quantize a QKeras or QONNX model anew, by the config, instead of as it is.")
]
RUNS = Path("runs")


class StageOptions(NamedTuple):
    """The options that every stage has."""

    runs: Path
    as_json: bool
    force: bool
    verbose: bool
    keep_edited: bool = False
    scheduler: str | None = None
    workers: int | None = None
