"""What `--mutate` writes, `mutants.json` of each target: the proof that its check sees damage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ProofTarget(str, Enum):
    """What is damaged to try the proofs."""

    HLS = "hls"
    VERILOG = "verilog"
    EMULATOR = "emulator"


@dataclass(frozen=True, kw_only=True)
class JudgedMutant:
    """A damaged project, and what became of it."""

    damage: str
    layer: str  # of a target that checks no layers, the file
    description: str
    outcome: str
    by: str
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MutantEntry(JudgedMutant):
    """A damaged project that a check was tried on: "caught", "equivalent" or "missed"."""

    named_layer: str | None
    attributed: bool | None  # whether the named layer is the damaged one or one behind it; None where none is named


@dataclass(frozen=True, kw_only=True)
class NotMade:
    """A kind of damage that this project has no mutant of, and why."""

    damage: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class MutantsResult:
    """What became of the mutants of a target."""

    total: int
    caught: int
    equivalent: int
    missed: int
    misattributed: int
    seed: int
    seconds: float
    mutants: tuple[MutantEntry, ...]
    passed: bool
    not_made: tuple[NotMade, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CsimMutantsResult(MutantsResult):
    """The content of `csim/mutants.json`."""

    csim_fingerprint: str


@dataclass(frozen=True, kw_only=True)
class RtlMutantsResult(MutantsResult):
    """The content of `rtl/mutants.json`."""

    rtl_fingerprint: str


@dataclass(frozen=True, kw_only=True)
class EmulatorMutantsResult(MutantsResult):
    """The content of `emulator_mutants.json` in the run folder."""

    convert_fingerprint: str


@dataclass(frozen=True, kw_only=True)
class ProvenMutant(JudgedMutant):
    """A damaged project that `prove` alone judged.

    "refuted" (and replayed), "proven" (to compute the same), "open", or "wrong": simulation says otherwise. What
    decided is an event, codes in the place of layers, the compiler, or a proof.
    """


@dataclass(frozen=True, kw_only=True)
class ProveMutantsResult:
    """The content of `prove/mutants_<target>.json`."""

    target: str
    total: int
    refuted: int
    proven: int
    open: int
    wrong: int
    seed: int
    seconds: float
    mutants: tuple[ProvenMutant, ...]
    passed: bool
    fingerprint: str  # of the stage that wrote what is damaged
    not_made: tuple[NotMade, ...] = ()
