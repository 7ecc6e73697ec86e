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
from scipy.stats import gmean

from fpgaae.config.distillation import TargetKind
from fpgaae.evaluation.binning import equal_bins
from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.models.target import Target

_BINS = 60
_COLUMNS = 3
_PROFILE_BINS = 12
_TAILS = (0.16, 0.5, 0.84)
_BEYOND = 0.25  # of the target's range that is shown on both sides of it
_LABELS = {
    TargetKind.LOGARITHM: "Teacher's score",
    TargetKind.SCORE: "Teacher's score",
    TargetKind.RATE: "-log of the background's rate at the teacher's score",
}


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
    largest = max(float(pair.student.max()) for pair in pairs.values())
    teachers = _edges(pairs, target)
    ends = teachers[[0, -1]]  # those beyond are shown at the ends
    edges = teachers, np.linspace(0, largest or 1.0, _BINS + 1)
    densities = {
        name: np.histogram2d(np.clip(_shown(pair, target), *ends), pair.student, bins=edges)[0] / len(pair.teacher)
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
        if target.kind is TargetKind.LOGARITHM:
            panels[0, 0].set_xscale("log")
        figure.supxlabel(_LABELS[target.kind], fontsize="medium")
        figure.supylabel("Student's score (firmware)", fontsize="medium")
        figure.colorbar(mesh, ax=panels, label="Share of the process's events", pad=0.02)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return settled(figure)


def _shown(pair: Pair, target: Target) -> NDArray[Any]:
    """Give what the teacher's axis shows: a score on a logarithmic axis, or the grade of it."""
    return pair.teacher if target.kind is TargetKind.LOGARITHM else target.grades(pair.teacher)


def _edges(pairs: Mapping[str, Pair], target: Target) -> NDArray[np.float64]:
    """Give the edges of the bins on the teacher's axis."""
    shown = np.concatenate([_shown(pair, target) for pair in pairs.values()])
    if target.kind is TargetKind.LOGARITHM:
        low = max(float(shown.min()), math.exp(target.low) / math.e)
        return np.geomspace(low, float(shown.max()), _BINS + 1)
    beyond = _BEYOND * (target.high - target.low)
    low = max(float(shown.min()), target.low - beyond)
    return np.linspace(low, min(float(shown.max()), target.high + beyond), _BINS + 1)


def _lines(panel: Axes, pair: Pair, target: Target, edges: NDArray[np.float64]) -> None:
    """Draw what was taught, and the median of the student in bins of the teacher's score."""
    taught = target.of_scores(edges) if target.kind is TargetKind.LOGARITHM else target.of_grades(edges)
    panel.plot(edges, taught, color="black", linewidth=1.0, label="target")
    index, ends = equal_bins(pair.teacher, _PROFILE_BINS)
    members = [index == i for i in range(len(ends))]
    low, median, high = np.array([np.quantile(pair.student[own], _TAILS) for own in members]).T
    shown = np.clip(_shown(pair, target), *edges[[0, -1]])
    mean = gmean if target.kind is TargetKind.LOGARITHM else np.mean
    centres = np.array([mean(shown[own]) for own in members])
    panel.errorbar(
        centres, median, (median - low, high - median), fmt="o", markersize=3, linewidth=1.0, color=PALETTE[2],
        label="median, 68 % of the events",
    )  # fmt: skip
