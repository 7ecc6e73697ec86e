"""That the branch of the sources which is synthesized is the one that was followed, but for taps and tables.

The sources are followed with the macro of the C simulation defined. What stands under it may only be what the
project was written with: a tap behind a layer, and a table in the place of an array of the same type, name and values.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpgaae.hls.project import CSIM_MACRO

_TAP = re.compile(rf'#ifdef {CSIM_MACRO}\n\s*(?:csim::tap\(\w+, "\w+", [\w*]+\);|#include "csim_support\.h")\n#endif\n')
_TABLE = re.compile(
    rf"#ifndef {CSIM_MACRO}\n(?:static |const )*(?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{{\n"
    r'#else\n#include "\.\./csim_support\.h"\n'
    r"(?:static |const )*csim::Table<(?P<type2>\w+), (?P<size2>\d+)> (?P<name2>\w+) = \{\n#endif\n"
)
_OTHER = re.compile(
    r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(?:__SYNTHESIS__|__HLS_SYN__|__VITIS_HLS__|FPGAAE_\w+)\b.*$", re.M
)
_CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*$", re.M)
_NEVER = "FPGAAE_IN_NO_BUILD"  # a macro that is defined nowhere
_ALWAYS = "FPGAAE_AS_SYNTHESIZED"  # in the place of what a synthesizer defines; hls4ml's own headers are not to see it
_SYNTHESIS = re.compile(r"\b(?:__SYNTHESIS__|__HLS_SYN__)\b")
_SYNTHESIS_HEADER = "as_synthesized.h"
_GUARD = re.compile(r"^#ifndef (FPGAAE_\w+_H_)\n#define \1$", re.M)


_COMMENT = re.compile(r"//.*$", re.M)
_DATA = re.compile(r"firmware/(?:weights/\w+|defines|parameters|thresholds)\.h")
_NO_DATA = re.compile(r"\w\s*\((?<!\bDIV_ROUNDUP\()|^\s*#\s*define\s+\w+[ (](?!\d+\s*$)|\boperator\b|&&|\|\||\?", re.M)


def is_data(project: Path, file: str) -> bool:
    """Tell whether a source holds types, constants and tables alone, so that no edit of it can make a branch.

    Parameters
    ----------
    file
        Relative to the project.
    """
    source = project / file
    if _DATA.fullmatch(file) is None or not source.is_file():
        return False
    return _NO_DATA.search(_COMMENT.sub("", source.read_text(encoding="utf-8"))) is None


def other_branches(project: Path, edited: Sequence[str] = ()) -> Iterator[str]:
    """Name each place of the project's own sources where synthesis may see something else than was followed.

    Parameters
    ----------
    edited
        Files, relative to the project, that are no longer as `convert` wrote them: of hls4ml's own, these are read.
    """
    for file in _sources(project, edited):
        text = _GUARD.sub("", _TABLE.sub(_same_table, _TAP.sub("", file.read_text(encoding="utf-8"))))
        for match in _OTHER.finditer(text):
            yield f"{file.relative_to(project)}: {match[0].strip()}"


def is_of_a_vendor(branch: str) -> bool:
    """Tell whether a place that `other_branches` names asks for a vendor's tool or its version, which is not known."""
    return "__VITIS_HLS__" in branch


def _sources(project: Path, edited: Sequence[str]) -> Iterator[Path]:
    """Give the project's own sources, and those of hls4ml that were edited."""
    for file in sorted((project / "firmware").rglob("*")):
        if file.suffix not in (".h", ".cpp") or file.name == "csim_support.h":
            continue
        if not _of_hls4ml(file, project) or str(file.relative_to(project)) in edited:
            yield file


def as_synthesized(project: Path, folder: Path, edited: Sequence[str] = ()) -> Path:
    """Copy a project into a folder so that what is followed there is what synthesis sees, with taps; give the copy.

    Tables that are the same in both branches stay as they are. What stands for the macros of synthesis is defined in a
    header of the copy: see `synthesis_header`.
    """
    copy = Path(
        shutil.copytree(project, folder, copy_function=os.link, ignore=shutil.ignore_patterns("build*", "tb_data"))
    )
    for file in _sources(copy, edited):
        text, parts, end = file.read_text(encoding="utf-8"), [], 0
        same = [m for m in _TABLE.finditer(text) if not _same_table(m)]
        for match in sorted([*_TAP.finditer(text), *same], key=re.Match.start):
            parts += [_never(text[end : match.start()]), match[0]]
            end = match.end()
        other = "".join([*parts, _never(text[end:])])
        if other != text:
            file.unlink()
            file.write_text(other, encoding="utf-8")
    synthesis_header(copy).write_text(f"#define {_ALWAYS}\n", encoding="utf-8")
    return copy


def synthesis_header(project: Path) -> Path:
    """Give the header of a copy that `as_synthesized` made."""
    return project / _SYNTHESIS_HEADER


def _never(text: str) -> str:
    return _CONDITION.sub(lambda match: _SYNTHESIS.sub(_ALWAYS, match[0].replace(CSIM_MACRO, _NEVER)), text)


def _same_table(match: re.Match[str]) -> str:
    same = all(match[name] == match[f"{name}2"] for name in ("type", "name", "size"))
    return "" if same else match[0]


def _of_hls4ml(file: Path, project: Path) -> bool:
    parts = file.relative_to(project / "firmware").parts
    return parts[0] in ("ap_types", "nnet_utils") and file.name not in (
        "fpgaae_scores.h",
        "fpgaae_tables.h",
        "fpgaae_images.h",
    )
