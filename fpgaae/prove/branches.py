"""That the branch of the sources which is synthesized is the one that was followed, but for taps and tables.

The sources are followed with the macro of the C simulation defined. What stands under it may only be what the
project was written with: a tap behind a layer, and a table in the place of an array of the same type, name and values.
"""

from __future__ import annotations

import re
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
    for file in sorted((project / "firmware").rglob("*")):
        if (
            file.suffix not in (".h", ".cpp")
            or file.name == "csim_support.h"
            or (_of_hls4ml(file, project) and str(file.relative_to(project)) not in edited)
        ):
            continue
        text = _GUARD.sub("", _TABLE.sub(_same_table, _TAP.sub("", file.read_text(encoding="utf-8"))))
        for match in _OTHER.finditer(text):
            yield f"{file.relative_to(project)}: {match[0].strip()}"


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
