"""What all commands do alike: print results or JSON, log, and turn errors into one sentence and an exit code."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from typing import NoReturn

from rich.console import Console

from fpgaae import api
from fpgaae.cli.terminal import TerminalProgress
from fpgaae.errors import FpgaaeError, InputError
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.record import as_json

_INTERRUPTED = 130


def open_progress(as_json: bool) -> Progress:
    """Show how far the work is, but print nothing beside JSON."""
    return SilentProgress() if as_json else TerminalProgress()


def print_json(content: object) -> None:
    """Print a result and nothing else."""
    content = as_json(content) if is_dataclass(content) else content
    print_text(json.dumps(content, indent=2) + "\n")


def print_text(text: str) -> None:
    """Print a text as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        fail_output(error)


class _Console(Console):
    """Says that a pipe is read by nobody any more, where Rich and Click would exit 1: no check has failed."""

    def on_broken_pipe(self) -> None:
        """Say it and exit."""
        fail_output(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))


def open_console(columns: int = 100) -> Console:
    """Give what prints tables: as wide as the terminal, or of so many columns in a file or pipe."""
    return _Console(width=None if sys.stdout.isatty() else columns, highlight=False)


def fail(message: str, exit_code: int) -> NoReturn:
    """Say what is wrong on standard error and exit."""
    with suppress(OSError):  # of a standard error that is full or closed; the exit code still says it
        sys.stderr.write(f"fpgaae: {message}\n")
        sys.stderr.flush()
    sys.exit(exit_code)


def fail_output(error: OSError) -> NoReturn:
    """Say that standard output can't be written, and exit; what is still to be flushed goes to nowhere."""
    with suppress(OSError, ValueError):  # of a stream without a number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    fail(
        f"standard output can't be written ({error.strerror or error}); finished results stand in their folders",
        InputError.exit_code,
    )


def refuse_failure(result: object) -> None:
    """Exit 1 when a check did not pass, 3 when that is for want of a tool."""
    if (error := api.error_of(result)) is not None:
        fail(str(error), error.exit_code)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turn every expected error into one sentence and its exit code."""
    try:
        yield
    except (FpgaaeError, OSError) as error:
        fail(*sentence_of(error))
    except KeyboardInterrupt:
        fail("interrupted; the last finished results are untouched, and a training goes on where it was", _INTERRUPTED)


def sentence_of(error: FpgaaeError | OSError) -> tuple[str, int]:
    """Give the sentence and the exit code of an expected error."""
    if isinstance(error, FpgaaeError):
        return str(error), error.exit_code
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full{where}; free some space and run again, earlier results are untouched", 2
    if error.errno == errno.EFBIG:
        return f"a file may not become as large as it must{where}; raise the limit (`ulimit -f`) and run again", 2
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        return f"no permission to read or write{where or ' a file'}; correct its permissions", 2
    return f"a file can't be read or written{where}: {error.strerror or error}; correct the path", 2


def set_up_logging(verbose: bool) -> None:
    """Log warnings, or all that the tools say, on standard error."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s: %(message)s")
    for noisy in ("matplotlib", "h5py", "PIL", "absl", "tensorflow", "distributed"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
