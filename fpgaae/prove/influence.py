"""Which layers an edited source can give other branches: those whose code includes it, or that it may redefine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fpgaae.hls.project import SUPPORT_HEADER
from fpgaae.prove.branches import is_data

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
_GUARD = re.compile(r"^\s*#\s*ifndef (\w+)\n\s*#\s*define \1$", re.M)
_COMMENT = re.compile(r"^\s*//.*$", re.M)
# What may give another meaning to code that does not name it.
_REACHES_OUT = re.compile(r"^\s*#\s*(?:define|undef)\b|\boperator\b|\btemplate\s*<\s*>", re.M)
# What a function that calls layers one behind the other does not hold; loops over an array branch on no value.
_BRANCHES = re.compile(
    r"\b(?:if|while|do|switch|goto|operator|template|for(?!\s*\([^;()]*:[^;()]*\)))\b|\?|&&|\|\||\[[&=]?\]"
)
_DEFINED = re.compile(r"\b(\w+)\([^;{}]*\)(?: const)? \{")
_CONDITIONAL = re.compile(r"^\s*#.*$", re.M)


def may_branch(project: Path, project_name: str, file: str, layer: str) -> bool:
    """Tell whether an edit of a source may let what one value of a layer branches on decide about another value.

    Parameters
    ----------
    file
        Relative to the project.
    layer
        The name of a recorded layer.
    """
    top, trigger = f"firmware/{project_name}.cpp", f"firmware/{project_name}_trigger.cpp"
    if not file.startswith("firmware/") or Path(file).name == SUPPORT_HEADER or is_data(project, file):
        return False
    text = _read(project, file)
    kernel = re.search(rf"\bnnet::(\w+)<[^;]*; // {layer}$", _read(project, top), re.M)
    if kernel is None:  # it stands around the network
        return file in _closure(project, trigger) or file == trigger or _reaches_out(text)
    if file == top:
        return _BRANCHES.search(_CONDITIONAL.sub("", text)) is not None
    if _reaches_out(text):
        return True
    if file not in _closure(project, top):
        return False
    named = re.compile(rf"\b{kernel[1]}\b")
    users = [own for own in _closure(project, top) if named.search(_read(project, own))]
    code = {name for own in users for name in (own, *_closure(project, own))}
    given = set(_DEFINED.findall(text)) - {"for"}
    return file in code or any(re.search(rf"\b{name}\b", _read(project, own)) for name in given for own in code)


def _reaches_out(text: str) -> bool:
    return _REACHES_OUT.search(_GUARD.sub("", text)) is not None


def _read(project: Path, file: str) -> str:
    source = project / file
    return _COMMENT.sub("", source.read_text(encoding="utf-8")) if source.is_file() else ""


def _closure(project: Path, file: str) -> set[str]:
    """Give the project's files that one includes, and those that they include."""
    found: set[str] = set()
    waiting = [file]
    while waiting:
        for included in _included(project, waiting.pop()):
            if included not in found:
                found.add(included)
                waiting.append(included)
    return found


def _included(project: Path, file: str) -> Iterator[str]:
    for name in _INCLUDE.findall(_read(project, file)):
        for folder in ((project / file).parent, project / "firmware", project):
            source = (folder / name).resolve()
            if source.is_file() and source.is_relative_to(project.resolve()):
                yield str(source.relative_to(project.resolve()))
                break
