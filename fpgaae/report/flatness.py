"""How flat the rate is against what thresholds follow, beside one threshold for all: rows ready to print; tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table

from fpgaae.runs.results.flatness import Flatness, FlatSum
from fpgaae.statistics import Interval

_COLUMNS = ("codes", "events", "rate by cell", "its interval", "one threshold for all")


class FlatRow(NamedTuple):
    """A bin of a sum: where it lies, and the two rates."""

    codes: str
    events: str
    rate: str
    interval: str
    plain: str


class FlatTable(NamedTuple):
    """A sum that a threshold follows."""

    title: str
    rows: tuple[FlatRow, ...]


class CostRow(NamedTuple):
    """A signal's efficiency by cell, and with one threshold for all at the same rate."""

    signal: str
    followed: str
    plain: str


def flat_tables(found: Flatness, index: int) -> list[FlatTable]:
    """Tabulate the rates of a threshold in bins of each sum that it follows."""
    return [
        FlatTable(
            f"Threshold {index} by {found.cells} cells against the {of.quantity}: within {100 * of.departure:.1f} % of "
            f"the mean, one threshold for all within {100 * of.plain_departure:.0f} %",
            _rows(of),
        )
        for of in found.sums
    ]


def cost_rows(found: Flatness) -> list[CostRow]:
    """Give what each signal loses, or wins, at the same rate."""
    return [CostRow(signal, _percent(own.followed), _percent(own.plain)) for signal, own in found.efficiency.items()]


def terminal_tables(found: Sequence[Flatness]) -> Iterable[Table]:
    """Give the same as tables of a terminal."""
    for index, own in enumerate(found):
        for of in flat_tables(own, index):
            table = _table(of.title, _COLUMNS)
            for row in of.rows:
                table.add_row(*row)
            yield table
        if rows := cost_rows(own):
            table = _table("Efficiency at that rate", ("signal", "by cell", "one threshold for all"))
            for cost in rows:
                table.add_row(*map(escape, cost))
            yield table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in {"codes", "signal"} else "right")
    return table


def _rows(of: FlatSum) -> tuple[FlatRow, ...]:
    return tuple(
        FlatRow(
            f"{own.low:,}" if own.low == own.high else f"{own.low:,} to {own.high:,}",
            f"{own.events:,}",
            f"{own.rate.value:.2e}",
            f"{own.rate.low:.2e} to {own.rate.high:.2e}",
            f"{own.plain_rate.value:.2e}",
        )
        for own in of.bins
    )


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.2f} % ({100 * share.low:.2f} to {100 * share.high:.2f})"
