"""Mutated inputs through the command line: `python -m benchmarks.fuzz --configs 20000 --events 2000 --models 2000`.

Each case follows from the seed, its kind and its number alone (`--only models:17`). It runs in a forked process with a
limit of time; counted are tracebacks, faults (exit code 4), crashes, hangs, errors without a word, and canaries: files
that code in an input would make. What fails is kept with all that was said.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.fuzz_environments import environment_cases, run_environment
from benchmarks.fuzz_inputs import KINDS, SOUND, Maker
from benchmarks.fuzz_mutations import CANARY
from fpgaae.cli import commands, net

ENVIRONMENTS = "environments"
_BATCH = 200  # cases of one process
_GRACE_S = 5.0  # beside the limit of a case: its folder is made and removed
_TRACEBACK = "Traceback (most recent call last)"
_MEBIBYTE = 2**20


class Outcome(NamedTuple):
    """What became of a case."""

    number: int
    exit_code: int  # below zero: the signal that ended it
    seconds: float
    peak_bytes: int
    wrong: str  # of _WRONG, or nothing


@dataclass
class Tally:
    """The cases of a kind."""

    cases: int = 0
    exit_codes: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    peak_mib: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        self.cases += 1
        self.exit_codes[outcome.exit_code] += 1
        self.longest_s = max(self.longest_s, round(outcome.seconds, 2))
        self.peak_mib = max(self.peak_mib, outcome.peak_bytes // _MEBIBYTE)
        if outcome.wrong:
            self.wrong[outcome.wrong] += 1


class Limits(NamedTuple):
    """Of one case."""

    seconds: float
    peak_bytes: int


def judge(exit_code: int, said: str, peak_bytes: int, limits: Limits, *, has_canary: bool) -> str:
    """Say what is wrong with how a command ended: nothing, or one word."""
    if has_canary:
        return "canary"
    if exit_code < 0:
        return "crash"
    if _TRACEBACK in said or exit_code == net.FAULT:
        return "traceback"
    if exit_code and not said.strip():
        return "silent"
    return "memory" if peak_bytes > limits.peak_bytes else ""


def run_kind(kind: str, numbers: Sequence[int], seed: int, scratch: Path, limits: Limits) -> Iterator[Outcome]:
    """Run cases of a kind, each in a process that is replaced after some, and where one ends it."""
    waiting = list(numbers)
    while waiting:
        batch = waiting[:_BATCH]
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            os.setsid()
            with suppress(BaseException), os.fdopen(write, "w") as pipe:
                _work(kind, batch, seed, scratch, limits, pipe)
            os._exit(0)
        os.close(write)
        done = 0
        with os.fdopen(read) as pipe:
            while done < len(batch) and (line := _line(pipe, limits.seconds)):
                yield Outcome(*json.loads(line))
                done += 1
            hangs = done < len(batch) and line is None
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        status = _ended(child)
        if done < len(batch):
            yield Outcome(
                batch[done], -signal.SIGKILL if hangs else status, limits.seconds, 0, "hang" if hangs else "crash"
            )
            done += 1
        waiting = waiting[done:]


def _line(pipe: IO[str], seconds: float) -> str | None:
    """Give the next line of a worker: an empty one if it has ended, None if it says nothing in time."""
    if not select.select([pipe], [], [], seconds + _GRACE_S)[0]:
        return None
    return pipe.readline()


def _ended(child: int) -> int:
    try:
        status = os.waitpid(child, 0)[1]
    except ChildProcessError:  # it was waited for
        return -signal.SIGKILL
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _work(kind: str, numbers: Sequence[int], seed: int, scratch: Path, limits: Limits, pipe: IO[str]) -> None:
    for number in numbers:
        outcome = run_case(kind, KINDS[kind], number, seed, scratch, limits)
        pipe.write(f"{json.dumps(outcome)}\n")
        pipe.flush()


def run_case(kind: str, maker: Maker, number: int, seed: int, scratch: Path, limits: Limits) -> Outcome:
    """Make a case in a folder of its own and run its command in this process; a sound one's folder is removed."""
    folder = scratch / f"{kind}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind), number])
    try:
        arguments = maker(rng, folder)
    except Exception as error:  # noqa: BLE001 - a fault of the maker, to be told from those of the package
        (folder / "said.txt").write_text(f"the maker: {error!r}", encoding="utf-8")
        return Outcome(number, 0, 0.0, 0, "not made")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    started = time.monotonic()
    with (folder / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
        exit_code = _run_command(arguments, said.fileno())
        seconds = time.monotonic() - started
        said.seek(0)
        text = said.read()
    peak = _peak_bytes()
    canaries = list(folder.rglob(CANARY))
    wrong = judge(exit_code, text, peak, limits, has_canary=bool(canaries))
    wrong = wrong or ("hang" if seconds > limits.seconds else "")
    os.chdir(scratch)
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(number, exit_code, seconds, peak, wrong)


def _run_command(arguments: Sequence[str], said: int) -> int:
    """Run the command line with both streams in one file."""
    for stream in (1, 2):
        os.dup2(said, stream)
    sys.stdout, sys.stderr = (open(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))  # noqa: SIM115
    sys.argv = ["fpgaae", *arguments]
    try:
        commands.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def run(counts: dict[str, int], seed: int, keep: Path, limits: Limits) -> dict[str, Tally]:
    """Run so many cases of each kind; failing ones stay in `keep`."""
    keep.mkdir(parents=True, exist_ok=True)
    scratch = keep.resolve()
    tallies = {kind: Tally() for kind, count in counts.items() if count}
    for kind, tally in tallies.items():
        if kind == ENVIRONMENTS:
            for case in environment_cases(counts[kind], seed):
                ended = run_environment(case, scratch, limits.seconds)
                wrong = judge(ended.exit_code, ended.said, 0, limits, has_canary=False) if not ended.hangs else "hang"
                if wrong:
                    (scratch / f"{kind}-{case.number}.txt").write_text(f"{case}\n{ended.said}", encoding="utf-8")
                tally.add(Outcome(case.number, ended.exit_code, ended.seconds, 0, wrong))
            continue
        if kind == "events":
            _take_sound_files(seed, scratch, limits)
        for outcome in run_kind(kind, range(counts[kind]), seed, scratch, limits):
            tally.add(outcome)
    return tallies


def _take_sound_files(seed: int, scratch: Path, limits: Limits) -> None:
    """Read each format once as it should be: what is refused anyway shows nothing; imports what all cases need."""
    for form, maker in SOUND.items():
        streams = [os.dup(stream) for stream in (1, 2)]
        outcome = run_case("events", maker, 0, seed, scratch, limits)
        for stream, kept in enumerate(streams, start=1):
            os.dup2(kept, stream)
            os.close(kept)
        if outcome.exit_code:
            raise RuntimeError(f"the unchanged file of the format {form} is refused; `--only events:0` shows how")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; exit code 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    for kind in (*KINDS, ENVIRONMENTS):
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="KIND:NUMBER", help="run one case in this process, and keep it")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="folder of the cases that failed")
    parser.add_argument("--limit-s", type=float, default=20.0)
    parser.add_argument("--limit-mib", type=int, default=2048)
    given = parser.parse_args(arguments)
    limits = Limits(given.limit_s, given.limit_mib * _MEBIBYTE)
    if given.only:
        kind, number = given.only.split(":")
        given.keep.mkdir(parents=True, exist_ok=True)
        for outcome in run_kind(kind, [int(number)], given.seed, given.keep.resolve(), limits):
            sys.stdout.write(f"{outcome}\n")
        return 0
    counts = {kind: getattr(given, kind) for kind in (*KINDS, ENVIRONMENTS)}
    tallies = run(counts, given.seed, given.keep, limits)
    sys.stdout.write(json.dumps({kind: vars(tally) for kind, tally in tallies.items()}, indent=2) + "\n")
    return int(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
