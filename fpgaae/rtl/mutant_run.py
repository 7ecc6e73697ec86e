"""One mutant's simulation in a process of its own, since it may crash or never end: `python -m fpgaae.rtl.mutant_run`.

Arguments: the library, the project, the stimulus with its golden codes, and the file for the result. What is checked is
what the stage `rtl` checks of the Verilog, the events of each origin one behind the other: a few of each first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes
from fpgaae.rtl.register_check import REGISTERS_LIBRARY, RegisterStimulus, check_registers
from fpgaae.rtl.timing import Timing
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.record import as_json

FEW, ALL, WRAPPERS, PAIR = "few", "all", "wrappers", "pair"  # parts of the stimulus
REGISTERS = "registers"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What caught the mutant, and how; None of one that passes."""

    by: str | None = None
    detail: str = ""


def check(simulation: RtlSimulation, project: Path, build: Path, parts: Mapping[str, Codes]) -> Found:
    """Run the checks on a simulation.

    Parameters
    ----------
    build
        The folder of the library of the registers.
    parts
        `<part>/hardware` and `<part>/golden`; of `pair` two events of different score, where there are;
        `seed`; and of `registers` what is `given` and `seen`.
    """
    for by, said in _checks(simulation, project, build, parts):
        if said:
            return Found(by=by, detail=said)
    return Found()


def _checks(
    simulation: RtlSimulation, project: Path, build: Path, parts: Mapping[str, Codes]
) -> Iterator[tuple[str, str | None]]:
    """Give of each check what it is and what is wrong, if anything."""
    pair = parts[f"{PAIR}/hardware"]
    settling = simulation.settling_cycles(pair[0], pair[1]) if len(pair) else None
    timing = Timing()
    yield "codes", _stream(simulation, parts, FEW, timing)
    yield "timing", timing.failure(settling)
    registers = RegisterStimulus(
        parts[f"{REGISTERS}/given"].astype(np.uint8), parts[f"{REGISTERS}/seen"].astype(np.uint8)
    )
    name = simulation.design.name
    yield "registers", check_registers(build / REGISTERS_LIBRARY, name, registers).failure
    n_thresholds = simulation.design.n_thresholds
    stimulus = Stimulus(parts[f"{WRAPPERS}/hardware"], parts[f"{WRAPPERS}/golden"], n_thresholds)
    for wrapper in drive_wrappers(simulation, project, stimulus, int(parts["seed"])):
        yield "wrappers", wrapper.failure and f"{wrapper.file}: {wrapper.failure}"
    yield "codes", _stream(simulation, parts, ALL, timing)
    yield "timing", timing.failure(settling)


def _stream(simulation: RtlSimulation, parts: Mapping[str, Codes], part: str, timing: Timing) -> str | None:
    hardware, golden = parts[f"{part}/hardware"], parts[f"{part}/golden"]
    if not len(hardware):
        return None
    codes, clocks = simulation.stream(hardware)
    timing.add(len(hardware), clocks)
    wrong = np.argwhere(codes != golden[: len(codes)])
    if not len(wrong):
        return None
    event, column = wrong[0].tolist()
    what = simulation.design.result_name(column)
    return f"{what} of event {event}: expected {golden[event, column]}, found {codes[event, column]}"


def main() -> None:
    """Simulate a mutant and write what was found."""
    library, project, stimulus, result = (Path(argument) for argument in sys.argv[1:])
    with np.load(stimulus, allow_pickle=False) as content:
        parts = {name: content[name] for name in content.files}
    with RtlSimulation(library, project) as simulation:
        write_json(result, as_json(check(simulation, project, library.parent, parts)))


if __name__ == "__main__":
    main()
