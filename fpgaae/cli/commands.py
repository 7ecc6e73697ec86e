"""The command `fpgaae`: one subcommand a stage, and some beyond. Only this package parses, prints and exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fpgaae import __version__
from fpgaae.cli import beyond, checks, importing, stages, starting
from fpgaae.cli.fresh import Program
from fpgaae.cli.net import last_net
from fpgaae.cli.output import fail, open_console
from fpgaae.errors import InputError

app = typer.Typer(
    help="Trigger objects to verified trigger firmware. Each stage reads the results of the stages before it from "
    "runs/EXPERIMENT/ and writes its own; a stage whose config and inputs are unchanged is not run again.",
    invoke_without_command=True,
    # --install-completion and --show-completion write the completion of the user's shell
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        open_console().print(f"fpgaae {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    del version
    if context.invoked_subcommand is None:
        open_console().print(context.get_help())
        fail("no command is given; `fpgaae --help` lists them", InputError.exit_code)


_PLAIN = {
    "train": "Train the quantized, pruned autoencoder; a killed training goes on where it was.",
    "trace": "Trace the whole trigger block into pipelined Verilog and VHDL, without a vendor tool.",
}
_OTHERS: dict[str, Callable[..., None]] = {
    "init": starting.init_command,
    "configs": starting.configs_command,
    "run": stages.run_command,
    "data": stages.data,
    "reference": stages.reference,
    "import": importing.import_command,
    "convert": stages.convert,
    "csim": stages.csim,
    "prove": stages.prove,
    "rtl": stages.rtl,
    "synth": stages.synth,
    "place": stages.place,
    "evaluate": stages.evaluate,
    "report": stages.report,
    "explore": beyond.explore_command,
    "export": beyond.export,
    "emulate": beyond.emulate_command,
    "thresholds": beyond.thresholds_command,
    "scan": beyond.scan_command,
    "repeat": beyond.repeat_command,
    "references": beyond.references_command,
    "compare": beyond.compare_command,
    "doctor": checks.doctor_command,
    "lint": checks.lint_command,
}
_IN_ORDER = (
    "init", "configs", "run", "data", "reference", "train", "import", "convert", "csim", "prove", "trace", "rtl",
    "synth", "place", "evaluate", "report", "explore", "export", "emulate", "thresholds", "scan", "repeat",
    "references", "compare", "doctor", "lint",
)  # fmt: skip
for _name in _IN_ORDER:
    app.command(name=_name, help=_PLAIN.get(_name))(_OTHERS.get(_name) or stages.plain_command(_name))


def main() -> None:
    """Run the command line."""
    with last_net():
        app(obj=Program(tuple(sys.orig_argv[1:])))
