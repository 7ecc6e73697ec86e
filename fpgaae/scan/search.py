"""Which points of a scan are tried, and in which order: all of a grid, or what another search proposes.

What a point gives does not belong here: it is told to the search when it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fpgaae.scan.plan import Scan, Values


class Tried(NamedTuple):
    """A point that was asked for before this process began, with its objectives if it is finished."""

    values: Values
    objectives: Sequence[float] | None


class Search(Protocol):
    """Gives points until there are enough."""

    n_points: int
    all_at_once: bool  # whether no point depends on what others gave

    def ask(self) -> Values | None:
        """Give the next point, None when there are enough."""

    def tell(self, values: Values, objectives: Sequence[float] | None) -> None:
        """Say what a point gave, in the order of the scan's objectives, None where it failed."""


class GridSearch:
    """Every point once."""

    all_at_once = True

    def __init__(self, scan: Scan) -> None:
        points = list(scan.grid())
        self.n_points = len(points)
        self._left = iter(points)

    def ask(self) -> Values | None:
        """Give the next point of the grid."""
        return next(self._left, None)

    def tell(self, values: Values, objectives: Sequence[float] | None) -> None:
        """Take no notice."""
