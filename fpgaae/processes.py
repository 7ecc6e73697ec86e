"""Other programs, run to their end or to a limit of time; they and all that they started are then ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fpgaae.errors import CheckFailed

LIMIT_S = 6 * 3600  # the largest designs take Vivado some hours, a compiler minutes


class ProgramHangs(CheckFailed):
    """A program did not end within its limit."""


def run_program(
    command: Sequence[str],
    what: str,
    *,
    folder: Path | None = None,
    limit_s: float = LIMIT_S,
    given: str | None = None,
    is_one_stream: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program and give its exit code and what it said; it and its children are one process group.

    Parameters
    ----------
    what
        Begins the sentence of one that does not end, as in "compiling PROJECT".
    given
        Its standard input; None: nothing.
    is_one_stream
        Whether what it says on standard error comes where it said it, in its output.

    Raises
    ------
    ProgramHangs
        If it does not end within the limit.
    """
    with subprocess.Popen(
        list(command), cwd=folder, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_one_stream else subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            said, complained = process.communicate(given, timeout=limit_s)
        except BaseException as error:  # Ctrl-C goes to this process alone
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ProgramHangs(
                    f"{what} did not end within {limit_s:g} s and was stopped; see what it waits for, and run it again"
                ) from None
            raise
    return subprocess.CompletedProcess(list(command), process.returncode, said, complained)
