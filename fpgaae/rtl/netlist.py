"""The registers and wires around the stages, as Yosys reads them: from where each bit comes, and how old.

A stage is a box there. What is neither a wire, a constant nor a register at the rising edge of the one clock is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.rtl.tools import YOSYS, require_tool, run_logged

_BOX = """(* blackbox *) module {name} (input [{n_in}:0] model_inp, output [{n_out}:0] model_out); endmodule
"""
_REGISTER = "$dff"
PORTS = "objects"  # the name of what is no stage


class Place(NamedTuple):
    """A bit of the ports, or of what a stage puts out."""

    of: str  # `PORTS`, or the module of a stage
    bit: int

    def __str__(self) -> str:
        return f"bit {self.bit} of {self.of}"


class Bit(NamedTuple):
    """From where a bit comes: a place or a constant, and how many registers lie between."""

    source: Place | str
    age: int

    def __str__(self) -> str:
        if isinstance(self.source, str):
            return f"the constant {self.source}"
        return f"{self.source}, {self.age} clock{'s' * (self.age != 1)} old"


class Around(NamedTuple):
    """What the stages get, by module, and what the block puts out."""

    stages: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]  # by port


def read_around(project: Path, name: str, ports: Sequence[tuple[int, int]], build: Path) -> Around:
    """Let Yosys read what is around the stages.

    Parameters
    ----------
    name
        Of the project.
    ports
        The bits of the inputs and outputs of each stage.
    build
        A folder for what is in between.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    CheckFailed
        If it can't be read, or is more than wires and registers.
    """
    modules = [f"{name}_core_stage{index}" for index in range(len(ports))]
    return _Wires(_read(project, name, ports, build), modules).around()


def read_gates(project: Path, name: str, ports: Sequence[tuple[int, int]], build: Path) -> Mapping[str, Any]:
    """Let Yosys read what is around the stages as gates and registers of a bit, in its JSON; see `read_around`."""
    return _read(project, name, ports, build, ("opt_clean", "simplemap", "techmap", "simplemap"))


def _read(
    project: Path, name: str, ports: Sequence[tuple[int, int]], build: Path, more: Sequence[str] = ()
) -> Mapping[str, Any]:  # fmt: skip
    build.mkdir(parents=True, exist_ok=True)
    yosys = require_tool(YOSYS)
    boxes, written = build / "stages.v", build / "around.json"
    modules = [f"{name}_core_stage{index}" for index in range(len(ports))]
    boxes.write_text(
        "".join(_BOX.format(name=m, n_in=n - 1, n_out=o - 1) for m, (n, o) in zip(modules, ports, strict=True)),
        encoding="ascii",
    )
    top = f"{name}_trigger"
    sources = [(project / VERILOG_FOLDER / f"{file}.v").absolute() for file in (f"{name}_core", top)]
    script = [
        *(f'read_verilog "{file}"' for file in (boxes.absolute(), *sources)), f"hierarchy -check -top {top}",
        "proc", "flatten", "check -assert", *more,
        f'write_json "{written.absolute()}"',
    ]  # fmt: skip
    run_logged([yosys, "-q", "-p", "; ".join(script)], build, build / "around.log", f"reading {top}")
    found: Mapping[str, Any] = json.loads(written.read_text(encoding="utf-8"))["modules"][top]
    return found


class _Wires:
    """The netlist of one module, bit by bit."""

    def __init__(self, module: Mapping[str, Any], stages: Sequence[str]) -> None:
        self._ports = module["ports"]
        self._clock = self._ports["clk"]["bits"]
        self._drivers: dict[int, Place | int] = {}  # a number is the bit that a register takes
        self._boxes: dict[str, list[int | str]] = {}
        self._known: dict[int, Bit] = {}
        for bit, number in enumerate(self._ports[PORTS]["bits"]):
            self._drivers[number] = Place(PORTS, bit)
        for label, cell in module["cells"].items():
            self._add(label, cell, stages)
        missing = next((stage for stage in stages if stage not in self._boxes), None)
        if missing is not None:
            raise CheckFailed(f"{missing} stands nowhere in the block")

    def _add(self, label: str, cell: Mapping[str, Any], stages: Sequence[str]) -> None:
        kind, wires = cell["type"], cell["connections"]
        if kind in stages:
            if kind in self._boxes:
                raise CheckFailed(f"{kind} stands twice in the block")
            self._boxes[kind] = wires["model_inp"]
            for bit, number in enumerate(wires["model_out"]):
                self._drivers[number] = Place(kind, bit)
        elif kind == _REGISTER:
            if wires["CLK"] != self._clock or int(cell["parameters"]["CLK_POLARITY"], 2) != 1:
                raise CheckFailed(f"the register {label} takes no value at the rising edge of clk")
            for taken, given in zip(wires["D"], wires["Q"], strict=True):
                self._drivers[given] = taken
        else:
            raise CheckFailed(f"the block is more than stages and registers: {label} is a {kind}")

    def around(self) -> Around:
        """Follow every bit back."""
        stages = {stage: [self._follow(bit) for bit in bits] for stage, bits in self._boxes.items()}
        outputs = {
            port: [self._follow(bit) for bit in of["bits"]]
            for port, of in self._ports.items()
            if of["direction"] == "output"
        }
        return Around(stages, outputs)

    def _follow(self, bit: int | str) -> Bit:
        age, seen = 0, set()
        while isinstance(bit, int):
            driver = self._drivers.get(bit)
            if isinstance(driver, Place):
                return Bit(driver, age)
            if driver is None or bit in seen:
                raise CheckFailed(
                    "a bit of the block is driven by nothing" if driver is None else "registers in a ring"
                )
            seen.add(bit)
            bit, age = driver, age + 1
        return Bit(str(bit), age)
