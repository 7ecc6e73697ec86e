"""The firmware's thresholds on the events of a sample, one for all or by the cell of each event; the float model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, QUANTIZED
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.cell import Cell
from fpgaae.hls.cells import cells_of
from fpgaae.runs.results.convert import Threshold
from fpgaae.statistics import EventGroups, PassedEvents, threshold_at_fpr

Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Flags = NDArray[np.bool_]


class Followed(NamedTuple):
    """What the thresholds follow, of the events of a sample."""

    cells: Mapping[str, Codes]  # by process, (n_events,)
    sums: tuple[tuple[str, Codes], ...]  # of the background: what is summed, and (n_events,) codes


class Cut(NamedTuple):
    """A threshold, and by process the cell of each event where it follows sums."""

    threshold: Threshold
    cells: Mapping[str, Codes] = {}

    def at(self, process: str) -> NDArray[np.float64] | float:
        """Give the value above which events are accepted: of all, or (n_events,)."""
        return self.threshold.values_at(self.cells.get(process))

    def accepted(self, scores: Scores, groups: EventGroups, background: str) -> dict[str, dict[str, Flags]]:
        """Tell by process which events each model accepts.

        The quantized model has the firmware's score and gets its threshold. The float model gets the threshold that
        lets as many background events pass, or as much of their weight, in each cell where there are cells.

        Parameters
        ----------
        groups
            Of the background's events, with their weights.
        """
        above = scores[FIRMWARE][background] > self.at(background)
        of_float = self._float_cuts(scores[FLOAT][background], above, groups, background)
        cuts = {
            process: {FLOAT: self._of(of_float, process), QUANTIZED: self.at(process), FIRMWARE: self.at(process)}
            for process in scores[FIRMWARE]
        }
        return {
            process: {model: scores[model][process] > cut for model, cut in own.items()}
            for process, own in cuts.items()
        }

    def _of(self, by_cell: NDArray[np.float64], process: str) -> NDArray[np.float64] | float:
        return by_cell[self.cells[process]] if process in self.cells else float(by_cell[0])

    def _float_cuts(
        self, scores: NDArray[Any], above: Flags, groups: EventGroups, background: str
    ) -> NDArray[np.float64]:
        whole = float_cut(scores, groups.count(above), groups.weights)
        if self.threshold.codes_of_cells is None:
            return np.array([whole])
        found = np.full(len(self.threshold.codes_of_cells), whole)
        weightless = groups.weightless()
        for cell in np.unique(self.cells[background]).tolist():
            own = self.cells[background] == cell
            if not weightless[own].all():
                inside = groups.part(own)
                found[cell] = float_cut(scores[own], inside.count(above[own]), inside.weights)
        return found


def cuts(thresholds: Sequence[Threshold], followed: Followed | None = None) -> tuple[Cut, ...]:
    """Put thresholds and the cells of a sample together."""
    return tuple(Cut(threshold, {} if followed is None else followed.cells) for threshold in thresholds)


def follow(
    cell: Cell | None, events: Iterable[tuple[str, NDArray[np.integer]]], background: str
) -> Followed | None:  # fmt: skip
    """Find the cells of events; None where the thresholds follow nothing.

    Parameters
    ----------
    cell
        What tells them: `fpgaae.hls.cells.cell_of`.
    events
        Parts of processes in their order: hardware integers (n_events, n_features).
    """
    if cell is None:
        return None
    cells: dict[str, list[Codes]] = {}
    sums: list[list[Codes]] = [[] for _ in cell.sums]
    for process, codes in events:
        cells.setdefault(process, []).append(cells_of(cell, codes))
        if process == background:
            for parts, of in zip(sums, cell.sums, strict=True):
                parts.append(of.sums(codes))
    joined = {process: np.concatenate(parts) for process, parts in cells.items()}
    names = ["multiplicity" if of.counts else "sum" for of in cell.sums]
    return Followed(joined, tuple((name, np.concatenate(parts)) for name, parts in zip(names, sums, strict=True)))


def float_cut(background: NDArray[Any], passed: PassedEvents, weights: NDArray[np.float64] | None = None) -> float:
    """Give the threshold above which as many events lie, or as much weight; less where scores tie."""
    if weights is None:
        share = min(passed.passed, background.size - 1) / background.size
    else:
        share = min(passed.share, np.nextafter(1.0, 0.0))
    lower = threshold_at_fpr(background, share, weights)
    above = background[background > lower]
    return float(lower if above.size == 0 else (lower + above.min()) / 2)
