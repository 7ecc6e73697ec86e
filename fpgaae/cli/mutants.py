"""What `--mutate` of a command prints, and how it ends."""

from __future__ import annotations

from fpgaae.cli.output import open_console, print_json, refuse_failure
from fpgaae.cli.tables import mutants_table, proven_mutants_table
from fpgaae.runs.results.mutants import MutantsResult, ProveMutantsResult


def report_mutants(result: MutantsResult | ProveMutantsResult, *, as_json: bool) -> None:
    """Print what became of the mutants, and exit 1 when one was missed, left open, or judged wrongly."""
    if as_json:
        print_json(result)
    elif isinstance(result, ProveMutantsResult):
        open_console().print(proven_mutants_table(result))
    else:
        open_console().print(mutants_table(result))
    refuse_failure(result)
