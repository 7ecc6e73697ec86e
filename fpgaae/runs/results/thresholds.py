"""What `fpgaae thresholds` writes: a set of thresholds from new events, and the register writes that load it."""

from __future__ import annotations

from dataclasses import dataclass

from fpgaae.runs.results.convert import Threshold


@dataclass(frozen=True, kw_only=True)
class ThresholdFile:
    """An event file that the thresholds were chosen on."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RegisterWrite:
    """A write of 32 bits over AXI4-Lite."""

    address: str  # both in hexadecimal
    word: str


@dataclass(frozen=True, kw_only=True)
class ThresholdSet:
    """Thresholds for the block as it is deployed."""

    network: str  # hash of network, types and thresholds of the block, as its registers give it
    score_type: str
    files: tuple[ThresholdFile, ...]
    events: int
    converted: tuple[int, ...]  # the codes that are in force after a reset
    thresholds: tuple[Threshold, ...]
    writes: tuple[RegisterWrite, ...]  # in this order; the last puts the set in force between two events

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes of the score that are loaded."""
        return tuple(point.code for point in self.thresholds)
