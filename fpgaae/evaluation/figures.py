"""Figures of the report: efficiency curves, score distributions and losses, as objects without global state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import MODELS
from fpgaae.evaluation.metrics import RocCurve
from fpgaae.evaluation.roc_bands import Band
from fpgaae.evaluation.style import (
    BACKGROUND_COLOUR,
    MODEL_LINES,
    PALETTE,
    colours,
    house_style,
    set_score_ticks,
    settled,
    tick_label,
)
from fpgaae.statistics import NO_WEIGHTS, Weights, as_scores, threshold_at_fpr

LOWEST_FPR = 1e-5
SCORE_BINS = 60
LOG_LOSS_RATIO = 5


def roc_figure(
    curves: Mapping[str, Mapping[str, RocCurve]],
    background_events: int,
    bands: Mapping[str, Mapping[str, Band]] = MappingProxyType({}),
    labels: Mapping[str, str] = MappingProxyType({}),
    *,
    log_tpr: bool = True,
) -> Figure:
    """Signal efficiency against the background's, one panel per signal and one line per model.

    Lines are steps: between two observed thresholds the efficiency is that of the lower rate. The diagonal of a random
    choice is the thin grey line.

    Parameters
    ----------
    curves
        ``curves[signal][model]``.
    background_events
        Size of the background sample; the axis starts at the rate of one event, and not below 1e-5.
    bands
        ``bands[signal][model]``, of the models that have one.
    labels
        Of the models that are shown under another name.
    log_tpr
        Whether the signal efficiency is logarithmic too: trigger rates lie where a linear axis shows zero.

    Raises
    ------
    InputError
        If there is no signal, or no background event.
    """
    if not curves or background_events < 1:
        raise InputError(
            f"{len(curves)} signals and {background_events} background events draw no curve: evaluate first."
        )
    lowest = max(LOWEST_FPR, 1 / background_events)
    with house_style():
        columns = min(2, len(curves))
        rows = math.ceil(len(curves) / columns)
        figure = Figure(figsize=(1 + 4.3 * columns, 0.7 + 3.4 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        handles: dict[str, Any] = {}
        for panel, (signal, of_signal) in zip(panels.flat, curves.items(), strict=False):
            for model, band in bands.get(signal, {}).items():
                colour = MODEL_LINES[model]["color"]
                panel.fill_between(band.fpr, band.low, band.high, color=colour, alpha=0.22, linewidth=0, zorder=1.5)
            handles |= _roc_panel(panel, of_signal, lowest, log_tpr=log_tpr)
            panel.set_title(signal, loc="left", fontsize="medium")
        for panel in panels.flat[len(curves) :]:
            panel.set_visible(False)
            panels[-2, -1].xaxis.set_tick_params(labelbottom=True)
        figure.supxlabel("False positive rate (background kept)", fontsize="medium")
        figure.supylabel("True positive rate (signal kept)", fontsize="medium")
        ordered = sorted(handles, key=_model_order)
        ncols = len(ordered) if columns > 1 else 3
        names = [labels.get(model, model) for model in ordered]
        figure.legend([handles[model] for model in ordered], names, loc="outside upper center", ncols=ncols)
        return settled(figure)


def _model_order(model: str) -> tuple[int, str]:
    return (MODELS.index(model) if model in MODELS else len(MODELS), model)


def _roc_panel(panel: Axes, curves: Mapping[str, RocCurve], lowest: float, *, log_tpr: bool) -> dict[str, Any]:
    handles = {}
    unknown = (colour for colour in PALETTE[6:])
    for model in sorted(curves, key=_model_order):
        line = MODEL_LINES.get(model) or {"color": next(unknown, PALETTE[3]), "linewidth": 1.2}
        (handles[model],) = panel.step(curves[model].fpr, curves[model].tpr, where="post", **line)
    diagonal = np.geomspace(lowest, 1, 100)
    panel.plot(diagonal, diagonal, color="0.75", linewidth=0.8, zorder=1)
    panel.set_xscale("log")
    panel.set_xlim(lowest, 1)
    panel.xaxis.set_major_locator(LogLocator(numticks=10))
    if log_tpr:
        panel.set_yscale("log")
        panel.set_ylim(lowest, 1.5)
    else:
        panel.set_ylim(0, 1.02)
    return handles


def score_figure(
    scores: Mapping[str, NDArray[Any]], background: str, fpr: float = 1e-3, weights: Weights = NO_WEIGHTS
) -> Figure:
    """Score distributions on an axis that is linear near zero and logarithmic above (asinh), with the threshold.

    Each histogram has unit area as drawn, that is in the coordinate asinh(score / median of the background): bins of
    integer scores differ in width, and would otherwise show as a comb.

    Parameters
    ----------
    scores
        ``scores[process]``, of one model.
    background
        The process that is filled and sets the threshold.
    fpr
        False positive rate of the threshold.
    weights
        By process, as the scores.

    Raises
    ------
    InputError
        If the background is missing, or a score is not finite.
    """
    if background not in scores:
        raise InputError(f"The background `{background}` is not among the scores of {sorted(scores)}: add it.")
    checked = {name: as_scores(values, f"`{name}`") for name, values in scores.items()}
    width = float(np.median(np.abs(checked[background]))) or 1.0
    edges = _score_edges(list(checked.values()), width)
    coordinate_widths = np.diff(np.arcsinh(edges / width))
    with house_style():
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        axes = figure.subplots()
        signals = [name for name in checked if name != background]
        for name, colour in zip([background, *signals], [BACKGROUND_COLOUR, *colours(len(signals))], strict=True):
            counts = np.histogram(checked[name], edges, weights=weights.get(name))[0]
            heights = counts / (counts.sum() * coordinate_widths)
            filled = name == background
            axes.stairs(
                heights,
                edges,
                fill=filled,
                facecolor=colour if filled else "none",
                edgecolor="0.55" if filled else colour,
                linewidth=0 if filled else 1.6,
                baseline=0 if filled else None,
                label=name,
            )
        threshold = threshold_at_fpr(checked[background], fpr, weights.get(background))
        axes.axvline(threshold, color="black", linewidth=1.1, linestyle=(0, (5, 3)))
        axes.annotate(
            f"threshold at FPR {fpr:.3g}",
            (threshold, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )
        axes.set_xscale("asinh", linear_width=width)
        axes.set_yscale("log")
        axes.set_xlim(edges[0], edges[-1])
        set_score_ticks(axes, width)
        axes.set_xlabel("Anomaly score")
        axes.set_ylabel("Density (unit area as drawn)")
        figure.legend(loc="outside upper center", ncols=min(6, len(checked)))
        return settled(figure)


def _score_edges(samples: Sequence[NDArray[Any]], width: float) -> NDArray[np.float64]:
    low = min(float(values.min()) for values in samples)
    high = max(float(values.max()) for values in samples)
    if 0 < low < width / 5:
        low = 0.0
    if low == high:
        low, high = low - width, high + width
    integers = all(values.dtype == np.int64 for values in samples)
    high += integers
    steps = width * np.sinh(np.linspace(np.arcsinh(low / width), np.arcsinh(high / width), SCORE_BINS + 1))
    steps[0], steps[-1] = low, high  # sinh(arcsinh(x)) may round inwards and lose an event
    if integers:
        steps = np.unique(np.rint(steps)) - 0.5
    return np.asarray(steps, dtype=np.float64)


def training_figure(losses: Mapping[str, Sequence[float]], best_epoch: int | None = None) -> Figure:
    """Losses against the epoch, logarithmic when they are positive and span more than a factor of 5.

    Parameters
    ----------
    losses
        ``losses[name]``, one value per epoch, the first epoch being 1.
    best_epoch
        The epoch whose weights were kept, marked with a line.

    Raises
    ------
    InputError
        If there is no epoch.
    """
    if not losses or not all(len(values) for values in losses.values()):
        raise InputError(f"The losses {sorted(losses)} have no epoch to draw: train first.")
    with house_style():
        figure = Figure(figsize=(8.6, 4.0), layout="constrained")
        axes = figure.subplots()
        for (name, values), colour in zip(losses.items(), colours(len(losses)), strict=True):
            marker = "o" if len(values) == 1 else None
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=name, linewidth=1.7, marker=marker)
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color="0.35", linewidth=1, linestyle=(0, (5, 3)), label=f"kept: epoch {best_epoch}"
            )
        axes.set_xlim(0.5, max(map(len, losses.values())) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_minor_locator(MaxNLocator(nbins=40, integer=True))
        lowest, highest = min(map(min, losses.values())), max(map(max, losses.values()))
        if 0 < LOG_LOSS_RATIO * lowest < highest:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
            axes.yaxis.set_minor_formatter(
                FuncFormatter(lambda value, _: tick_label(value) if f"{value:e}"[0] in "25" else "")
            )
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Loss")
        figure.legend(loc="outside upper center", ncols=min(5, len(losses) + 1))
        return settled(figure)
