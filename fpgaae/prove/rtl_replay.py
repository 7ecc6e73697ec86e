"""Events run through the simulated Verilog, in a process of its own: `python -m fpgaae.prove.rtl_replay`.

Arguments: the library, the project, what goes in, and the file for what was found.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.prove import RtlRefutation

_TIMEOUT_S = 300
_WRAPPER_EVENTS = 1000
_RARE, _TURNS = 20, 16  # what fewer than one event in so many does; how often such events go through a wrapper at least
_FEW_AROUND = ((0, 0), (1, 0), (0, 1), (1, 1), (3, 3))  # events that are tried before and behind one that differs


class ReplayCrashes(CheckFailed):
    """The simulated Verilog can't be built, or ends by a signal."""


@dataclass(frozen=True, kw_only=True)
class WrapperFault:
    """What a wrapper does wrong."""

    file: str
    failure: str


@dataclass(frozen=True, kw_only=True)
class RtlFound:
    """What differs: an event of the block, and what its wrappers do."""

    event: RtlRefutation | None
    wrappers: tuple[WrapperFault, ...]


def replay(library: Path, project: Path, hardware: Codes, golden: Codes, seed: int, folder: Path) -> RtlFound:
    """Run events through the block, then drive its wrappers with them.

    Parameters
    ----------
    golden
        The results (n, n_results).
    folder
        Of what goes in and comes out.

    Raises
    ------
    ReplayCrashes
        If the simulation crashes.
    CheckFailed
        If it does not end, or gives nothing.
    """
    into, out = folder / "given.npz", folder / "found.json"
    out.unlink(missing_ok=True)
    np.savez(into, hardware=hardware, golden=golden, seed=np.array(seed))
    command = [sys.executable, "-m", "fpgaae.prove.rtl_replay", str(library), str(project), str(into), str(out)]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = run_program(command, "an event of a refutation", limit_s=_TIMEOUT_S, environment=single)
    except ProgramHangs:
        raise CheckFailed(f"the simulated Verilog does not end within {_TIMEOUT_S} s") from None
    if done.returncode < 0:
        raise ReplayCrashes(f"the simulated Verilog crashes ({signal.Signals(-done.returncode).name})")
    if done.returncode or not out.is_file():
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise CheckFailed(last.removeprefix("fpgaae.errors.CheckFailed: "))
    return read_record(RtlFound, out, "look into `fpgaae.prove.rtl_replay`")


def _first_difference(library: Path, project: Path, hardware: Codes, golden: Codes) -> RtlRefutation | None:
    """Find an event that differs, and how few others have to be around it."""
    row = _differs(library, project, hardware, golden)
    if row is None:
        return None
    for before, behind in (*_FEW_AROUND, (row[0], len(hardware))):
        part = hardware[max(row[0] - before, 0) : row[0] + 1 + behind]
        right = golden[max(row[0] - before, 0) : row[0] + 1 + behind]
        if (found := _differs(library, project, part, right)) is not None:
            event, column, code = found
            return RtlRefutation(
                hardware=tuple(map(int, part[event])),
                column=column,
                expected_code=int(right[event, column]),
                found_code=code,
                before=_rows(part[:event]),
                behind=_rows(part[event + 1 :]),
            )
    raise CheckFailed("an event differs in one run of the simulated Verilog and not in another")


def _rows(events: Codes) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, event)) for event in events)


def _differs(library: Path, project: Path, hardware: Codes, golden: Codes) -> tuple[int, int, int] | None:
    """Give the first event, column and code that differ; an event that does not come out differs in its score."""
    with RtlSimulation(library, project) as simulation:
        codes = simulation.stream(hardware).codes
    wrong = np.argwhere(codes != golden[: len(codes)])
    if len(wrong):
        event, column = wrong[0].tolist()
        return event, column, int(codes[event, column])
    return None if len(codes) == len(golden) else (len(codes), 0, -1)


def wrapper_events(golden: Codes, types: Sequence[FixedPointType], n: int = _WRAPPER_EVENTS) -> Codes:
    """Choose events for the wrappers: from all over, and for each bit of a result enough in which it is 0, and 1.

    Parameters
    ----------
    golden
        The results (n_events, n_results).
    types
        Their types.

    Returns
    -------
    Their numbers, some of them several times.
    """
    columns = zip(golden.T, types, strict=True)
    bits = np.concatenate([codes[:, None] >> np.arange(kind.width) & 1 for codes, kind in columns], axis=1)
    spread = np.unique(np.linspace(0, len(golden) - 1, n).astype(np.int64))
    chosen = [spread]
    for column in bits.T:
        for value in (0, 1):
            own = np.flatnonzero(column == value)
            if len(own) and (column[spread] == value).sum() * _RARE < len(spread):
                chosen.append(np.resize(own[:_TURNS], _TURNS))
    return np.concatenate(chosen)


def _found(library: Path, project: Path, given: Mapping[str, Codes]) -> RtlFound:
    hardware, golden = given["hardware"], given["golden"]
    event = _first_difference(library, project, hardware, golden)
    with RtlSimulation(library, project) as simulation:
        design = simulation.design
        few = wrapper_events(golden, design.results)
        stimulus = Stimulus(hardware[few], golden[few], design.n_thresholds)
        drives = drive_wrappers(simulation, project, stimulus, int(given["seed"]))
    faults = tuple(WrapperFault(file=drive.file, failure=drive.failure) for drive in drives if drive.failure)
    return RtlFound(event=event, wrappers=faults)


def main() -> None:
    """Run what is given, and write what was found."""
    library, project, into, out = (Path(argument) for argument in sys.argv[1:5])
    with np.load(into, allow_pickle=False) as content:
        given = {name: content[name] for name in content.files}
    write_json(out, as_json(_found(library, project, given)))


if __name__ == "__main__":
    main()
