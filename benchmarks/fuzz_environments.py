"""Odd surroundings for `benchmarks.fuzz`: closed and full streams, small limits, no home, narrow terminals."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.shipped import find_shipped
from fpgaae.processes import ProgramHangs, run_program

_SETTINGS = (
    "", "ulimit -n 24", "ulimit -n 40", "ulimit -f 0", "ulimit -f 8", "ulimit -s 256", "ulimit -v 1000000",
    "ulimit -c 0", "unset HOME", "export HOME=/nowhere", "export HOME=/proc", "export COLUMNS=1", "export COLUMNS=5",
    "export LINES=0", "export COLUMNS=100000", "export COLUMNS=x", "export TERM=dumb", "unset TERM",
    "export LANG=C LC_ALL=C PYTHONUTF8=0", "export PYTHONIOENCODING=ascii", "export TMPDIR=/nowhere",
    "export TMPDIR=/proc", "export PATH=", "export NO_COLOR=1", "export FORCE_COLOR=1 COLUMNS=3",
    "export OMP_NUM_THREADS=x", "export PYTHONHASHSEED=0", "umask 777", "export TZ=x/y",
    "mkdir gone; cd gone; rmdir ../gone", "trap '' PIPE", "trap '' TERM",
)  # fmt: skip
_STREAMS = (
    "", ">&-", "> /dev/full", "2> /dev/full", "2>&-", ">&- 2>&-", "<&-", "> /dev/full 2> /dev/full", "| true",
    "| head -1",
)  # fmt: skip
_COMMANDS = (
    "--version", "--help", "", "nonsense", "lint CONFIG", "lint /nowhere.yaml", "lint CONFIG --json", "configs",
    "data CONFIG --runs /proc/runs", "data CONFIG --runs /dev/null", "data MISSING --runs runs",
    "csim CONFIG --runs runs", "report CONFIG --runs runs", "references --runs runs",
    "emulate CONFIG x.h5 --output out --runs runs", "lint --nonsense",
)  # fmt: skip
_WRONG_WITHOUT_WORDS = ("2>", ">&- 2>&-")  # who closes standard error gets only the exit code


class Environment(NamedTuple):
    """One case: what a shell runs."""

    number: int
    line: str
    is_mute: bool  # nothing can be said


class Ended(NamedTuple):
    """How it ended."""

    exit_code: int
    said: str
    seconds: float
    hangs: bool


def environment_cases(n: int, seed: int) -> Iterator[Environment]:
    """Draw settings, streams and commands, each combination once at most."""
    every = list(itertools.product(_SETTINGS, _STREAMS, _COMMANDS))
    config = shlex.quote(str(find_shipped("l1_ae").file))
    for number, index in enumerate(np.random.default_rng(seed).permutation(len(every))[:n]):
        setting, stream, command = every[index]
        program = f"{shlex.quote(sys.executable)} -m fpgaae {command.replace('CONFIG', config)}"
        line = f"{setting + '; ' if setting else ''}{program} {stream}".replace("MISSING", "missing.yaml")
        yield Environment(number, line, any(part in stream for part in _WRONG_WITHOUT_WORDS))


def run_environment(case: Environment, scratch: Path, limit_s: float) -> Ended:
    """Run a case in a shell of its own."""
    folder = scratch / f"environment-{case.number}"
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join(path for path in (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")) if path)
    started = time.monotonic()
    try:
        done = run_program(
            ["bash", "-c", case.line], case.line, folder=folder, limit_s=limit_s, environment={"PYTHONPATH": paths}
        )
    except ProgramHangs:
        return Ended(-9, "", limit_s, hangs=True)
    finally:
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        folder.rmdir()
    said = f"{done.stdout}{done.stderr}" or ("mute" if case.is_mute else "")
    return Ended(
        done.returncode if done.returncode < 128 else 128 - done.returncode, said, time.monotonic() - started, False
    )
