"""One mutant's simulation in a process of its own, since it may crash or never end: `python -m fpgaae.rtl.mutant_run`.

Arguments: the library, the project, the stimulus with its golden codes, and the file for the result. What is checked is
what the stage `rtl` checks of the Verilog, the events of each origin one behind the other: a few of each first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes
from fpgaae.rtl.timing import Timing
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.record import as_json

FEW, ALL, WRAPPERS, PAIR = "few", "all", "wrappers", "pair"  # parts of the stimulus


@dataclass(frozen=True, kw_only=True)
class Found:
    """What caught the mutant, and how; None of one that passes."""

    by: str | None = None
    detail: str = ""


def check(simulation: RtlSimulation, project: Path, parts: Mapping[str, Codes]) -> Found:
    """Run the checks on a simulation.

    Parameters
    ----------
    parts
        `<part>/hardware` and `<part>/golden`; of `pair` two events of different score, where there are; and `seed`.
    """
    pair = parts[f"{PAIR}/hardware"]
    settling = simulation.settling_cycles(pair[0], pair[1]) if len(pair) else None
    timing = Timing()
    if said := _stream(simulation, parts, FEW, timing):
        return Found(by="codes", detail=said)
    if said := timing.failure(settling):
        return Found(by="timing", detail=said)
    stimulus = Stimulus(parts[f"{WRAPPERS}/hardware"], parts[f"{WRAPPERS}/golden"])
    for wrapper in drive_wrappers(simulation, project, stimulus, int(parts["seed"])):
        if wrapper.failure:
            return Found(by="wrappers", detail=f"{wrapper.file}: {wrapper.failure}")
    if said := _stream(simulation, parts, ALL, timing):
        return Found(by="codes", detail=said)
    if said := timing.failure(settling):
        return Found(by="timing", detail=said)
    return Found()


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
    what = "score" if column == 0 else f"decision {column - 1}"
    return f"{what} of event {event}: expected {golden[event, column]}, found {codes[event, column]}"


def main() -> None:
    """Simulate a mutant and write what was found."""
    library, project, stimulus, result = (Path(argument) for argument in sys.argv[1:])
    with np.load(stimulus, allow_pickle=False) as content:
        parts = {name: content[name] for name in content.files}
    with RtlSimulation(library, project) as simulation:
        write_json(result, as_json(check(simulation, project, parts)))


if __name__ == "__main__":
    main()
