"""The commands that an experiment begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fpgaae.cli.output import errors_as_sentences, open_console, print_json
from fpgaae.config.shipped import copy_shipped, find_shipped, shipped_configs


def configs_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Of the config to copy; without it all are listed.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="PATH", help="The new file, or the folder that it goes into; by default this one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list, or the name of the copy, as JSON.")] = False,
) -> None:
    """List the experiments that come with fpgaae, or copy one to start from."""
    with errors_as_sentences():
        if name is None:
            _list(as_json)
            return
        copied = str(copy_shipped(name, to or Path()))
        command = "scan" if find_shipped(name).is_scan else "run"
    if as_json:
        print_json({"file": copied})
    else:
        open_console().print(escape(f"wrote {copied}; next: fpgaae {command} {copied}"), soft_wrap=True)


def _list(as_json: bool) -> None:
    found = shipped_configs()
    if as_json:
        print_json([{"name": config.name, "about": config.about} for config in found])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("config", no_wrap=True)
    table.add_column("what it is")
    for config in found:
        table.add_row(config.name, escape(config.about))
    open_console().print(table)
