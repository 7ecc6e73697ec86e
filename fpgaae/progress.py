"""How long work reports its progress without knowing who shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1) -> None:
        """Say that `amount` more of the total is done."""

    def note(self, text: str) -> None:
        """Show a short figure beside the task, such as the present loss."""


class Progress(Protocol):
    """Something that shows tasks."""

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """Open a task of a known or unknown total."""


class _SilentTask:
    def advance(self, amount: float = 1) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class SilentProgress:
    """Shows nothing: for `--json` and for tests."""

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """Open a task that is not shown."""
        del description, total
        yield _SilentTask()
