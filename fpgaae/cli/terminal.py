"""Progress bars on the terminal (standard error)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from fpgaae.progress import Task


class _TerminalTask:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: float = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Show a figure behind the bar."""
        self._bars.update(self._task, note=text)


class TerminalProgress:
    """Shows one bar a task; a line when it is done where the output is not a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """Show a task until the block ends."""
        known = (BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn()) if total else (SpinnerColumn(),)
        columns = (
            TextColumn("{task.description}", markup=False),
            *known,
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with RichProgress(*columns, console=self._console, transient=self._console.is_terminal) as bars:
            yield _TerminalTask(bars, bars.add_task(description, total=total, note=""))
