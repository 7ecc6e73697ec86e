"""What `--mutate` of a command prints, and how it ends."""

from __future__ import annotations

from fpgaae.cli.output import fail, open_console, print_json
from fpgaae.cli.tables import mutants_table, proven_mutants_table
from fpgaae.hls.verdicts import missed_sentence
from fpgaae.prove.verdicts import undecided_sentence
from fpgaae.runs.results.mutants import MutantsResult, ProveMutantsResult


def report_mutants(result: MutantsResult | ProveMutantsResult, *, as_json: bool) -> None:
    """Print what became of the mutants, and exit 1 when one was missed, left open, or judged wrongly."""
    if as_json:
        print_json(result)
    elif isinstance(result, ProveMutantsResult):
        open_console().print(proven_mutants_table(result))
    else:
        open_console().print(mutants_table(result))
    if not result.passed:
        fail(undecided_sentence(result) if isinstance(result, ProveMutantsResult) else missed_sentence(result), 1)
