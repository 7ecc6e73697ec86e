"""What must be known of a written RTL project to simulate and synthesize it: its `design.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpgaae.errors import InputError
from fpgaae.files import read_json
from fpgaae.fixedpoint import FixedPointType, parse_type

DESIGN_FILE = "design.json"
LOGIC_FILE = "logic.json"  # the traced logic as da4ml saves it, for its interpreter
PIPELINE_FILE = "pipeline.json"  # the same in its stages
VERILOG_FOLDER, VHDL_FOLDER = "verilog", "vhdl"


@dataclass(frozen=True)
class Design:
    """Ports and pipeline of a trigger block."""

    name: str
    inputs: tuple[FixedPointType, ...]  # a hardware integer each
    score: FixedPointType
    n_thresholds: int
    stages: int
    latency_cycles: int  # as designed; the simulation measures it
    estimated_lut: int
    estimated_ff: int

    @property
    def input_bits(self) -> int:
        """Bits of an event."""
        return sum(kind.width for kind in self.inputs)

    def to_json(self) -> dict[str, Any]:
        """Give the content of `design.json`."""
        return self.__dict__ | {"inputs": [str(kind) for kind in self.inputs], "score": str(self.score)}

    @classmethod
    def load(cls, project: Path) -> Design:
        """Read what `to_json` gave.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        content = read_json(project / DESIGN_FILE)
        try:
            content["inputs"] = tuple(_read_input(text) for text in content["inputs"])
            content["score"] = parse_type(content["score"])
            return cls(**content)
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"{project / DESIGN_FILE} does not describe a design; run the stage `trace` with --force"
            ) from None


def _read_input(text: str) -> FixedPointType:
    return FixedPointType(0, 0, "u" not in text) if text.endswith("<0,0>") else parse_type(text)


def verilog_sources(project: Path) -> list[Path]:
    """Name the Verilog files of a project, in a fixed order."""
    return sorted((project / VERILOG_FOLDER).glob("*.v"))


def vhdl_sources(project: Path) -> list[Path]:
    """Name the VHDL files of a project, each behind those whose entities it instantiates."""
    name = Design.load(project).name
    core, trigger = f"{name}_core", f"{name}_trigger"

    def level(source: Path) -> int:
        if source.stem in {core, trigger}:
            return 2 + (source.stem == trigger)
        return int(source.stem.startswith(core))

    return sorted((project / VHDL_FOLDER).glob("*.vhd"), key=lambda source: (level(source), source.name))
