"""The last net of the command line: what nothing else has said becomes one sentence, never a traceback.

Exit code 2 says that the machine ran out of something, 4 that fpgaae itself is at fault; a file then has the traceback.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fpgaae.cli.output import fail, fail_output
from fpgaae.errors import InputError

FAULT = 4  # exit code of a fault of fpgaae itself


@contextmanager
def last_net() -> Iterator[None]:
    """Run the command line; the streams may be closed, full, or of an encoding that has not every character.

    Who ends it politely (SIGTERM: a batch system, `kill`) interrupts it, so that what it started and half wrote goes.
    """
    _open_streams()
    with suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except MemoryError:
        fail("the memory of this machine is used up; give fewer or smaller files, or more memory", InputError.exit_code)
    except OSError as error:
        fail_output(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said, and kept in a file
        fail(_fault(error), FAULT)


def _open_streams() -> None:
    """Give a closed stream a place to write to, and let one of few characters replace the others."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fault(error: Exception) -> str:
    said = " ".join(str(error).split())[:200]
    what = f"a fault of fpgaae, not of yours ({type(error).__name__}{': ' if said else ''}{said})"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="fpgaae-fault-", suffix=".txt", encoding="utf-8", errors="backslashreplace", delete=False
        ) as file:
            file.write(f"fpgaae {' '.join(sys.argv[1:])}\n\n{traceback.format_exc()}")
    except OSError:
        return f"{what}; please report it with the command"
    return f"{what}; please report it with {file.name}, which holds the traceback"
