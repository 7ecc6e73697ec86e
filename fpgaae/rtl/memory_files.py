"""The tables of a written RTL project: whole, before anything reads them, since simulators fill in what is missing.

da4ml calls a table by a hash of its entries, so that an entry which no event reads is checked, too.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VERILOG_FOLDER, VHDL_FOLDER

_WAY_OUT = "correct it, or run the stage `trace` with --force"
_MODULE = "lookup_table"
_VERILOG = re.compile(rf'\b{_MODULE} #\((?P<address>\d+), (?P<width>\d+), "(?P<file>[^"]+)"\)')
_VHDL = re.compile(
    rf'\bwork\.{_MODULE} generic map\(BW_IN=>(?P<address>\d+),BW_OUT=>(?P<width>\d+),MEM_FILE=>"(?P<file>[^"]+)"\)'
)
_USED_IN_VERILOG = re.compile(rf"\b{_MODULE}\s*#")
_USED_IN_VHDL = re.compile(rf"\bwork\.{_MODULE}\b")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")


class _Table(NamedTuple):
    """A table as a source instantiates it."""

    file: Path
    address_bits: int
    width: int


def check_tables(project: Path) -> None:
    """Make sure that every table holds what was traced, a hexadecimal number for each address, in Verilog and in VHDL.

    Raises
    ------
    CheckFailed
        If a file is missing, has too few or too many lines, ends without a newline, a line is no number of the table's
        width, or an entry is not that which was traced; or if a source instantiates a table in another way than
        `trace` writes it.
    """
    verilog = _tables(project / VERILOG_FOLDER, "v", _USED_IN_VERILOG, _VERILOG)
    vhdl = _tables(project / VHDL_FOLDER, "vhd", _USED_IN_VHDL, _VHDL)
    for table in sorted(set(verilog)):
        _check(table, all_digits=False)
    for table in sorted(set(vhdl)):
        _check(table, all_digits=True)


def with_missing_lines(project: Path, folder: Path) -> Path | None:
    """Give a copy of a project whose Verilog tables have ones in each line that is missing; None where none is.

    What a tool puts there is its own choice, zeros in most simulators.
    """
    texts = {}
    for table, lines in _lines_of_tables(project):
        if missing := max((1 << table.address_bits) - len(lines), 0):
            more = [f"{(1 << table.width) - 1:X}"] * missing
            texts[table.file.name] = "".join(f"{line}\n" for line in [*lines, *more])
    if not texts:
        return None
    shutil.copytree(project, folder, dirs_exist_ok=True)
    for name, text in texts.items():
        (folder / VERILOG_FOLDER / name).write_text(text, encoding="ascii")
    return folder


def has_more_lines(project: Path) -> bool:
    """Tell whether a Verilog table has lines beyond its last address, which some tools leave out and some refuse."""
    return any(len(lines) > 1 << table.address_bits for table, lines in _lines_of_tables(project))


def _lines_of_tables(project: Path) -> Iterator[tuple[_Table, list[str]]]:
    for table in sorted(set(_tables(project / VERILOG_FOLDER, "v", _USED_IN_VERILOG, _VERILOG))):
        whole = table.file.read_text(encoding="ascii", errors="replace") if table.file.is_file() else ""
        yield table, whole.splitlines()


def _tables(
    folder: Path, suffix: str, used: re.Pattern[str], instance: re.Pattern[str]
) -> Iterator[_Table]:  # fmt: skip
    for source in sorted(folder.glob(f"*.{suffix}")):
        if source.stem == _MODULE:
            continue
        text = source.read_text(encoding="utf-8", errors="replace")
        found = list(instance.finditer(text))
        if len(found) != len(used.findall(text)):
            raise CheckFailed(f"{source} instantiates {_MODULE} in another way than `trace` writes it; {_WAY_OUT}")
        for match in found:
            yield _Table(folder / match["file"], int(match["address"]), int(match["width"]))


def _check(table: _Table, *, all_digits: bool) -> None:
    """Check one file; VHDL reads exactly the digits of the width."""
    file, entries = table.file, 1 << table.address_bits
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        raise CheckFailed(f"{file} is missing, and a table of {entries:,} lines is read from it; {_WAY_OUT}") from None
    lines = text.splitlines()
    if len(lines) != entries:
        raise CheckFailed(f"{file} has {len(lines):,} lines, and the table that reads it has {entries:,}; {_WAY_OUT}")
    if not text.endswith("\n"):
        raise CheckFailed(
            f"{file} ends without a newline in line {entries:,}, which not every simulator reads then; {_WAY_OUT}"
        )
    digits = (table.width + 3) // 4
    for number, line in enumerate(lines, start=1):
        if not _HEXADECIMAL.fullmatch(line) or int(line, 16) >> table.width or (all_digits and len(line) != digits):
            raise CheckFailed(
                f"{file}, line {number:,} of {entries:,}: {line[:40]!r} is no hexadecimal number of {table.width} bits "
                f"in {digits} digits; {_WAY_OUT}"
            )
    if file.name != _name_of([int(line, 16) for line in lines], digits):
        raise CheckFailed(
            f"{file} does not hold the {entries:,} entries that were traced, of which its name is the hash; {_WAY_OUT}"
        )


def _name_of(entries: list[int], digits: int) -> str:
    """Give the name that da4ml gives a table."""
    text = "\n".join(f"{entry:0{digits}X}" for entry in entries)
    return f"table_{UUID(int=int(sha256(text.encode()).hexdigest()[:32], 16), version=4)}.mem"
