"""Damaged bytes: whatever a reader of a format raises becomes one sentence."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from fpgaae.errors import InputError

_LONGEST_LINE = 200
_DAMAGE = (  # what h5py, zipfile and NumPy's header parser raise for damaged bytes
    OSError, EOFError, ArithmeticError, ValueError, LookupError, TypeError, RuntimeError, SyntaxError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError,
)  # fmt: skip


@contextmanager
def damage_named(file: object, where: str = "") -> Iterator[None]:
    """Say that a file is damaged where its reader stumbles.

    Raises
    ------
    InputError
        Whose message names the file, and what the reader said.
    """
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"{file} is damaged{where} ({_line(error)}); copy it again") from None


def _line(error: Exception) -> str:
    """Give what a reader said, on one line, and no more of it than a line."""
    return " ".join(str(error).split())[:_LONGEST_LINE] or type(error).__name__
