"""Other people's programs: found first, logged, and a failure shows their last lines."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fpgaae.errors import CheckFailed, ToolMissing
from fpgaae.processes import run_program

VERILATOR = "verilator"
YOSYS = "yosys"
GHDL = "ghdl"
MAKE = "make"
_PURPOSE = {
    VERILATOR: "the generated Verilog is simulated",
    YOSYS: "the generated Verilog is synthesized",
    GHDL: "the generated VHDL is simulated",
    MAKE: "the simulation is compiled",
}
_TAIL_LINES = 12


def find_tool(program: str) -> str | None:
    """Give the path of a program that may be missing."""
    return shutil.which(program)


def require_tool(program: str) -> str:
    """Give the path of a program.

    Raises
    ------
    ToolMissing
        If it is not on the PATH.
    """
    found = find_tool(program)
    if found is None:
        raise ToolMissing(
            f"{program} is not on the PATH and {_PURPOSE[program]} with it: apt-get install {program} (Debian, "
            f"Ubuntu), dnf install {program} (Fedora)"
        )
    return found


def version(program: str) -> str:
    """Give the first line that a program says about its version."""
    flag = "-V" if Path(program).name == YOSYS else "--version"
    done = run_program([program, flag], f"{program} {flag}", limit_s=60)
    return (done.stdout.strip().splitlines() or ["unknown"])[0]


def run_logged(command: Sequence[str], folder: Path, log: Path, what: str) -> str:
    """Run a program to its end, add what it says to a log, and give it.

    Raises
    ------
    CheckFailed
        If it fails, with its last lines, or does not end.
    """
    done = run_program(command, what, folder=folder, is_one_stream=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-_TAIL_LINES:])
        raise CheckFailed(
            f"{what} failed with exit code {done.returncode}; correct the sources; {log} holds all that "
            f"was said, at its end:\n{tail}"
        )
    return done.stdout
