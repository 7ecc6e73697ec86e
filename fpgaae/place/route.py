"""Synthesis for an ECP5, placement, routing and the bitstream, and what the routed timing says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae.config.place import Place
from fpgaae.errors import CheckFailed
from fpgaae.files import read_json
from fpgaae.place.programs import Programs, require_output
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.runs.results.place import CriticalPath, Used

FAMILY = "Lattice ECP5"
LOG_FILE = "place.log"
HARNESS_FILE = "harness.v"
ROUTED_FILE, BITSTREAM_FILE = "routed.json", "harness.bit"
_MAPPED_FILE, _REPORT_FILE, _CONFIGURATION_FILE = "mapped.json", "timing.json", "configuration.txt"
_PACKAGES = {"25k": "CABGA381", "45k": "CABGA554", "85k": "CABGA756"}
_LUT, _FF = "TRELLIS_COMB", "TRELLIS_FF"
OPERATION = re.compile(r"core\.stage(\d+)\.(?:op_|v)(\d+)")
_REGISTER = re.compile(r"_TRELLIS_FF_.*")

LayerOf = Callable[[int, int], str | None]  # of an operation of a stage


class Routed(NamedTuple):
    """A routed chip."""

    clock_mhz: float
    utilization: Mapping[str, Used]
    path: CriticalPath

    @property
    def lut(self) -> int:
        """LUTs taken, those of carry chains included."""
        return self.utilization[_LUT].used

    @property
    def ff(self) -> int:
        """Registers taken."""
        return self.utilization[_FF].used


def package_of(place: Place) -> str:
    """Give the package of the chip."""
    return place.package or _PACKAGES[place.device]


def route(programs: Programs, project: Path, top: str, place: Place, layer_of: LayerOf) -> Routed:
    """Place and route a written project with its harness; files and log lie in the project's Verilog folder.

    Raises
    ------
    CheckFailed
        If a program fails: the design does not fit, or a source is not Verilog that Yosys takes.
    """
    folder = project / VERILOG_FOLDER  # tables are read from the folder that Yosys runs in
    log = project.absolute() / LOG_FILE
    sources = " ".join(f.name for f in sorted(folder.glob("*.v")) if not f.stem.endswith(("_axis", "_valid")))
    script = f"read_verilog -defer {sources}; synth_ecp5 -top {top} -json {_MAPPED_FILE}"
    programs.yosys.run(["-q", "-l", "synthesis.log", "-p", script], folder, log, f"synthesizing {top}")
    require_output(folder / _MAPPED_FILE, "Yosys")
    arguments = [
        f"--{place.device}", "--package", package_of(place), "--speed", str(place.speed), "--json", _MAPPED_FILE,
        "--top", top, "--freq", f"{place.clock_mhz:g}", "--seed", str(place.seed), "--timing-allow-fail",
        "--report", _REPORT_FILE, "--write", ROUTED_FILE, "--textcfg", _CONFIGURATION_FILE,
    ]  # fmt: skip
    programs.nextpnr.run(arguments, folder, log, f"placing and routing {top} on an ECP5-{place.device}")
    for name in (ROUTED_FILE, _CONFIGURATION_FILE):
        require_output(folder / name, "nextpnr")
    programs.ecppack.run([_CONFIGURATION_FILE, BITSTREAM_FILE], folder, log, f"writing the bitstream of {top}")
    require_output(folder / BITSTREAM_FILE, "ecppack")
    return read_report(require_output(folder / _REPORT_FILE, "nextpnr"), layer_of)


def read_report(file: Path, layer_of: LayerOf) -> Routed:
    """Read nextpnr's report.

    Raises
    ------
    CheckFailed
        If it says nothing of a clock.
    """
    report = read_json(file)
    try:
        clock_mhz = min(found["achieved"] for found in report["fmax"].values())
        utilization = {name: Used(**found) for name, found in report["utilization"].items() if found["used"]}
        clocked = [path for path in report["critical_paths"] if _is_clocked(path)]
        slowest = max(clocked, key=lambda path: sum(step["delay"] for step in path["path"]))
        return Routed(round(clock_mhz, 2), utilization, _critical_path(slowest["path"], layer_of))
    except (KeyError, TypeError, ValueError):
        raise CheckFailed(f"{file} says nothing of a clock; look into {LOG_FILE}") from None


def _is_clocked(path: Mapping[str, Any]) -> bool:
    """Tell whether a path leads from a register to a register."""
    return "<async>" not in {path["from"], path["to"]}


def _critical_path(steps: list[dict[str, Any]], layer_of: LayerOf) -> CriticalPath:
    """Sum up a path, whose cells have the names of the operations that they were made of."""
    routing = sum(step["delay"] for step in steps if step["type"] == "routing")
    delay = sum(step["delay"] for step in steps)
    names = [name for step in steps for name in (step.get("net", ""), step["to"]["cell"])]
    operations = [(int(found[1]), int(found[2])) for name in names if (found := OPERATION.search(name))]
    layers = dict.fromkeys(layer for operation in operations if (layer := layer_of(*operation)) is not None)
    return CriticalPath(
        start=_REGISTER.sub("", steps[0]["from"]["cell"]),
        end=_REGISTER.sub("", steps[-1]["to"]["cell"]),
        delay_ns=round(delay, 3),
        logic_ns=round(delay - routing, 3),
        routing_ns=round(routing, 3),
        stage=operations[0][0] if operations else None,
        layers=tuple(layers),
    )
