"""The wrappers around the block by induction: no event lost, repeated, out of turn or with another one's result.

The block stands there as what it was proven to be: whatever it makes of an event comes a fixed number of clocks later.
What must hold is written in Verilog in `firmware/proof`, and Yosys proves that no clock can break what held before it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from fpgaae.hls.project import firmware_source
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.rtl.design import VERILOG_FOLDER, Design
from fpgaae.rtl.templates import filled, port_values
from fpgaae.rtl.tools import YOSYS, require_tool

PROVEN_WRAPPERS = ("valid", "axis")
_DEPTH = re.compile(r"^\s*parameter DEPTH_BITS\s*=\s*(\d+)", re.M)
_PROVEN, _NOT_PROVEN = "Induction step proven: SUCCESS!", "Reached maximum number of time steps"
_BASE_FAILED = "model found for base case: FAIL!"
_TIMEOUT_S = 600
_MOST_DEPTH_BITS = 8


class WrapperProof(NamedTuple):
    """What became of a wrapper."""

    file: str
    how: str
    failure: str | None


def prove_wrapper(project: Path, kind: str, build: Path) -> WrapperProof:
    """Prove a wrapper of a written project.

    Parameters
    ----------
    kind
        One of `PROVEN_WRAPPERS`.
    build
        A folder for what is in between; it holds what Yosys says.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    """
    build.mkdir(parents=True, exist_ok=True)
    return _Wrapper(project, Design.load(project), kind, build).proof()


class _Wrapper(NamedTuple):
    project: Path
    design: Design
    kind: str
    build: Path

    @property
    def file(self) -> Path:
        return (self.project / VERILOG_FOLDER / f"{self.design.name}_{self.kind}.v").absolute()

    def proof(self) -> WrapperProof:
        """Let Yosys prove it."""
        how = "by induction over the clocks, for any events, gaps and resets"
        if self.kind == "axis":
            how += " and any back-pressure"
        return WrapperProof(self.file.name, how, self._failure())

    def _failure(self) -> str | None:
        values = self._values()
        if isinstance(values, str):
            return values
        sources = [self.file]
        for name in ("trigger_stub.v", f"{self.kind}_properties.v"):
            text = (firmware_source("proof") / name).read_text(encoding="utf-8")
            target = self.build.absolute() / f"{self.kind}_{name}"
            target.write_text(filled(text, values), encoding="utf-8")
            sources.append(target)
        script = [
            *(f'read_verilog -sv "{source}"' for source in sources), "hierarchy -check -top properties",
            "proc; memory -nomap; memory_map; flatten; setundef -undriven -anyseq; opt_clean",
            "sat -tempinduct -prove wrong 0 -seq 0 -maxsteps 1 properties",
        ]  # fmt: skip
        command = [require_tool(YOSYS), "-p", "; ".join(script)]
        what = f"the proof of {self.file.name}"
        try:
            done = run_program(command, what, folder=self.build, limit_s=_TIMEOUT_S, is_one_stream=True)
        except ProgramHangs:
            return f"Yosys does not end within {_TIMEOUT_S} s"
        (self.build / f"{self.kind}.log").write_text(done.stdout, encoding="utf-8")
        if _PROVEN in done.stdout:
            return None
        if _BASE_FAILED in done.stdout:
            return "its properties do not hold behind a reset"
        if _NOT_PROVEN in done.stdout:
            return "its properties do not hold at every clock behind one at which they do"
        error = next((line for line in done.stdout.splitlines() if "ERROR" in line), "Yosys says nothing")
        return f"it can't be read: {error.strip()}"

    def _values(self) -> dict[str, object] | str:
        design = self.design
        values = port_values(design) | {
            "INPUT_BYTES": -(-design.input_bits // 8), "OUTPUT_BYTES": -(-design.result_bits // 8),
        }  # fmt: skip
        if self.kind != "axis":
            return values
        found = _DEPTH.search(self.file.read_text(encoding="utf-8"))
        if found is None or int(found[1]) > _MOST_DEPTH_BITS:
            return f"it has no parameter DEPTH_BITS of at most {_MOST_DEPTH_BITS}"
        places = 1 << int(found[1])
        if places < design.latency_cycles + 2:
            return f"its {places} places are too few for an event a clock, which takes {design.latency_cycles + 2}"
        names = [f"\\dut.fifo[{place}] " for place in range(places)]
        wires = (f"    (* hierconn *) wire [RESULT_BITS:0] {name};" for name in names)
        return values | {
            "DEPTH_BITS": found[1], "FIFO_WIRES": "\n".join(wires), "FIFO": ", ".join(reversed(names)),
        }  # fmt: skip
