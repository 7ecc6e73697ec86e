"""What a benchmark gives: a table, and its figures against the goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Settings(NamedTuple):
    """What the command line chose for all benchmarks."""

    events: int  # of the large file
    quick: bool  # small and few, to see that it works


class Goal(NamedTuple):
    """A measured figure and its limit."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False  # otherwise at most

    @property
    def reached(self) -> bool:
        """Whether the figure keeps the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Give an entry of the JSON file."""
        return {**self._asdict(), "ratio_to_limit": self.value / self.limit, "reached": self.reached}


@dataclass
class Result:
    """The outcome of one benchmark."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str | float, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Give the content of the JSON file."""
        return {
            "table": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "goals": [goal.to_json() for goal in self.goals],
        }

    def print(self, console: Console) -> None:
        """Print the table and the goals."""
        console.print(_table(self.name, self.columns, self.rows))
        if not self.goals:
            return
        goals = [
            (
                goal.what,
                f"{_shown(goal.value)} {goal.unit}",
                f"at {'least' if goal.at_least else 'most'} {_shown(goal.limit)} {goal.unit}",
                f"{goal.value / goal.limit:.2f}",
                "yes" if goal.reached else "[bold]no[/]",
            )
            for goal in self.goals
        ]
        console.print(
            _table(f"{self.name}: goals", ("figure", "measured", "goal", "measured / goal", "reached"), goals)
        )


def _table(title: str, columns: tuple[str, ...], rows: Sequence[Sequence[str | float]]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*(_shown(cell) for cell in row))
    return table


def _shown(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if abs(cell) >= 100 or isinstance(cell, int) else f"{cell:.2f}"
