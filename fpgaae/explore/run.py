"""`fpgaae explore`: a use of a trained method, its numbers as JSON and its figure beside it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from fpgaae.config.experiment import Config
from fpgaae.errors import InputError
from fpgaae.evaluation.figure_files import save_figure
from fpgaae.explore import uses
from fpgaae.explore.explorer import Explorer, Use, lack
from fpgaae.runs.results.explore import UseResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import USES


def load_use(name: str) -> Use:
    """Import a use."""
    found: Use = import_module(f"{uses.__name__}.{name}").USE
    return found


def uses_of(config: Config) -> tuple[str, ...]:
    """Name every use that the method of a config has."""
    return tuple(use for use in USES if lack(load_use(use), config) is None)


def require_uses(wanted: Sequence[str], config: Config) -> None:
    """Refuse a use that the method of a config has not.

    Raises
    ------
    InputError
        With what it lacks.
    """
    for use in wanted:
        lacking = lack(load_use(use), config)
        if lacking is not None and config.method is not None:
            raise InputError(
                f"the method {config.method.kind} has no {lacking}, which the use {use} needs; it has "
                f"{', '.join(uses_of(config))}"
            )


def run_use(run: StageRun, name: str) -> UseResult:
    """Make a use of the trained float method of an experiment.

    Raises
    ------
    InputError
        If the method has it not.
    """
    use = load_use(name)
    explorer = Explorer(run)
    found = use.explore(explorer)
    save_figure(found.figure, run.folder, name)
    return found.result
