"""What the source says of the fields of a class: the comment behind each."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from typing import Any


def field_comments(kind: type[Any]) -> dict[str, str]:
    """Give the comments behind the fields of a class and of its bases, by the name of the field."""
    found: dict[str, str] = {}
    for own in reversed(kind.__mro__):
        if own.__module__.startswith("fpgaae."):
            found |= _of_source(textwrap.dedent(inspect.getsource(own)))
    return found


def _of_source(source: str) -> dict[str, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
            said = [comments[line].lstrip("# ") for line in lines if line in comments]
            if said and not said[0].startswith(("noqa", "type:")):
                found[statement.target.id] = " ".join(said)
    return found


def paragraphs(docstring: str | None) -> str:
    """Give a docstring as Markdown, without its sections for the reader of the code."""
    return inspect.cleandoc(docstring or "").partition("\n\nExamples\n")[0].partition("\n\nParameters\n")[0]


def cell(text: str) -> str:
    """Give a text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")
