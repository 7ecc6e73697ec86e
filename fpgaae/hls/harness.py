"""What runs a written project: the driver of the C simulation, the stand-alone testbench and the vendor's scripts.

Hand-written templates stand in `firmware/csim/` and `firmware/scripts/`; nothing here imports hls4ml.
"""

from __future__ import annotations

from pathlib import Path

from fpgaae.config.experiment import Firmware
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.hls.network_ports import load_values, read_values
from fpgaae.hls.project import (
    DRIVER,
    SUPPORT_HEADER,
    SYNTHESIS_DRIVER,
    TopFunction,
    fill_template,
    firmware_source,
    indented,
)

SCRIPTS = ("settings.tcl", "csim.tcl", "synth.tcl", "cosim.tcl")


def write_harness(project: Path, block: TriggerBlock, firmware: Firmware) -> None:
    """Write drivers, testbench and scripts into a project."""
    _write_driver(project, block)
    _write_synthesis_driver(project, block)
    _write_testbench(project, block)
    folder = project / "scripts"
    folder.mkdir(exist_ok=True)
    values = {"PROJECT": block.top.project_name, "PART": firmware.part, "CLOCK_NS": f"{firmware.clock_ns:g}"}
    for name in SCRIPTS:
        (folder / name).write_text(fill_template(f"scripts/{name}", values), encoding="utf-8")


def _write_driver(project: Path, block: TriggerBlock) -> None:
    top = block.top
    declare = "hls::stream<{0.type_name}> {1};" if top.is_stream else "{0.type_name} {1}[{0.size}];"
    values = block.values() | {
        "N_INPUTS": str(top.input.size),
        "INPUT_TYPE": top.input.type_name,
        "INPUT_DECLARATION": declare.format(top.input, "inputs"),
        "OUTPUT_DECLARATION": declare.format(top.output, "outputs"),
        "OUTPUT_LAYER": top.output.layer,
        "ACCEPT_LAYER": ACCEPT_LAYER,
        "OBJECTS": indented(block.fill_ports("codes[{feature}]"), 4),
        **load_values(top),
    }
    values["READ_SCORE"] = values["READ_SCORE"].lstrip()
    (project / DRIVER).write_text(fill_template(f"csim/{DRIVER}", values), encoding="utf-8")
    support = firmware_source(f"csim/{SUPPORT_HEADER}").read_text(encoding="utf-8")
    (project / "firmware" / SUPPORT_HEADER).write_text(support, encoding="utf-8")


def _write_synthesis_driver(project: Path, block: TriggerBlock) -> None:
    values = block.values() | {
        "N_INPUTS": str(block.top.input.size),
        "OBJECTS": indented(block.fill_ports("codes[{feature}]"), 8),
        **load_values(block.top),
        "GIVE_SCORE": _give_score(block.top),
    }
    (project / SYNTHESIS_DRIVER).write_text(fill_template(f"csim/{SYNTHESIS_DRIVER}", values), encoding="utf-8")


def _give_score(top: TopFunction) -> str:
    """Give C++ that puts a code of the score where the network puts it out."""
    if not top.is_stream:
        return "csim::load(outputs, 1, codes + event);"
    lines = (f"{top.output.type_name} pack;", "csim::load(&pack[0], 1, codes + event);", "outputs.write(pack);")
    return "\n        ".join(lines)


def _write_testbench(project: Path, block: TriggerBlock) -> None:
    """Replace the testbench that hls4ml generates, which compares nothing, by one that does."""
    values = block.values() | {
        "N_CODES": str(block.n_elements),
        "OBJECTS": indented(block.fill_ports("codes[{element}]"), 8),
        **read_values(block.top),
    }
    file = project / f"{block.top.project_name}_test.cpp"
    file.write_text(fill_template("csim/testbench.cpp", values), encoding="utf-8")
