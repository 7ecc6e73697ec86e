"""The pages of the documentation, and what stands in them: commands, names of files, links, cells of notebooks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted(page for page in (REPOSITORY / "docs").rglob("*.md") if not {"_build", "generated"} & {*page.parts}),
]
_FENCED = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|(?<=:\n))((?: {4}\S.*\n|\n(?= {4}\S))+)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_PROMPT = re.compile(r"^(?:(?:\.venv/bin/)?fpgaae|make|python -m benchmarks\.\w+|pip install) (?=\S)")


class Command(NamedTuple):
    """A command that a page shows."""

    page: str
    words: tuple[str, ...]
    is_whole: bool  # a line of its own; within a sentence arguments may be left out

    def __str__(self) -> str:
        """Say where it stands."""
        return f"{self.page}: {' '.join(self.words)}"


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Give the blocks of code with their language; an indented one has none."""
    for language, content in _FENCED.findall(text):
        yield language, content
    for content in _INDENTED.findall(_FENCED.sub("", text)):
        yield "", content


def inline(text: str) -> list[str]:
    """Give what stands in backquotes within sentences."""
    return [" ".join(code.split()) for code in _INLINE.findall(_FENCED.sub("", text))]


def commands(page: Path) -> Iterator[Command]:
    """Give the commands of a page."""
    text, name = page.read_text(encoding="utf-8"), str(page.relative_to(REPOSITORY))
    for language, content in blocks(text):
        if language in {"", "sh", "bash", "console"}:
            for line in content.splitlines():
                if _PROMPT.match(line.strip()):
                    yield Command(name, tuple(shlex.split(line.strip(), comments=True)), True)
    for code in inline(text):
        if _PROMPT.match(code):
            yield Command(name, tuple(shlex.split(code, comments=True)), False)
