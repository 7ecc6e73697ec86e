"""The files of a traced project, and what of them can be damaged."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import numpy as np

from fpgaae.hls.mutant import Maker, Mutant, pick
from fpgaae.rtl.design import VERILOG_FOLDER, VHDL_FOLDER


class Damage(str, Enum):
    """What is damaged."""

    RESET = "reset"
    VALID = "valid logic"
    BACK_PRESSURE = "back-pressure"
    FIFO = "results that wait"
    TLAST = "tlast"
    STREAM_BITS = "bits of a stream"
    REGISTER = "register of a stage"
    STATE = "state between events"
    EXCHANGED_OBJECTS = "exchanged objects"
    ACCEPT_ORDER = "order of the accept bits"
    SCORE_BITS = "bits of the score"
    LATENTS = "bits of the latents"
    SIGN = "sign of an operand"
    WIDTH = "a bit narrower"
    SHIFT = "shift of an operand"
    OPERATION = "sum and difference"
    OPERANDS = "exchanged operands"
    SLICE = "bits of a value"
    RECTIFIED = "rectification or saturation"
    CONSTANT = "constant, threshold or half"
    WIRING = "exchanged results of a stage"
    MODULE = "module of an operation"
    TABLE = "table"
    VHDL_REGISTER = "register of a stage (VHDL)"
    VHDL_STATE = "state between events (VHDL)"
    VHDL_OBJECTS = "exchanged objects (VHDL)"
    VHDL_ACCEPT = "order of the accept bits (VHDL)"
    VHDL_LATENTS = "bits of the latents (VHDL)"
    VHDL_OPERATION = "operation of a stage (VHDL)"
    VHDL_CONSTANT = "constant, threshold or half (VHDL)"
    VHDL_MODULE = "module of an operation (VHDL)"
    VHDL_TABLE = "table (VHDL)"


class RtlSources:
    """The damageable files of a traced project."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._files = tuple(
            str(file.relative_to(project))
            for folder, ending in ((VERILOG_FOLDER, "v"), (VHDL_FOLDER, "vhd"))
            for file in sorted((project / folder).glob(f"*.{ending}"))
        )
        self._stages = "".join(self.text(file) for file in self._files if "_core_stage" in file)

    def files(self) -> tuple[str, ...]:
        """Name the Verilog and VHDL files."""
        return self._files

    def puts_out_latents(self) -> bool:
        """Tell whether the block has a port of its latents."""
        return any("latents" in self.text(file) for file in self._files if file.endswith("_trigger.v"))

    def tables(self, folder: str) -> list[str]:
        """Name the tables of one language."""
        return [str(file.relative_to(self.project)) for file in sorted((self.project / folder).glob("*.mem"))]

    def text(self, file: str) -> str:
        """Read a source."""
        return (self.project / file).read_text(encoding="utf-8")

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether a module is instantiated."""
        del place
        module = Path(file).stem
        return module.startswith(tuple(self._project_modules())) or module in self._stages

    def _project_modules(self) -> list[str]:
        return [Path(file).stem.removesuffix("_core") for file in self._files if file.endswith("_core.v")]


def two_exchanged(damage: Enum, files: str, pattern: str) -> Maker[RtlSources]:
    """Exchange what the group `x` of two matches holds, where the group `n` is the same."""

    def make(sources: RtlSources, rng: np.random.Generator) -> Mutant | None:
        chosen = [file for file in sources.files() if Path(file).match(files)]
        file = chosen[pick(rng, chosen)]
        text = sources.text(file)
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if not found:
            return None
        a = found[pick(rng, found)]
        others = [match for match in found if match["n"] == a["n"] and match["x"] != a["x"]]
        if not others:
            return None
        b = others[pick(rng, others)]
        a, b = sorted((a, b), key=lambda match: match.start())
        edited = text[: a.start("x")] + b["x"] + text[a.end("x") : b.start("x")] + a["x"] + text[b.end("x") :]
        return Mutant(damage, file, f"{file}: {a['x']} and {b['x']} are exchanged", {file: edited})

    return make


def table_lines(damage: Enum, folder: str) -> Maker[RtlSources]:
    """Leave out a line of a table, change or exchange some, begin with another, or leave nothing."""

    def make(sources: RtlSources, rng: np.random.Generator) -> Mutant | None:
        if not (files := sources.tables(folder)):
            return None
        file = files[pick(rng, files)]
        lines = sources.text(file).splitlines()
        new, place, how = list(lines), int(rng.integers(1, len(lines))), int(rng.integers(5))
        if how == 0:
            del new[place:]
        elif how == 1:
            new = new[place:] + new[:place]
        elif how == 2:
            new[place - 1], new[place] = new[place], new[place - 1]
        elif how == 3:
            new[place] = f"{int(new[place], 16) ^ 1:0{len(new[place])}X}"
        else:
            new.append(new[place])
        what = f"line {place} and those behind it are left out", f"it begins with line {place}"
        more = f"lines {place - 1} and {place} are exchanged", f"line {place} is another", f"line {place} stands twice"
        if new == lines:
            return None
        text = "".join(f"{line}\n" for line in new)
        return Mutant(damage, file, f"{file}: {(*what, *more)[how]}", {file: text})

    return make
