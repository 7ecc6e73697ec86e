"""Whether a model file of someone else can be read to its end: a damaged one can hold HDF5 for ever, or crash it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_WEIGHTS_BYTES
from fpgaae.processes import ProgramHangs, run_program

_LIMIT_S = 10.0
# What is wrong with a file is said by who reads it; here it only matters that reading ends.
_PROGRAM = """
import io, resource, sys, zipfile
import h5py
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
def read(name, item):
    list(item.attrs.items())
    if isinstance(item, h5py.Dataset) and item.nbytes <= most:
        item[()]
def walk(content):
    with h5py.File(content, "r") as file:
        read("/", file)
        file.visititems(read)
try:
    if zipfile.is_zipfile(sys.argv[1]):
        with zipfile.ZipFile(sys.argv[1]) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".h5") and member.file_size <= most:
                    walk(io.BytesIO(archive.read(member)))
    else:
        walk(sys.argv[1])
except BaseException:
    pass
"""


def require_readable(file: Path) -> None:
    """Refuse a model file that can't be read to its end, tried by a process of its own.

    Raises
    ------
    InputError
        If HDF5 does not come to an end, or crashes.
    """
    command = [sys.executable, "-c", _PROGRAM, str(file), str(MODEL_WEIGHTS_BYTES)]
    try:
        done = run_program(command, "reading", limit_s=_LIMIT_S)
    except ProgramHangs:
        raise InputError(
            f"{file} is damaged: HDF5 is not done with it in {_LIMIT_S:g} s; save the model again"
        ) from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InputError(f"{file} is damaged: it crashes HDF5 ({name}); save the model again")
