"""What is said where not every layer is proven."""

from __future__ import annotations

from fpgaae.runs.results.prove import Proven, ProveResult


def unproven_sentence(result: ProveResult) -> str:
    """Say in one sentence which layer is not proven, and an event that shows it."""
    first = result.first_failure
    if first is None:
        return _of_the_verilog(result)
    if first.outcome == Proven.OPEN.value:
        return f"the layer {first.name} could not be proven: {first.reason}"
    said = f"the layer {first.name} is not that of the model, first in value {first.channel}: {first.reason}"
    found = result.refutation
    if found is None:
        return f"{said}; no event was found that shows it"
    event = (
        "the event in prove.json gives" if found.hardware else "the codes in prove.json, in the place of layers, give"
    )
    return (
        f"{said}; {event} code {found.found_code} instead of {found.expected_code} in value {found.channel} of "
        f"{found.layer}"
    )


def _of_the_verilog(result: ProveResult) -> str:
    piece, found = result.first_failing_piece, result.rtl_refutation
    if piece is None:
        return f"the HLS sources are proven, the Verilog is not: {result.missing_tool or 'no piece of it is wrong'}"
    if piece.outcome == Proven.OPEN.value:
        return f"{piece.name} could not be proven: {piece.reason}"
    if found is None:
        return f"{piece.name} is refuted: {piece.reason}"
    what = f"decision {found.column - 1}" if found.column else "score"
    return (
        f"{piece.name} is refuted: {piece.reason}; the simulated event in prove.json gives the {what} "
        f"{found.found_code} instead of {found.expected_code}"
    )
