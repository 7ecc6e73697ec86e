"""The commands that an experiment begins with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fpgaae import api
from fpgaae.cli.output import errors_as_sentences, open_console, print_json
from fpgaae.errors import InputError


def configs_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Of the config to copy; without it all are listed.",
            autocompletion=lambda: [config.name for config in api.list_configs()],
        ),
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
        copied = str(api.copy_config(name, to or Path()))
        command = "scan" if api.find_config(name).is_scan else "run"
    if as_json:
        print_json({"file": copied})
    else:
        open_console().print(escape(f"wrote {copied}; next: fpgaae {command} {copied}"), soft_wrap=True)


def _list(as_json: bool) -> None:
    found = api.list_configs()
    if as_json:
        print_json([{"name": config.name, "about": config.about} for config in found])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("config", no_wrap=True)
    table.add_column("what it is")
    for config in found:
        table.add_row(config.name, escape(config.about))
    open_console().print(table)


def init_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Events, a process each: files, or folders of them; and a model for them, if there is one.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="CONFIG", help="By default the first file's name with .yaml.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the first file for the background.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON; asks nothing.")] = False,
) -> None:
    """Look at event files and write a commented config that runs.

    Knows Parquet, ROOT and CSV tables, HDF5 and npz arrays, folders of WAV files, IDX images, models of Keras and ONNX.
    """
    with errors_as_sentences():
        asks = not (yes or as_json) and sys.stdin.isatty()
        draft = api.draft_config(files, output, _ask_for_background if asks else None)
    if as_json:
        print_json({**draft._asdict(), "file": str(draft.file)})
        return
    console = open_console()
    known = f", as preset:{draft.preset}" if draft.preset else ""
    console.print(escape(f"wrote {draft.file}{known}; trained on {draft.background}"), soft_wrap=True)
    for note in draft.notes:
        console.print(escape(f"  look at this: {note}"), soft_wrap=True)
    console.print(escape(f"next: {', then '.join(draft.steps)}"), soft_wrap=True)


def _ask_for_background(names: Sequence[str]) -> str:
    wanted = str(typer.prompt(f"Which is the background, to be trained on: {', '.join(names)}?", default=names[0]))
    if wanted not in names:
        raise InputError(f"there is no {wanted} among the files; choose of {', '.join(names)}")
    return wanted
