"""The netlist that nextpnr routed, as Verilog of the family's cells, and its simulation.

What nextpnr writes names only the pins of a cell that are connected: the chip pulls an open input of a LUT up, the
carry of a chain that begins is 0, and which of a slice's wide multiplexers a cell is shows in what is connected to it.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.place.harness import Harness, Pins
from fpgaae.place.programs import Program, require_output
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.verilator import OpenSimulation, compile_model, plain_folder

_COMBINATIONAL, _PIN = "TRELLIS_COMB", "TRELLIS_IO"
_PULLED_UP = ("A", "B", "C", "D")
_ONE = ["1"]
_PIN_DIRECTIONS = {"INPUT": "input", "OUTPUT": "output"}


def write_netlist(yosys: Program, routed: Path, top: str, log: Path) -> Path:
    """Write the JSON of nextpnr as Verilog beside it, with Yosys, and name the file.

    Parameters
    ----------
    top
        Name of the module.

    Raises
    ------
    CheckFailed
        If it is not what nextpnr writes, or Yosys fails.
    """
    folder, netlist = routed.parent, routed.with_suffix(".v")
    cells = folder / f"{routed.stem}_cells.json"
    cells.write_text(json.dumps({"modules": {top: _module(routed)}}), encoding="utf-8")
    script = f"read_json {cells.name}; write_verilog -noattr {netlist.name}"
    yosys.run(["-q", "-p", script], folder, log, f"writing {netlist.name}")
    cells.unlink()
    return require_output(netlist, "Yosys")


def _module(routed: Path) -> dict[str, Any]:
    """Give the module with what nextpnr leaves unsaid, and without names of nets."""
    try:
        (module,) = json.loads(routed.read_text(encoding="utf-8"))["modules"].values()
        cells = module["cells"]
        for cell in cells.values():
            if cell["type"] == _COMBINATIONAL:
                _complete(cell)
            elif cell["type"] == _PIN:
                direction = cell["parameters"]["DIR"]
                cell["type"] = f"{_PIN}_{direction}"
                cell["port_directions"]["B"] = _PIN_DIRECTIONS[direction]
        return {"ports": module["ports"], "cells": cells, "attributes": {"top": 1}}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckFailed(f"{routed} is no netlist as nextpnr writes it; run the stage `place` with --force") from None


def _complete(cell: dict[str, Any]) -> None:
    pins = cell["connections"]
    for pin in _PULLED_UP:
        cell["port_directions"][pin] = "input"
        pins[pin] = pins.get(pin) or _ONE
    cell["parameters"]["IS_Z1"] = f"{int(bool(pins.get('FXA') or pins.get('FXB'))):032b}"


def compile_netlist(netlist: Path, top: str, build: Path) -> Path:
    """Compile a routed netlist with the family's cells into a library, and name it."""
    return compile_harness(top, [firmware_rtl("ecp5_cells.v"), netlist], build)


def compile_harness(top: str, sources: Sequence[Path], build: Path) -> Path:
    """Compile a module that has the pins of the harness into a library, and name it.

    Raises
    ------
    ToolMissing
        If there is no Verilator, make or compiler.
    CheckFailed
        If the sources are not Verilog that Verilator takes.
    """
    build.mkdir(parents=True, exist_ok=True)
    with plain_folder(build) as folder:
        compiled = compile_model(top, sources, firmware_rtl("netlist_driver.cpp"), folder)
        library = build / "netlist.so"
        library.write_bytes(compiled.read_bytes())
    return library


class NetlistSimulation(OpenSimulation):
    """The compiled simulation of a netlist behind the pins of the harness."""

    def __init__(self, library: Path, harness: Harness) -> None:
        super().__init__(library, "netlist")
        self._harness = harness
        self._library.netlist_run.restype = None
        self._library.netlist_run.argtypes = (*[ctypes.c_void_p] * 4, ctypes.c_int64)

    def run(self, hardware: Codes) -> Codes:
        """Send events over the pins; give the results, (n_events, n_results)."""
        schedule = self._harness.schedule(hardware)
        outputs: Pins = np.empty(len(schedule.inputs), dtype=np.uint8)
        pointers = (schedule.inputs.ctypes.data, schedule.load.ctypes.data, outputs.ctypes.data)
        self._library.netlist_run(self._handle, *pointers, len(outputs))
        return self._harness.codes(outputs, schedule.results)
