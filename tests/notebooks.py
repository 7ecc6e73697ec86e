"""The notebooks of the documentation, run cell by cell; only what their first cell sets is exchanged."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import Any

import matplotlib as mpl
from pages import blocks
from support import REPOSITORY

FOLDER = REPOSITORY / "docs" / "notebooks"


def cells(name: str) -> list[str]:
    """Give the cells of a notebook that hold code."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return [content for language, content in blocks(text) if language == "python"]


def run_notebook(name: str, **settings: Any) -> str:  # noqa: ANN401
    """Run a notebook in the current folder with other settings than its first cell's; give what it prints."""
    first, *rest = cells(name)
    assert re.findall(r"^(\w+) = ", first, re.MULTILINE) == [*settings]
    exec(compile(first, name, "exec"), {})
    names: dict[str, Any] = {**settings}
    with redirect_stdout(io.StringIO()) as printed, mpl.rc_context({"backend": "agg"}):
        for cell in rest:
            exec(compile(cell, f"{name}.md", "exec"), names)
    return printed.getvalue()
