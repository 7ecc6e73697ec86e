"""The VHDL of a written RTL project in GHDL: events in, results out, a clock each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.rtl.design import VHDL_FOLDER, Design, vhdl_sources
from fpgaae.rtl.templates import port_values, wrapper_text
from fpgaae.rtl.tools import GHDL, require_tool, run_logged

STANDARD = "--std=08"
_UNDEFINED = -(2**63)
_WITHOUT_METAVALUE_WARNINGS = "--ieee-asserts=disable"  # every signal is undefined before the first clock


class Ghdl:
    """GHDL on the VHDL of a project, in the folder from which its tables are read.

    Parameters
    ----------
    build
        A folder for what is in between; `ghdl.log` in it holds what GHDL says.

    Raises
    ------
    ToolMissing
        If there is no GHDL.
    """

    def __init__(self, project: Path, build: Path) -> None:
        self._program = require_tool(GHDL)
        self._project, self._folder = project, project.absolute() / VHDL_FOLDER
        self._options = (STANDARD, f"--workdir={build.absolute()}")
        self._log = build.absolute() / "ghdl.log"

    def analyse(self, sources: Sequence[str]) -> None:
        """Read sources, each behind those that it names.

        Raises
        ------
        CheckFailed
            If they are not VHDL that GHDL takes.
        """
        command = [self._program, "-a", *self._options, *sources]
        run_logged(command, self._folder, self._log, f"analysing the VHDL of {self._project}")

    def simulate(self, bench: str, files: Mapping[str, Path], what: str) -> None:
        """Run a bench with the files that its generics name.

        Raises
        ------
        CheckFailed
            If it does not run to its end.
        """
        generics = [f"-g{name}={file}" for name, file in files.items()]
        command = [self._program, "--elab-run", *self._options, bench, *generics, _WITHOUT_METAVALUE_WARNINGS]
        run_logged(command, self._folder, self._log, f"simulating {what}")


def simulate_vhdl(project: Path, hardware: Codes, build: Path) -> Codes:
    """Send events on consecutive clocks through the VHDL, and give what is there LATENCY clocks later.

    Parameters
    ----------
    hardware
        (n, n_features) hardware integers.
    build
        A folder for what is in between; `ghdl.log` in it holds what GHDL says.

    Returns
    -------
    (n, n_results) the score's code, one bit a threshold and the latents of a port; what is undefined is a code that
    no type has.

    Raises
    ------
    ToolMissing
        If there is no GHDL.
    CheckFailed
        If the sources are not VHDL that GHDL takes.
    """
    build, design = build.absolute(), Design.load(project)
    build.mkdir(parents=True, exist_ok=True)
    bench, events, results = (build / name for name in ("bench.vhd", "events.txt", "results.txt"))
    bench.write_text(wrapper_text("bench.vhd", port_values(design)), encoding="utf-8")
    events.write_text("".join(f"{_bits(row, design)}\n" for row in hardware.tolist()), encoding="ascii")
    ghdl = Ghdl(project, build)
    ghdl.analyse([*(str(source.absolute()) for source in vhdl_sources(project)), str(bench)])
    ghdl.simulate(f"{design.name}_bench", {"EVENTS": events, "RESULTS": results}, f"the VHDL of {project}")
    rows = [_codes(line, design) for line in results.read_text(encoding="ascii").splitlines()]
    if len(rows) != len(hardware):
        raise CheckFailed(
            f"the VHDL of {project} gave {len(rows)} results for {len(hardware)} events; see {build / 'ghdl.log'}"
        )
    return np.array(rows, dtype=np.int64).reshape(-1, len(design.results))


def _bits(codes: list[int], design: Design) -> str:
    """Write an event as bits, the first feature in the last of them."""
    words = (
        f"{code & ((1 << kind.width) - 1):0{kind.width}b}"
        for code, kind in zip(codes, design.inputs, strict=True)
        if kind.width
    )
    return "".join(reversed(list(words)))


def _codes(line: str, design: Design) -> list[int]:
    bits, codes = "".join(reversed(line.split())), []  # the first result in the last of them
    for kind in design.results:
        codes.append(_code(bits[len(bits) - kind.width :], kind))
        bits = bits[: len(bits) - kind.width]
    return codes


def _code(bits: str, kind: FixedPointType) -> int:
    if not set(bits) <= {"0", "1"}:
        return _UNDEFINED
    code = int(bits, 2)
    return code - (1 << kind.width) if code > kind.max_code else code
