"""What the stage `report` says: its result is a page, which the stage writes itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fpgaae.runs.results.base import StageResult


@dataclass(frozen=True, kw_only=True)
class ReportResult(StageResult):
    """Where the page lies."""

    STAGE: ClassVar[str] = "report"

    file: str

    @classmethod
    def read(cls, file: Path, cure: str) -> ReportResult:
        """Name the page."""
        return cls(file=str(file))

    def write(self, file: Path) -> None:
        """Leave the page as the stage wrote it."""
