"""The figure of a student against its teacher: how often pairs of scores occur, and what the student was taught."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.binning import equal_bins
from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.models.target import Target, logarithms

_BINS = 60
_COLUMNS = 3
_PROFILE_BINS = 12
_TAILS = (0.16, 0.5, 0.84)


class Pair(NamedTuple):
    """Both scores of the events of a process, (n_events,) each, and their rank correlation."""

    teacher: NDArray[Any]
    student: NDArray[Any]
    rank_correlation: float | None


def student_figure(pairs: Mapping[str, Pair], target: Target) -> Figure:
    """Student's score against the teacher's, a panel a process: density, median with 68 % of the events, and target.

    Parameters
    ----------
    pairs
        By process.
    target
        What the student was taught.
    """
    columns = min(_COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    ends = [np.concatenate([pair[index] for pair in pairs.values()]) for index in (0, 1)]
    low = max(float(ends[0].min()), math.exp(target.low) / math.e)
    edges = np.geomspace(low, float(ends[0].max()), _BINS + 1), np.linspace(0, float(ends[1].max()) or 1.0, _BINS + 1)
    densities = {
        name: np.histogram2d(np.maximum(pair.teacher, low), pair.student, bins=edges)[0] / len(pair.teacher)
        for name, pair in pairs.items()
    }
    least = min(float(density[density > 0].min()) for density in densities.values())
    norm = LogNorm(least, max(float(density.max()) for density in densities.values()))
    with house_style():
        figure = Figure(figsize=(1.6 + 3.1 * columns, 0.9 + 2.9 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for panel, (name, pair) in zip(panels.flat, pairs.items(), strict=False):
            mesh = panel.pcolormesh(*edges, np.ma.masked_equal(densities[name].T, 0), norm=norm, cmap="Blues")
            _lines(panel, pair, target, edges[0])
            shown = "" if pair.rank_correlation is None else rf", $\rho$ = {pair.rank_correlation:.3f}"
            panel.set_title(f"{name}{shown}", loc="left", fontsize="small")
        for panel in panels.flat[len(pairs) :]:
            panel.set_visible(False)
            panels[-2, panels.shape[1] - 1].xaxis.set_tick_params(labelbottom=True)
        panels[0, 0].set_xscale("log")
        figure.supxlabel("Teacher's score", fontsize="medium")
        figure.supylabel("Student's score (firmware)", fontsize="medium")
        figure.colorbar(mesh, ax=panels, label="Share of the process's events", pad=0.02)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return settled(figure)


def _lines(panel: Axes, pair: Pair, target: Target, edges: NDArray[np.float64]) -> None:
    """Draw what was taught, and the median of the student in bins of the teacher's score."""
    panel.plot(edges, target.of_logarithms(logarithms(edges)), color="black", linewidth=1.0, label="target")
    index, ends = equal_bins(pair.teacher, _PROFILE_BINS)
    members = [index == i for i in range(len(ends))]
    low, median, high = np.array([np.quantile(pair.student[own], _TAILS) for own in members]).T
    centres = [float(np.exp(logarithms(pair.teacher[own]).mean())) for own in members]
    panel.errorbar(
        centres, median, (median - low, high - median), fmt="o", markersize=3, linewidth=1.0, color=PALETTE[2],
        label="median, 68 % of the events",
    )  # fmt: skip
