"""The stage `synth`: the proven Verilog through Yosys for UltraScale+, and what it costs, beside what others say."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from fpgaae.errors import CheckFailed
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.rtl.design import VERILOG_FOLDER, Design, verilog_sources
from fpgaae.rtl.prediction import PUBLISHED_ERROR, Taken, predict_hls
from fpgaae.rtl.tools import YOSYS, require_tool, run_logged, version
from fpgaae.rtl.vendor import synthesize_hls, synthesize_vivado
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import ResourceEntry, SynthResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

_Found = TypeVar("_Found")
LOG_FILE = "yosys.log"
SCRIPT_FILE = "synth.ys"
MAPPED_FILE = "mapped.v"
_CELL = re.compile(r"^ +(\w+) +(\d+)$", re.MULTILINE)
_LONGEST_PATH = re.compile(r"^Longest topological path in .* \(length=(\d+)\)", re.MULTILINE)
# Kinds of cells by the resource they take; BRAM counts blocks of 36 kbit.
_LUT = re.compile(r"LUT([1-6]|6_2)")
_FLIP_FLOP = re.compile(r"FD[RSCP]E(_1)?")
_SHIFT_REGISTER = re.compile(r"SRL(16E|C32E)")  # a LUT that is a memory
_DSP = re.compile(r"DSP48E\d")
_CARRY = re.compile(r"CARRY[48]")
_BRAM = {"RAMB36E2": 1.0, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB18E1": 0.5}


class Resources(NamedTuple):
    """What a part has: AMD DS890 (UltraScale+ product tables)."""

    lut: int
    ff: int
    dsp: int
    bram: int


_PARTS = {
    "xcvu9p": Resources(1_182_240, 2_364_480, 6_840, 2_160),
    "xcvu13p": Resources(1_728_000, 3_456_000, 12_288, 2_688),
    "xcku15p": Resources(522_720, 1_045_440, 1_968, 984),
}


class Usage(NamedTuple):
    """What a design takes after synthesis."""

    lut: int
    ff: int
    dsp: int
    bram: float
    carry: int
    logic_levels: int | None  # cells on the longest path between registers


def run_synth(run: StageRun) -> SynthResult:
    """Synthesize the project that `rtl` proved, with Yosys."""
    yosys = require_tool(YOSYS)
    proven = run.result(RtlResult)
    project = run.upstream("rtl") / PROJECT_FOLDER
    started = time.perf_counter()
    with run.progress.task("Yosys", None):
        usage = synthesize(yosys, project, run.folder)
    network, firmware = IntegerNetwork.load(run.upstream("convert") / GOLDEN_FILE), run.config.firmware
    beside = _Beside()
    with run.progress.task("the vendor's tools, where installed", None):
        hls_project = run.upstream("convert") / PROJECT_FOLDER
        hls = beside.ask("HLS", lambda: synthesize_hls(hls_project, firmware, run.folder))
        vivado = beside.ask("Vivado", lambda: synthesize_vivado(project, firmware, run.folder))
    predicted = beside.ask("rule4ml", lambda: predict_hls(network, firmware))
    found = {
        "da4ml's estimate": Taken(proven.estimated.lut, proven.estimated.ff),
        "Yosys": Taken(usage.lut, usage.ff, usage.dsp, usage.bram),
        "Vivado, routed": vivado and Taken(vivado.lut, vivado.ff, vivado.dsp, vivado.bram),
        f"HLS project, rule4ml ({PUBLISHED_ERROR})": predicted,
        "HLS project, HLS": hls and Taken(hls.lut, hls.ff, hls.dsp, hls.bram),
    }
    part = run.config.firmware.part
    return SynthResult(
        tool=version(yosys),
        part=part,
        lut=usage.lut,
        ff=usage.ff,
        dsp=usage.dsp,
        bram=usage.bram,
        carry=usage.carry,
        logic_levels=usage.logic_levels,
        clock_ns=run.config.firmware.clock_ns,
        latency_cycles=proven.latency_cycles,
        comparison=tuple(_entry(name, taken, part) for name, taken in found.items() if taken is not None),
        hls=hls,
        vivado=vivado,
        seconds=round(time.perf_counter() - started, 1),
        failed=beside.failed or None,
    )


def _entry(name: str, taken: Taken, part: str) -> ResourceEntry:
    """Give a row of the comparison, with the shares of a known part in per cent."""
    resources = _PARTS.get(part.split("-", 1)[0])
    numbers = {key: number for key, number in taken._asdict().items() if number is not None}
    percent = {key: round(100 * number / getattr(resources, key), 3) for key, number in numbers.items() if resources}
    return ResourceEntry(name=name, lut=taken.lut, ff=taken.ff, dsp=taken.dsp, bram=taken.bram, percent=percent)


class _Beside:
    """The tools beside Yosys: one that fails is named, and what the others found stays."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def ask(self, tool: str, work: Callable[[], _Found | None]) -> _Found | None:
        """Give what a tool found; None where it is not installed, or failed."""
        try:
            return work()
        except CheckFailed as error:
            self.failed[tool] = str(error)
            return None


def synthesize(yosys: str, project: Path, folder: Path) -> Usage:
    """Run Yosys on a project; script and log are written into a folder.

    Raises
    ------
    CheckFailed
        If Yosys fails, or says nothing that can be read.
    """
    design = Design.load(project)
    script, log = folder.absolute() / SCRIPT_FILE, folder.absolute() / LOG_FILE
    script.write_text(_script(design, project, folder.absolute() / MAPPED_FILE), encoding="utf-8")
    said = run_logged(
        [yosys, "-s", str(script)], project / VERILOG_FOLDER, log, f"synthesizing {project}"
    )  # the tables are read from the folder that it runs in
    return parse_usage(said)


def _script(design: Design, project: Path, mapped: Path) -> str:
    """Write the steps: no DSP, since a pipeline of adders and tables is what was traced."""
    files = " ".join(source.name for source in verilog_sources(project) if source.stem != f"{design.name}_axis")
    return (
        f"read_verilog -defer {files}\n"
        f"synth_xilinx -family xcup -flatten -nodsp -noiopad -top {design.name}_valid\n"
        "stat\n"
        f'write_verilog -noattr "{mapped}"\n'
        "delete t:FD* t:SRL*\n"  # `ltp -noff` does not know the registers of a part
        "ltp\n"
    )


def parse_usage(said: str) -> Usage:
    """Read the cells of the last `stat` and the longest path from what Yosys said.

    Raises
    ------
    CheckFailed
        If there is no list of cells.
    """
    _, found, statistics = said.rpartition("Number of cells:")
    cells = {name: int(count) for name, count in _CELL.findall(statistics.split("\n\n")[0])}
    if not found or not cells:
        raise CheckFailed("Yosys printed no statistics that can be read; look into its log")
    path = _LONGEST_PATH.findall(said)

    def count(pattern: re.Pattern[str]) -> int:
        return sum(number for name, number in cells.items() if pattern.fullmatch(name))

    bram = sum(_BRAM[name] * number for name, number in cells.items() if name in _BRAM)
    return Usage(
        lut=count(_LUT) + count(_SHIFT_REGISTER),
        ff=count(_FLIP_FLOP),
        dsp=count(_DSP),
        bram=bram,
        carry=count(_CARRY),
        logic_levels=int(path[-1]) if path else None,
    )
