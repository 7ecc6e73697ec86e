"""The written project compiled over symbols, and run."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.hls.csim_library import TAIL_LINES, run_compiler
from fpgaae.hls.project import CSIM_MACRO, firmware_source
from fpgaae.prove.symbols import Trace, read_trace

_FLAGS = ("-O1", "-std=c++17", "-w", f"-D{CSIM_MACRO}")
_TIMEOUT_S = 1800
_ADDRESS_SPACE = 16 * 2**30


def run_symbolic(project: Path, project_name: str, golden: Sequence[str], folder: Path) -> Trace:
    """Compile a project over symbols, run it, and read what it printed.

    Parameters
    ----------
    golden
        A line a tap: its number, bits behind the point, number of values, smallest and largest code of each.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If the sources do not compile over symbols, or the run crashes or does not end.
    """
    folder = folder.absolute()
    types = firmware_source("proof")
    program, ranges, printed = folder / "symbolic", folder / "golden.txt", folder / "symbolic.txt"
    command = [
        str(require_compiler()), *_FLAGS, "-include", str(types / "csim_support.h"), f"-I{types}", "-I.", "-Ifirmware",
        str(types / "main.cpp"), f"firmware/{project_name}.cpp", "-o", str(program),
    ]  # fmt: skip
    code, said = run_compiler(command, project)
    if code:
        errors = [line for line in said.splitlines() if "error" in line] or said.splitlines()
        tail = "\n".join(errors[:TAIL_LINES])
        raise CheckFailed(f"{project} does not compile over symbols; the compiler says:\n{tail}")
    ranges.write_text("\n".join(golden) + "\n", encoding="utf-8")
    with printed.open("w", encoding="utf-8") as out:
        try:
            done = subprocess.run(
                [str(program), str(ranges)], stdout=out, stderr=subprocess.PIPE, text=True, errors="replace",
                check=False, timeout=_TIMEOUT_S, preexec_fn=_room,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"the symbolic run of {project} does not end within {_TIMEOUT_S} s") from None
    if done.returncode:
        last = "".join(f": {line}" for line in done.stderr.splitlines()[-1:])
        raise CheckFailed(f"the symbolic run of {project} ends with code {done.returncode}{last}; correct its sources")
    with printed.open(encoding="utf-8") as lines:
        return read_trace(lines)


def _room() -> None:
    """Give the run a stack for whole layers, and an end to its memory."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
