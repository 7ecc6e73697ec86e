"""Thresholds that follow sums over an event: bins of about as many events each, and a threshold for each cell of them.

The quantile of the score among the events of a cell is their threshold, so that every cell has the rate that is asked
for (DecADe, arXiv 2508.10224, with tables in the place of its fits). Where a cell has too few events, it has one
threshold with the next ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware
from fpgaae.config.experiment import Decorrelation, FollowedSum
from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import BLOCK_EVENTS
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.golden.network import CELL_LAYER
from fpgaae.runs.results.convert import FollowedSumEntry
from fpgaae.runs.run import StageRun
from fpgaae.statistics import threshold_at_fpr

MULTIPLICITY = "multiplicity"


def equal_edges(sums: Codes, n_bins: int) -> tuple[int, ...]:
    """Give the edges of bins that hold about as many events each; a bin that ends at a code holds it.

    Sums are integers, of which many may be the same: then there are fewer bins.
    """
    levels = np.arange(1, n_bins) / n_bins
    edges = np.unique(np.quantile(sums, levels, method="inverted_cdf"))
    return tuple(int(edge) for edge in edges if sums.min() <= edge < sums.max())


def find_cells(run: StageRun) -> tuple[Cell, Codes] | None:
    """Choose the bins on the background of the split that sets the thresholds, and give the cell of each event.

    Returns
    -------
    None where the thresholds follow nothing.

    Raises
    ------
    InputError
        If all events have the same sum.
    """
    wanted = run.config.trigger.decorrelate
    if wanted is None:
        return None
    sums = [_unbinned(of, run.config.data.hardware) for of in wanted.against]
    chunks = list(_stored_sums(run, sums))
    columns = np.concatenate(chunks)
    binned = []
    for index, (of, asked) in enumerate(zip(sums, wanted.against, strict=True)):
        edges = equal_edges(columns[:, index], asked.bins)
        if not edges:
            raise InputError(
                f"trigger.decorrelate.against.{index}: the {asked.quantity} is {int(columns[0, index])} in nearly all "
                "events, so that no threshold can follow it; leave it out"
            )
        binned.append(of._replace(edges=edges))
    cell = Cell.of(CELL_LAYER, binned)
    places = [np.searchsorted(of.edges, columns[:, i], side="left") for i, of in enumerate(binned)]
    return cell, np.asarray(np.ravel_multi_index(tuple(places), cell.bins), dtype=np.int64)


class Sample(NamedTuple):
    """The events that thresholds are chosen on."""

    scores: Codes  # (n_events,)
    cells: Codes  # (n_events,)
    weights: NDArray[np.float64] | None = None  # (n_events,); None: each counts 1


def cell_thresholds(sample: Sample, bins: Sequence[int], rate: float, wanted: Decorrelation) -> Codes:
    """Give the threshold of each cell, (n_cells,), above which the share `rate` of its events lies, as near as can be.

    Cells of one bin of all sums but the first are a row. Along it, cells are joined until `min_events` are to pass; the
    last ones join those before. Rows that have too few in all are joined with those that are nearest.

    Parameters
    ----------
    bins
        How many of each sum; the cells count the last one by ones.
    """
    n_cells, n_rows = int(np.prod(bins)), int(np.prod(bins[1:]))
    order = np.argsort(sample.cells, kind="stable")
    ends = np.searchsorted(sample.cells[order], np.arange(n_cells + 1))
    expected = np.diff(ends) * rate
    found = np.empty(n_cells, dtype=np.int64)
    for group in _groups(expected.reshape(bins[0], n_rows), tuple(bins[1:]), wanted.min_events):
        members = np.concatenate([order[ends[cell] : ends[cell + 1]] for cell in group.read])
        weights = None if sample.weights is None else sample.weights[members]
        found[list(group.cells)] = _threshold(sample.scores[members], rate, weights)
    return found


class _Group(NamedTuple):
    """Cells that have one threshold, and those whose events it is chosen on."""

    cells: tuple[int, ...]
    read: tuple[int, ...]


def _groups(expected: NDArray[np.float64], rows: tuple[int, ...], min_events: float) -> Iterator[_Group]:
    """Join cells, of which some events are expected to pass (bins of the first sum, rows)."""
    n_bins, n_rows = expected.shape
    places = np.stack(np.unravel_index(np.arange(n_rows), rows or (1,)), axis=1)
    for row in range(n_rows):
        whole = tuple(column * n_rows + row for column in range(n_bins))
        if expected[:, row].sum() < min_events:
            distance = np.abs(places - places[row]).sum(axis=1)
            reach = next((r for r in np.unique(distance) if expected[:, distance <= r].sum() >= min_events), None)
            near = np.flatnonzero(distance <= (distance.max() if reach is None else reach))
            yield _Group(whole, tuple(column * n_rows + int(other) for other in near for column in range(n_bins)))
            continue
        joined: list[list[int]] = [[]]
        passing = 0.0
        for column in range(n_bins):
            if passing >= min_events and expected[column:, row].sum() >= min_events:
                joined.append([])
                passing = 0.0
            joined[-1].append(whole[column])
            passing += float(expected[column, row])
        yield from (_Group(tuple(group), tuple(group)) for group in joined)


def _threshold(scores: Codes, rate: float, weights: NDArray[np.float64] | None) -> int:
    """Give the code above which the share of events lies, rounded to whole events; of weighted ones, no larger one."""
    if weights is not None:
        return int(threshold_at_fpr(scores, rate, weights if weights.any() else None))
    ordered = np.sort(scores)
    n_passing = min(round(len(ordered) * rate), len(ordered) - 1)
    return int(ordered[len(ordered) - 1 - n_passing])


def cell_of(follows: Sequence[FollowedSumEntry], features: FeatureMap) -> Cell | None:
    """Give the cells that a result file describes; None where thresholds follow nothing.

    Raises
    ------
    InputError
        If the features are other ones.
    """
    if not follows:
        return None
    places = {feature.hardware.name: place for place, feature in enumerate(features.features)}
    if missing := [name for entry in follows for name in entry.features if name not in places]:
        raise InputError(f"the thresholds follow {missing[0]}, which no event has; run the stage `convert` again")
    sums = [
        BinnedSum(tuple(places[name] for name in entry.features), entry.quantity == MULTIPLICITY, entry.edges)
        for entry in follows
    ]
    return Cell.of(CELL_LAYER, sums)


def _unbinned(of: FollowedSum, hardware: Hardware) -> BinnedSum:
    return BinnedSum(hardware.amount_places(of.of), of.quantity == MULTIPLICITY, ())


def _stored_sums(run: StageRun, sums: Sequence[BinnedSum]) -> Iterator[Codes]:
    store = EventStore(run.upstream("data"))
    for codes in store.chunks(run.config.data.background, run.config.trigger.chosen_on, BLOCK_EVENTS):
        yield np.stack([of.sums(codes) for of in sums], axis=1)


def cells_of(cell: Cell, codes: NDArray[np.integer]) -> Codes:
    """Give the cell of each event of hardware integers, (n_events, n_features)."""
    return np.asarray(cell.run([Tensor(codes.astype(np.int64), 0)]).codes[:, 0])
