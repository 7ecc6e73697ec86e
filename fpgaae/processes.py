"""Other programs, run to their end or to a limit of time; they and all that they started are then ended.

They end with this process, too, however it ends: a shell waits for a word from it (`_WATCH`).
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fpgaae.errors import CheckFailed

LIMIT_S = 6 * 3600  # the largest designs take Vivado some hours, a compiler minutes
_limits_s: list[float] = [LIMIT_S]  # the last one counts, in every thread
_WATCH = 'read -r ended || kill -9 "-$1"'  # the end of the pipe comes with the end of the process that holds it


class ProgramHangs(CheckFailed):
    """A program did not end within its limit."""


@contextmanager
def programs_limited(limit_s: float) -> Iterator[None]:
    """Give the programs that run meanwhile, in this process, a limit of time (`tools.limit_s` of a config)."""
    _limits_s.append(limit_s)
    try:
        yield
    finally:
        _limits_s.pop()


def run_program(  # noqa: PLR0913 - each is something that a program is given
    command: Sequence[str],
    what: str,
    *,
    folder: Path | None = None,
    limit_s: float | None = None,
    given: str | None = None,
    environment: Mapping[str, str] | None = None,
    is_one_stream: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program and give its exit code and what it said; it and its children are one process group.

    Parameters
    ----------
    what
        Begins the sentence of one that does not end, as in "compiling PROJECT".
    limit_s
        None: that of the config.
    given
        Its standard input; None: nothing.
    environment
        Variables beside those of this process.
    is_one_stream
        Whether what it says on standard error comes where it said it, in its output.

    Raises
    ------
    ProgramHangs
        If it does not end within the limit.
    """
    seconds = _limits_s[-1] if limit_s is None else limit_s
    variables = None if environment is None else {**os.environ, **environment}
    with subprocess.Popen(
        list(command), cwd=folder, env=variables, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_one_stream else subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            with _ended_with_this_process(process.pid):
                said, complained = process.communicate(given, timeout=seconds)
        except BaseException as error:  # Ctrl-C goes to this process alone
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                cure = "run it again" if limit_s is not None else "run it again, or raise `tools.limit_s` in the config"
                raise ProgramHangs(
                    f"{what} did not end within {seconds:g} s and was stopped; see what it waits for, and {cure}"
                ) from None
            raise
    return subprocess.CompletedProcess(list(command), process.returncode, said, complained)


@contextmanager
def program_beside(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Give a program that runs beside this process, and ends with the block at the latest.

    What it says on standard error is shown; its output, which must be short, is to be read when it has ended.
    """
    with subprocess.Popen(
        list(command), text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            with _ended_with_this_process(process.pid):
                yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _ended_with_this_process(group: int) -> Iterator[None]:
    """See to it that a process group is ended where this process dies meanwhile, by SIGKILL for example.

    A signal at the death of the parent (`PR_SET_PDEATHSIG`) would reach Yosys, and not the ABC that Yosys started.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "sh", str(group)], start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as watch:  # fmt: skip
        try:
            yield
        finally:
            watch.communicate(b"\n")


def become(words: list[str]) -> None:
    """Do what ends a process, as removing TensorFlow's temporary files, and run another in its place."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)
