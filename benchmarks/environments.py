"""Virtual environments that a benchmark installs into, and what that takes."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import StageFailed

_MB = 2**20
_TAIL_LINES = 15


class Taken(NamedTuple):
    """What a command took, and the disk that the environment has grown by."""

    seconds: float
    cpu_seconds: float  # of it and all that it ran
    megabytes: float


class Environment:
    """A virtual environment with pip only.

    Parameters
    ----------
    folder
        To be made.
    python
        Which interpreter it is of.
    on_top_of
        Another environment whose packages it sees, too, so that only what they lack is installed.
    """

    def __init__(self, folder: Path, python: str = sys.executable, on_top_of: Environment | None = None) -> None:
        self.folder = folder
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        if on_top_of is not None:
            (own,) = folder.glob("lib/python3*/site-packages")
            (below,) = on_top_of.folder.glob("lib/python3*/site-packages")
            (own / "below.pth").write_text(f"{below}\n", encoding="utf-8")

    def run(self, command: str, where: Path) -> Taken:
        """Run a line as in a shell in which the environment is active, with nothing else of Python's in it.

        Raises
        ------
        StageFailed
            If it exits with an error; the message holds the last lines of its output.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        kept |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(self.folder)}
        before, cpu, started = self._megabytes(), _cpu_seconds(), time.perf_counter()
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=where, env=kept, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
            raise StageFailed(f"{command} exited with {done.returncode}:\n{tail}")
        return Taken(seconds, _cpu_seconds() - cpu, self._megabytes() - before)

    def install(self, words: Sequence[str]) -> Taken:
        """Install with pip, from its cache where it has one."""
        return self.run(f"pip install --quiet --disable-pip-version-check {shlex.join(words)}", self.folder)

    def remove(self) -> None:
        """Remove it from the disk."""
        shutil.rmtree(self.folder)

    def _megabytes(self) -> float:
        """Give the disk that it takes, as `du -sm` does."""
        entries = (path.lstat() for path in self.folder.rglob("*"))
        return sum({entry.st_ino: entry.st_blocks for entry in entries}.values()) * 512 / _MB


def _cpu_seconds() -> float:
    """Give the processor time of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
