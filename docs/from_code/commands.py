"""The page of all commands, from the parser itself."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from fpgaae.cli.commands import app
from from_code.comments import cell

_HEAD = """# Commands

`fpgaae COMMAND --help` prints the same. Exit codes: 0 all proven, 1 a check failed (a bit differs), 2 the input is
wrong, 3 a tool or package is missing, 4 a fault of fpgaae. What is wrong is one sentence on standard error: what,
where, and the way out.
`fpgaae --install-completion` lets the shell complete commands, options and the names of configs.

`make TARGET` runs the stages in the order in which they need each other, with `CONFIG="FILE ..."` to choose experiments
and `ARGS="..."` for options; `make help` lists the targets.
"""
Command = Any  # typer brings a click of its own
Parameter = Any


def commands() -> dict[str, Command]:
    """Give every command by its name."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def commands_page() -> str:
    """Give the page in Markdown."""
    return "\n".join([_HEAD, *(_part(name, command) for name, command in commands().items() if not command.hidden)])


def _part(name: str, command: Command) -> str:
    about = inspect.cleandoc(command.help or "")
    rows = ["| argument | default | meaning |", "|---|---|---|"]
    for parameter in command.params:
        if not getattr(parameter, "hidden", False) and parameter.name != "help":
            said = cell(getattr(parameter, "help", None) or "")
            rows.append(f"| {cell(_shown(parameter))} | {_default(parameter)} | {said} |")
    arguments = [
        _shown(parameter).strip("`") for parameter in command.params if parameter.param_type_name == "argument"
    ]
    usage = " ".join(["fpgaae", name, "[OPTIONS]", *arguments])
    return f"(command-{name})=\n## `{name}`\n\n```text\n{usage}\n```\n\n{about}\n\n" + "\n".join(rows) + "\n"


def _shown(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or (parameter.name or '').upper()}`"
    names = ", ".join(
        f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts) if not name.startswith("--no-")
    )
    takes = "" if getattr(parameter, "is_flag", False) else f" `{parameter.metavar or 'VALUE'}`"
    return names + takes


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default in (None, False, 0, ()) else f"`{parameter.default}`"
