"""Which files and events a process has: several files, files by split, and conditions on columns (`data.where`).

How files are read does not belong here.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, NamedTuple

from pydantic import Discriminator, Field, Tag, model_validator

from fpgaae.section import Section

OPERATORS = ("==", "!=", "<=", ">=", "<", ">")
_CONDITION = re.compile(r"\s*(?P<column>[^\s=!<>]+)\s*(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>[^=!<>].*?)\s*")
_QUOTES = ("'", '"')

Files = str | Annotated[tuple[str, ...], Field(min_length=1)]  # a file, a pattern, a folder, or several of these


class Process(Section):
    """The files of a process with its label, or divided into splits beforehand."""

    files: Files | None = None
    train: Files | None = None  # instead of `files`: those of each split
    validation: Files | None = None
    test: Files | None = None
    label: str | None = None  # in figures; None: its name

    @model_validator(mode="after")
    def _one_way(self) -> Process:
        if not self.named or (self.files is not None and self.is_split):
            raise ValueError("give either `files`, or those of splits: train, validation, test")
        return self

    @property
    def is_split(self) -> bool:
        """Whether the files are divided into splits."""
        return (self.train or self.validation or self.test) is not None

    @property
    def named(self) -> dict[str, Files]:
        """The files by split; by an empty name where they are not divided."""
        given = {"": self.files, "train": self.train, "validation": self.validation, "test": self.test}
        return {split: files for split, files in given.items() if files is not None}


def _kind_of_entry(given: Any) -> str:  # noqa: ANN401
    if isinstance(given, dict | Process):
        return "entry[process]"
    return "entry[files]" if isinstance(given, list | tuple) else "entry[file]"


FileEntry = Annotated[
    Annotated[str, Tag("entry[file]")]
    | Annotated[tuple[str, ...], Field(min_length=1), Tag("entry[files]")]
    | Annotated[Process, Tag("entry[process]")],
    Discriminator(_kind_of_entry),
]


def files_by_split(entry: Files | Process) -> dict[str, Files]:
    """Give the files of an entry of `data.files` by split, by an empty name where they are not divided."""
    return entry.named if isinstance(entry, Process) else {"": entry}


class Condition(NamedTuple):
    """What a column must be for an event to be taken."""

    column: str
    operator: str  # one of `OPERATORS`
    value: int | float | str

    @property
    def needs_whole_numbers(self) -> bool:
        """Whether the value is a whole number that no float of 64 bits is."""
        return isinstance(self.value, int) and float(self.value) != self.value


def parse_condition(text: str) -> Condition:
    """Read `COLUMN OPERATOR VALUE`; the value is a number, true, false, or a text in quotes.

    Raises
    ------
    ValueError
        If it is something else.
    """
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` is no condition; write COLUMN {'|'.join(OPERATORS)} VALUE, as in `order >= 0`")
    value = _value(found["value"])
    if value is None:
        raise ValueError(f"`{found['value']}` in `{text}` is no value; give a number, true, false, or a text in quotes")
    return Condition(found["column"], found["operator"], value)


def _value(text: str) -> int | float | str | None:
    if len(text) >= 2 and text[0] in _QUOTES and text[-1] == text[0]:
        return text[1:-1]
    if text.lower() in {"true", "false"}:
        return int(text.lower() == "true")
    try:
        number = _number(text)
    except ValueError:
        return None
    return number if abs(number) <= sys.float_info.max else None  # no NaN either


def _number(text: str) -> int | float:
    """Give a number; a whole one, however it is written, stays exact."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number
