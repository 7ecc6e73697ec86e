"""What every result has: the stage that it is of, and how its file is written and read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeVar

from fpgaae.files import Json, write_json
from fpgaae.runs.record import as_json, read_record

Result = TypeVar("Result", bound="StageResult")


class StageResult:
    """The content of a stage's result file; its classes are frozen dataclasses of plain values."""

    STAGE: ClassVar[str]

    @classmethod
    def read(cls: type[Result], file: Path, cure: str) -> Result:
        """Read a result file.

        Parameters
        ----------
        cure
            What to do where it is damaged.

        Raises
        ------
        InputError
            With the path of the first key that is wrong.
        """
        return read_record(cls, file, cure)

    def write(self, file: Path) -> None:
        """Write the result file."""
        write_json(file, self.to_json())

    def to_json(self) -> Json:
        """Give the content of the result file."""
        return as_json(self)
