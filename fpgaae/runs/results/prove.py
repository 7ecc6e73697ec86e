"""What the stage `prove` writes, `prove.json`: how each layer was proven, or an event that refutes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from fpgaae.runs.results.base import StageResult


class Proven(str, Enum):
    """What became of a layer."""

    PROVEN = "proven"  # equal for every input
    REFUTED = "refuted"
    OPEN = "open"  # neither: a construct that is not followed


@dataclass(frozen=True, kw_only=True)
class ProvenLayer:
    """A layer of the sources beside the golden one."""

    name: str
    golden: str
    kind: str
    values: int
    outcome: str
    how: str  # what was compared, over how many inputs
    reason: str | None  # why it is not proven
    channel: int | None  # the first value that differs


@dataclass(frozen=True, kw_only=True)
class Refutation:
    """An event on which the compiled project differs from the golden network.

    Parameters
    ----------
    hardware
        Its hardware integers, in the order of the features; None where codes stand in for the output of a layer.
    replaced
        By layer: those codes.
    layer
        The first layer that differs.
    before
        Events that go in before it, where it takes a state of theirs.
    in_synthesis
        Whether it differs in the branch of the sources that is synthesized alone.
    thresholds
        Codes that are loaded before, where it differs with others than the trained ones.
    """

    hardware: tuple[int, ...] | None
    replaced: dict[str, tuple[int, ...]] | None
    layer: str
    channel: int
    expected_code: int
    found_code: int
    score_differs: bool
    decision_differs: bool
    before: tuple[tuple[int, ...], ...] = ()
    thresholds: tuple[int, ...] = ()
    in_synthesis: bool = False


@dataclass(frozen=True, kw_only=True)
class ProvenPiece:
    """A piece of the Verilog, or the emulator, beside what it should be.

    Parameters
    ----------
    kind
        `logic`, a `stage`, the `registers`, a `wrapper`, or the `emulator`.
    """

    name: str
    kind: str
    outcome: str
    how: str  # what was compared, over how many inputs
    reason: str | None  # why it is not proven


@dataclass(frozen=True, kw_only=True)
class RtlRefutation:
    """An event on which the simulated Verilog puts out something else than the golden network.

    Parameters
    ----------
    found_code
        -1 where the event does not come out.
    before, behind
        Events that go in before it and behind it, where it takes them to differ.
    """

    hardware: tuple[int, ...]
    column: int  # 0 is the score, then the decisions
    expected_code: int
    found_code: int
    before: tuple[tuple[int, ...], ...] = ()
    behind: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProveResult(StageResult):
    """The written sources, the Verilog where it is traced, and the emulator against the golden network."""

    STAGE: ClassVar[str] = "prove"

    passed: bool
    input_bits: int  # there are 2**input_bits events
    weight_bits: int  # of weights that can be reloaded: any of them
    threshold_bits: int = 0  # of thresholds that can be reloaded: any of them
    paths: int
    layers: tuple[ProvenLayer, ...]
    refutation: Refutation | None
    assumptions: tuple[str, ...]
    edited_files: tuple[str, ...]
    seconds: float
    pieces: tuple[ProvenPiece, ...] = ()  # of the Verilog, where there is a trace, and of the emulator
    rtl_refutation: RtlRefutation | None = None
    not_covered: tuple[str, ...] = ()  # what nothing is said about, and why
    missing_tool: str | None = None  # what has to be installed for the Verilog

    @property
    def first_failing_piece(self) -> ProvenPiece | None:
        """The first piece that is not proven."""
        return next((piece for piece in self.pieces if piece.outcome != Proven.PROVEN.value), None)

    @property
    def first_failure(self) -> ProvenLayer | None:
        """The first layer that is not proven."""
        return next((layer for layer in self.layers if layer.outcome != Proven.PROVEN.value), None)
