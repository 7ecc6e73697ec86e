"""The vendor's tools, where they are installed: HLS of the HLS project, Vivado for the RTL, and their reports read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from fpgaae.config.experiment import Firmware
from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.rtl.templates import wrapper_text
from fpgaae.rtl.tools import find_tool, run_logged
from fpgaae.runs.results.synth import HlsReport, VivadoReport

HLS_LOG, VIVADO_LOG = "hls.log", "vivado.log"
_SYNTHESIS = "scripts/synth.tcl"
_HLS_COMMANDS: Mapping[str, tuple[str, ...]] = {  # by program, the newest first
    "vitis-run": ("--mode", "hls", "--tcl", _SYNTHESIS),
    "vitis_hls": ("-f", _SYNTHESIS),
    "vivado_hls": ("-f", _SYNTHESIS),
}
_VIVADO = "vivado"
_SITES = {  # what the rows of `report_utilization` are called, by family
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "dsp": ("DSPs", "DSP Slices"),
    "bram": ("Block RAM Tile",),
}
_TIMING = re.compile(r"^\s*WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)", re.MULTILINE)


def synthesize_hls(project: Path, firmware: Firmware, folder: Path) -> HlsReport | None:
    """Run HLS on a copy of the HLS project; None where no such tool is on the PATH.

    Raises
    ------
    CheckFailed
        If the tool fails or leaves no report.
    """
    program = next((name for name in _HLS_COMMANDS if find_tool(name)), None)
    if program is None:
        return None
    copy, name = folder / "hls", f"{firmware.project_name}_trigger"
    shutil.copytree(project, copy)
    command = [str(find_tool(program)), *_HLS_COMMANDS[program]]
    run_logged(command, copy, folder / HLS_LOG, f"{program} on {project}")
    return parse_csynth(_read(copy / f"{name}_prj" / "solution1" / "syn" / "report" / "csynth.xml"))


def synthesize_vivado(project: Path, firmware: Firmware, folder: Path) -> VivadoReport | None:
    """Place and route the Verilog of an RTL project; None where Vivado is not on the PATH.

    Raises
    ------
    CheckFailed
        If Vivado fails or leaves no report.
    """
    vivado = find_tool(_VIVADO)
    if vivado is None:
        return None
    output = folder.absolute() / "vivado"
    output.mkdir()
    script = output / "vivado.tcl"
    values = {"PROJECT": firmware.project_name, "PART": firmware.part, "CLOCK_NS": firmware.clock_ns}
    script.write_text(wrapper_text("vivado.tcl", values), encoding="utf-8")
    command = [
        vivado, "-mode", "batch", "-nojournal", "-nolog", "-source", str(script), "-tclargs", str(output),
    ]  # fmt: skip
    run_logged(command, project / VERILOG_FOLDER, folder / VIVADO_LOG, f"Vivado on {project}")
    used = parse_utilization(_read(output / "utilization.rpt"))
    return VivadoReport(**used, slack_ns=parse_slack(_read(output / "timing.rpt")))


def _read(report: Path) -> str:
    if not report.is_file():
        raise CheckFailed(f"{report} was not written, although the tool ended well; look into the log above its folder")
    return report.read_text(encoding="utf-8", errors="replace")


def parse_csynth(text: str) -> HlsReport:
    """Read `csynth.xml` of Vitis or Vivado HLS.

    Raises
    ------
    CheckFailed
        If a figure is missing.
    """
    try:
        root = Xml.fromstring(text)
        area, performance = "AreaEstimates/Resources", "PerformanceEstimates"
        latency = f"{performance}/SummaryOfOverallLatency"
        return HlsReport(
            lut=int(_figure(root, f"{area}/LUT")),
            ff=int(_figure(root, f"{area}/FF")),
            dsp=int(_figure(root, f"{area}/DSP", f"{area}/DSP48E")),
            bram=int(_figure(root, f"{area}/BRAM_18K")) / 2,
            clock_ns=float(_figure(root, f"{performance}/SummaryOfTimingAnalysis/EstimatedClockPeriod")),
            latency_cycles=int(_figure(root, f"{latency}/Worst-caseLatency")),
            initiation_interval=int(_figure(root, f"{latency}/PipelineInitiationInterval", f"{latency}/Interval-max")),
        )
    except (Xml.ParseError, ValueError) as error:
        raise CheckFailed(f"the report csynth.xml can't be read ({error}); look into {HLS_LOG}") from None


def _figure(root: Xml.Element, *places: str) -> str:
    found = next((text for place in places if (text := root.findtext(place)) is not None), None)
    if found is None:
        raise ValueError(f"it has no {places[0]}")
    return found.strip()


def parse_utilization(text: str) -> dict[str, Any]:
    """Read LUT, FF, DSP and BRAM from what `report_utilization` of Vivado wrote.

    Raises
    ------
    CheckFailed
        If a row is missing.
    """
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    used: dict[str, Any] = {}
    for key, names in _SITES.items():
        number = next((row[1] for row in rows if len(row) > 1 and row[0].rstrip("* ") in names), None)
        if number is None:
            raise CheckFailed(f"Vivado's utilization report has no row `{names[0]}`; look into {VIVADO_LOG}")
        used[key] = float(number) if key == "bram" else int(number)
    return used


def parse_slack(text: str) -> float:
    """Read the worst negative slack in ns from what `report_timing_summary` of Vivado wrote.

    Raises
    ------
    CheckFailed
        If there is none, as without a clock.
    """
    found = _TIMING.search(text)
    if found is None:
        raise CheckFailed(f"Vivado's timing report has no slack; look into {VIVADO_LOG}")
    return float(found[1])
