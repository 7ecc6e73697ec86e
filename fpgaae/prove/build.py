"""The written project compiled over symbols, and run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.hls.csim_library import TAIL_LINES, run_compiler
from fpgaae.hls.project import CSIM_MACRO, firmware_source
from fpgaae.processes import run_program
from fpgaae.prove.branches import synthesis_header
from fpgaae.prove.symbols import Trace, read_trace

_FLAGS = ("-std=c++17", "-w")
_TIMEOUT_S = 1800
# A stack for whole layers, and an end to the memory.
_IN_ITS_ROOM = 'ulimit -S -s "$(ulimit -H -s)"; ulimit -v 16777216; exec "$0" "$1" > "$2"'
_TYPES = "csim_support.h"


def prepare(folder: Path) -> Path:
    """Compile what all projects share, the arithmetic of symbols and the headers of its types, into a folder; give it.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If it does not compile.
    """
    folder = folder.absolute()
    _compile_core(folder)
    header = folder / _TYPES
    header.write_text(f'#include "{firmware_source("proof") / _TYPES}"\n', encoding="utf-8")
    flags = (*_FLAGS, "-O0", f"-D{CSIM_MACRO}", "-x", "c++-header")
    _compile(folder, *flags, str(header), "-o", f"{header}.gch")
    return folder


def run_symbolic(
    project: Path, project_name: str, golden: Sequence[str], folder: Path, prepared: Path | None = None
) -> Trace:
    """Compile a project over symbols, run it, and read what it printed.

    Parameters
    ----------
    golden
        Number of ports and, by port, the first of its slot; then a line a tap: its number, bits behind the point,
        number of values, smallest and largest code of each.
    project
        Where `as_synthesized` made it, the branch that is synthesized is what is followed.
    folder
        Of what is made.
    prepared
        What `prepare` gave; by default it is made for this project alone.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If the sources do not compile over symbols, or the run crashes or does not end.
    """
    folder = folder.absolute()
    types = firmware_source("proof")
    header = synthesis_header(project.absolute())
    synthesis = ("-include", str(header)) if header.is_file() else ()
    program, ranges, printed = folder / "symbolic", folder / "golden.txt", folder / "symbolic.txt"
    with ThreadPoolExecutor() as pool:
        core = pool.submit(_compile_core, folder) if prepared is None else None
        _compile(
            project, *_FLAGS, "-O0", f"-D{CSIM_MACRO}", "-include", str((prepared or types) / _TYPES), *synthesis,
            f"-I{types}", "-I.", "-Ifirmware", f'-DFPGAAE_PROOF_NETWORK="firmware/{project_name}.cpp"',
            "-c", str(types / "main.cpp"), "-o", str(folder / "project.o"),
        )  # fmt: skip
        if core is not None:
            core.result()
    _compile(folder, str(folder / "project.o"), str((prepared or folder) / "core.o"), "-o", str(program))
    ranges.write_text("\n".join(golden) + "\n", encoding="utf-8")
    done = run_program(
        ["sh", "-c", _IN_ITS_ROOM, str(program), str(ranges), str(printed)], f"the symbolic run of {project}",
        limit_s=_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        last = "".join(f": {line}" for line in done.stderr.splitlines()[-1:])
        raise CheckFailed(f"the symbolic run of {project} ends with code {done.returncode}{last}; correct its sources")
    with printed.open(encoding="utf-8") as lines:
        return read_trace(lines)


def _compile_core(folder: Path) -> None:
    _compile(folder, *_FLAGS, "-O2", "-c", str(firmware_source("proof") / "core.cpp"), "-o", str(folder / "core.o"))


def _compile(folder: Path, *arguments: str) -> None:
    code, said = run_compiler([str(require_compiler()), *arguments], folder)
    if code:
        errors = [line for line in said.splitlines() if "error" in line] or said.splitlines()
        tail = "\n".join(errors[:TAIL_LINES])
        raise CheckFailed(f"{folder} does not compile over symbols; the compiler says:\n{tail}")
