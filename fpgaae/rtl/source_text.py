"""What stands in a Verilog file that another tool may read in another way than the proofs do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# Beside these every directive (`ifdef, `define, `include ...) may give each tool another text.
_DIRECTIVE = re.compile(r"`(?!(?:timescale|default_nettype)\b)\w+")
_SWITCH = re.compile(r"\b(?:translate|synthesis)_o(?:ff|n)\b")
_COMMENT = re.compile(r"//.*")
_MODULE = re.compile(r"\b(?:module|macromodule|primitive|package)\s+(\w+)")


def read_in_two_ways(file: Path) -> str | None:
    """Say what of a file each tool may read as it likes, with its line; None: nothing.

    That is a directive or a comment that switches text off, and a module that has not the name of the file: it may
    stand in the place of another file's.
    """
    return next(_places(file), None)


def _places(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        found = _DIRECTIVE.search(_COMMENT.sub("", line)) or _SWITCH.search(line)
        if found is not None:
            yield f"{file.name}, line {number}: what a tool reads behind {found[0]} depends on the tool"
    code = "\n".join(_COMMENT.sub("", line) for line in text.splitlines())
    for name in _MODULE.findall(code):
        if name != file.stem:
            yield f"{file.name} holds the module {name}, which may stand in the place of another file's"
