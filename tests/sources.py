"""The package's own modules as text, for the tests of what imports what."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from support import REPOSITORY


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted((REPOSITORY / "fpgaae").rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


@cache
def syntax_tree(module: str) -> ast.Module:
    """Give the syntax tree of a module of the package, parsed once a process."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))
