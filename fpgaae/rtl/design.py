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
THREE_INPUT_ADDER = "three_input_adder"  # the module of that name
CELLS = "ultrascale_cells.v"  # models of what this is made of on UltraScale and UltraScale+
MODELS_FOLDER = "models"  # of primitives: for simulations alone
_BIT = FixedPointType(1, 1, False)


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
    latents: FixedPointType | None = None  # of each latent, where they are a port
    n_latents: int = 0

    @property
    def input_bits(self) -> int:
        """Bits of an event."""
        return sum(kind.width for kind in self.inputs)

    @property
    def results(self) -> tuple[FixedPointType, ...]:
        """Types of what comes out of an event: the score, a bit a threshold, and the latents of a port."""
        latents = () if self.latents is None else (self.latents,) * self.n_latents
        return (self.score, *(_BIT,) * self.n_thresholds, *latents)

    def result_name(self, place: int) -> str:
        """Say what one of the results is."""
        if place == 0:
            return "score"
        decision, latent = place - 1, place - 1 - self.n_thresholds
        return f"decision {decision}" if latent < 0 else f"latent {latent}"

    @property
    def output_bits(self) -> dict[str, int]:
        """Bits of each output of the block, in the order of its results."""
        bits = {"score": self.score.width, "accept": self.n_thresholds}
        return bits if self.latents is None else bits | {"latents": self.n_latents * self.latents.width}

    @property
    def result_bits(self) -> int:
        """Bits of what comes out of an event."""
        return sum(self.output_bits.values())

    def to_json(self) -> dict[str, Any]:
        """Give the content of `design.json`."""
        content = self.__dict__ | {"inputs": [str(kind) for kind in self.inputs], "score": str(self.score)}
        latents = {name: content.pop(name) for name in ("latents", "n_latents")}
        return content if self.latents is None else content | latents | {"latents": str(self.latents)}

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
            if "latents" in content:
                content["latents"] = parse_type(content["latents"])
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


def simulated_sources(project: Path) -> list[Path]:
    """Name the Verilog files of a project, and behind them the models of the primitives that they instantiate."""
    return [*verilog_sources(project), *sorted((project / MODELS_FOLDER).glob("*.v"))]


def vhdl_sources(project: Path) -> list[Path]:
    """Name the VHDL files of a project, each behind those whose entities it instantiates."""
    name = Design.load(project).name
    core, trigger = f"{name}_core", f"{name}_trigger"

    def level(source: Path) -> int:
        if source.stem in {core, trigger}:
            return 2 + (source.stem == trigger)
        return int(source.stem.startswith(core))

    return sorted((project / VHDL_FOLDER).glob("*.vhd"), key=lambda source: (level(source), source.name))
