"""The figure of a scan: the front of performance against cost, and the ratio to the float reference along one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from fpgaae.evaluation.style import PALETTE, colours, house_style, settled, tick_label
from fpgaae.runs.results.scan import AxisValue, PointEntry, ScannedMetric, ScanPoints
from fpgaae.scan.table import measured

_COST_LABELS = {"lut": "LUT (estimated)", "ff": "FF (estimated)", "latency_ns": "Latency (ns)"}
_PERFORMANCE_LABELS = {"mean_auc": "Mean AUC over the signals", "mean_tpr": "Mean signal efficiency at FPR {rate:g}"}
_MAX_LABELS = 16
_MAX_RATIO = 1.6


def scan_figure(result: ScanPoints) -> Figure:
    """Draw the front, and beside it the ratios where one axis of numbers is scanned.

    Bars of the performance are standard errors: of the events, and of the mean over the seeds. Those of a cost reach
    from the cheapest to the dearest seed, those of a ratio over its paired 68 % bootstrap interval.

    Parameters
    ----------
    result
        The content of `scan.json`.
    """
    metrics = measured(result) if _numeric_axis(result) else ()
    with house_style():
        figure = Figure(figsize=(10 if metrics else 5.4, 4.2 + 1.4 * max(len(metrics) - 1, 0)), layout="constrained")
        if not metrics:
            _front_panel(figure.subplots(), result)
            return settled(figure)
        grid = figure.add_gridspec(len(metrics), 2)
        first = None
        for row, metric in enumerate(metrics):
            panel = first = figure.add_subplot(grid[row, 0], sharex=first)
            _ratio_panel(panel, result, metric)
            panel.tick_params(labelbottom=metric == metrics[-1])
        _name_axis(panel, result)
        _front_panel(figure.add_subplot(grid[:, 1]), result)
        handles, labels = panel.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize="small")
        return settled(figure)


def _numeric_axis(result: ScanPoints) -> bool:
    """Tell whether one axis is scanned, of numbers."""
    values = [list(point.values.values()) for point in result.points]
    return len(values) > 1 and all(
        len(own) == 1 and isinstance(own[0], int | float) and not isinstance(own[0], bool) for own in values
    )


def _number(value: AxisValue) -> float:
    """Give the value of an axis of numbers."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value} is no number")
    return value


def _ratio_panel(panel: Axes, result: ScanPoints, metric: str) -> None:
    """Draw each signal's ratio; open markers are points that can't be told from the reference."""
    (axis,) = result.axes
    points = sorted(((_number(point.values[axis]), point) for point in result.points), key=lambda pair: pair[0])
    span = points[-1][0] - points[0][0]
    for index, (signal, colour) in enumerate(zip(result.signals, colours(len(result.signals)), strict=True)):
        shift = 0.012 * span * (index - (len(result.signals) - 1) / 2)  # so that bars do not hide each other
        known = [(x + shift, point.signals[signal].get(metric)) for x, point in points]
        _ratio_line(panel, [(x, estimate) for x, estimate in known if estimate and estimate.ratio], colour)
        panel.plot([], [], "o-", color=colour, linewidth=1.3, markersize=5, label=signal)
    panel.axhline(1, color="0.6", linewidth=0.9, zorder=1)
    name = "AUC" if metric == "auc" else f"TPR at FPR {tick_label(result.false_positive_rate)}"
    panel.set_ylabel(f"{name} / float", fontsize="medium")
    if metric == "tpr":  # of a signal that hardly passes at all the ratio is anything
        panel.set_ylim(0, min(panel.get_ylim()[1], _MAX_RATIO))
    panel.plot([], [], "o", color="0.3", markerfacecolor="white", markersize=5, label="not distinguishable from float")


def _ratio_line(panel: Axes, known: Sequence[tuple[float, ScannedMetric]], colour: str) -> None:
    if not known:
        return
    x = np.array([place for place, _ in known])
    value, low, high = np.array([estimate.ratio for _, estimate in known]).T
    panel.errorbar(x, value, np.abs(np.stack([value - low, high - value])), color=colour, linewidth=1.3, elinewidth=1.1)
    for place, ratio, (_, estimate) in zip(x, value, known, strict=True):
        face = colour if estimate.distinguishable else "white"
        panel.plot(place, ratio, "o", color=colour, markersize=5, zorder=5, markerfacecolor=face)


def _name_axis(panel: Axes, result: ScanPoints) -> None:
    (axis,) = result.axes
    panel.set_xlabel(axis.replace("_", " "))
    panel.set_xticks([_number(point.values[axis]) for point in result.points])
    panel.xaxis.set_minor_locator(NullLocator())


def _front_panel(panel: Axes, result: ScanPoints) -> None:
    """Draw performance against the first cost; the points of the front are joined and named."""
    cost = next(name for name in result.objectives if name in _COST_LABELS)
    points = sorted(result.points, key=lambda point: point.cost(cost).value)
    front = [point for point in points if point.on_front]
    for own, colour, label in (
        ([p for p in points if not p.on_front], PALETTE[3], "other points"),
        (front, PALETTE[2], "front"),
    ):
        if own:
            value, low, high = np.array([p.cost(cost) for p in own]).T
            panel.errorbar(
                value, [p.performance.value for p in own], [p.performance.standard_error for p in own],
                np.abs(np.stack([value - low, high - value])), fmt="o", color=colour, markersize=5.5, elinewidth=1.1,
                label=label, zorder=4 if label == "front" else 3,
            )  # fmt: skip
    panel.plot([p.cost(cost).value for p in front], [p.performance.value for p in front], color=PALETTE[2],
               linewidth=0.9, alpha=0.6, zorder=2)  # fmt: skip
    if len(front) <= _MAX_LABELS:
        for index, point in enumerate(front):  # below and above in turn, since neighbours on the front can be close
            panel.annotate(_name(point), (point.cost(cost).value, point.performance.value),
                           xytext=(5, -11 if index % 2 == 0 else 4), textcoords="offset points",
                           fontsize="small")  # fmt: skip
    baselines = {round(point.baseline.value, 9) for point in points}
    if len(baselines) == 1:
        panel.axhline(baselines.pop(), color=PALETTE[0], linewidth=1.2, linestyle=(0, (5, 3)), label="float reference")
    panel.set_xlim(0, 1.08 * max(point.cost(cost).high for point in points))  # room for the last name
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panel.set_xlabel(_COST_LABELS[cost])
    panel.set_ylabel(_PERFORMANCE_LABELS[result.performance].format(rate=result.false_positive_rate))
    panel.legend(loc="lower right", fontsize="small")


def _name(point: PointEntry) -> str:
    return ", ".join(str(value) for value in point.values.values())
