"""Figures of the trigger: rates against threshold, pile-up and run, and what the scores go with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.evaluation.style import MODEL_LINES, colours, house_style, settled
from fpgaae.runs.results.metrics import Ablation, BinnedRate, Correlation, LayerLoss, RateBin, Rates
from fpgaae.statistics import Interval

_QUANTITIES = {
    "ht_gev": "$H_T$ [GeV]", "multiplicity": "Number of objects", "sum": "Sum of the cells", "cells": "Cells above 0",
    "cells_above_mean": "Cells above their mean",
}  # fmt: skip
_COLUMNS = {"pileup": "Pile-up", "run": "Run"}
_SHOWN = (FLOAT, FIRMWARE)
_BELOW = 30  # times the smallest rate that is seen
_PLAIN = -3  # power of ten from which on a number is written as it is
_POINTS = 3  # thresholds in one figure


def rate_figure(rates: Rates, thresholds: Sequence[float]) -> Figure:
    """Rate against the threshold of float and firmware, with bands; dashed what the existing trigger does not take.

    Where nothing passes, an open triangle marks the upper end of the interval.

    Parameters
    ----------
    rates
        `rates` of `metrics.json`.
    thresholds
        Those of the firmware, marked with vertical lines.
    """
    with house_style():
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        axes = figure.subplots()
        for model in (name for name in _SHOWN if name in rates.models):
            own, colour = rates.models[model], MODEL_LINES[model]["color"]
            for rate, label, style in (
                (own.rate_khz, model, "solid"),
                (own.pure_rate_khz, f"{model}, pure", "dashed"),
            ):
                if rate is not None:
                    heights, high = np.array(rate.value), np.array(rate.high)
                    shown = np.where(heights > 0, heights, np.nan)
                    axes.plot(own.threshold, shown, color=colour, linestyle=style, label=label)
                    none = heights == 0  # which a logarithmic axis can't show: the rate is below the upper end
                    if none.any():
                        axes.plot(np.array(own.threshold)[none], high[none], "v", color=colour, mfc="none")
                    axes.fill_between(own.threshold, rate.low, rate.high, color=colour, alpha=0.2, linewidth=0)
        for value in thresholds:
            axes.axvline(value, color="black", linewidth=1.0, linestyle=(0, (5, 3)))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(*_range(rates))
        axes.set_xlabel("Threshold on the anomaly score")
        axes.set_ylabel("Rate [kHz]")
        figure.legend(loc="outside upper center", ncols=4)
        return settled(figure)


def _range(rates: Rates) -> tuple[float | None, float | None]:
    """Give the ends of the axis of a rate: below all that is seen, whatever intervals of few events reach down to."""
    both = (rate for name in _SHOWN if (own := rates.models.get(name)) for rate in (own.rate_khz, own.pure_rate_khz))
    curves = [rate for rate in both if rate is not None]
    seen = [value for rate in curves for value in rate.value if value > 0]
    highest = max((end for rate in curves for end in rate.high), default=0.0)
    return (min(seen) / _BELOW, 2 * highest) if seen else (None, None)


def column_figure(by_column: Mapping[str, Sequence[BinnedRate]], wanted_khz: Sequence[float]) -> Figure:
    """Rate of the firmware at its first thresholds in bins of pile-up and by run, a panel each.

    Parameters
    ----------
    by_column
        `rates.by_column` of `metrics.json`.
    wanted_khz
        The rate that each threshold was asked for; the first few are drawn, since more hide each other.
    """
    with house_style():
        figure = Figure(figsize=(8.6, 3.8), layout="constrained")
        panels = figure.subplots(1, len(by_column), squeeze=False)[0]
        for panel, (column, points) in zip(panels, by_column.items(), strict=True):
            shown = [
                series
                for point, colour, khz in zip(points[:_POINTS], colours(_POINTS), wanted_khz, strict=False)
                for series in _series(point, colour, f"for {khz:.3g} kHz")
            ]
            bins = points[0].bins
            centres = np.array([(b.low + b.high) / 2 for b in bins])
            if column == "run":
                centres = _name_runs(panel, bins)
            step = np.gradient(centres) if len(bins) > 1 else np.ones(1)
            for index, series in enumerate(shown):
                _points(panel, centres + 0.12 * step * (index - (len(shown) - 1) / 2), series)
            panel.set_xlabel(_COLUMNS[column])
            panel.set_ylabel("Rate [kHz]")
            panel.set_ylim(bottom=0)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
        return settled(figure)


class _Series(NamedTuple):
    """Rates in bins, and how they are drawn."""

    rates: Sequence[Interval]
    colour: str
    filled: str
    label: str


def _series(point: BinnedRate, colour: str, label: str) -> Iterator[_Series]:
    """Give the rate at a threshold, and the pure one where it is known."""
    yield _Series([b.rate_khz for b in point.bins], colour, colour, label)
    pure = [b.pure_rate_khz for b in point.bins if b.pure_rate_khz is not None]
    if pure:
        yield _Series(pure, colour, "white", f"{label}, pure")


def _points(panel: Axes, x: NDArray[np.float64], series: _Series) -> None:
    value, low, high = np.array(series.rates).T
    errors = (value - low, high - value)
    panel.errorbar(
        x, value, errors, fmt="o", markersize=4, color=series.colour, mfc=series.filled, label=series.label, lw=1.1
    )


def _name_runs(panel: Axes, bins: Sequence[RateBin]) -> NDArray[np.float64]:
    """Put runs one after the other, name some of them, and give their places."""
    places = np.arange(1.0, len(bins) + 1)
    step = math.ceil(len(bins) / 6)
    panel.set_xticks(places[::step], [f"{b.low:.0f}" for b in bins[::step]], rotation=30, ha="right")
    panel.set_xticks([], minor=True)
    return places


def profile_figure(correlation: Mapping[str, Correlation]) -> Figure:
    """Mean score of float and firmware against HT and multiplicity, with its standard error.

    Parameters
    ----------
    correlation
        `correlation` of `metrics.json`.
    """
    with house_style():
        figure = Figure(figsize=(8.6, 3.9), layout="constrained")
        panels = figure.subplots(1, len(correlation), squeeze=False, sharey=True)[0]
        for panel, (quantity, found) in zip(panels, correlation.items(), strict=True):
            own = found.profile
            for model, marker in zip(_SHOWN, ("o", "s"), strict=True):
                found_of = own.models[model]
                mean, error = (np.array(of, dtype=np.float64) for of in (found_of.mean, found_of.standard_error))
                panel.errorbar(
                    own.mean, mean, error, fmt=marker, markersize=5 if model == FLOAT else 4, lw=1.1,
                    color=MODEL_LINES[model]["color"], mfc="white" if model == FLOAT else None, label=model,
                )  # fmt: skip
            shown = ", ".join(f"{model} {found.distance_correlation[model]:.2f}" for model in _SHOWN)
            panel.set_title(f"distance correlation: {shown}", loc="left", fontsize="small")
            panel.set_xlabel(_QUANTITIES.get(quantity, quantity))
            panel.locator_params(axis="x", nbins=6)  # sums of an array have long numbers
            panel.set_yscale("log")
        panels[0].set_ylabel("Mean anomaly score")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return settled(figure)


def loss_figure(ablation: Ablation, label: Callable[[str], str] = str) -> Figure:
    """Change of the area under the curve when only one part is quantized, per signal, with its interval.

    Parameters
    ----------
    ablation
        `ablation` of `metrics.json`.
    label
        Gives the name of a signal in the figure.
    """
    delta = ablation.delta
    ends = [end for own in delta.values() for each in own.values() for end in (each.auc.low, each.auc.high) if end]
    exponent = math.floor(math.log10(max(map(abs, ends), default=1.0)))
    unit = 10.0**exponent if exponent < _PLAIN else 1.0
    signals = list(next(iter(delta.values())))
    with house_style():
        figure = Figure(figsize=(8.6, 0.9 + 0.62 * len(delta)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(delta))[::-1]
        for index, (signal, colour) in enumerate(zip(signals, colours(len(signals)), strict=True)):
            own = [delta[part][signal].auc for part in delta]
            value, low, high = np.array([(each.value, each.low, each.high) for each in own], dtype=np.float64).T / unit
            offset = 0.12 * ((len(signals) - 1) / 2 - index)
            errors = np.maximum([value - low, high - value], 0)
            axes.errorbar(
                value, rows + offset, xerr=errors, fmt="o", markersize=4, color=colour, label=label(signal), lw=1.3
            )
        axes.axvline(0, color="0.4", linewidth=0.9)
        axes.set_yticks(rows, list(delta))
        axes.set_yticks([], minor=True)
        axes.set_ylim(-0.6, len(delta) - 0.4)
        power = "" if unit == 1 else f" [$10^{{{exponent}}}$]"
        axes.set_xlabel(f"Change of AUC against the unrounded network{power}")
        figure.legend(loc="outside upper center", ncols=min(5, len(signals)))
        return settled(figure)


def layer_figure(layers: Sequence[LayerLoss], label: Callable[[str], str] = str) -> Figure:
    """Signal-to-noise ratio and saturation of each layer, background and signals.

    Parameters
    ----------
    layers
        `layers` of `metrics.json`.
    label
        Gives the name of a process in the figure.
    """
    processes = list(layers[0].sqnr_db)
    rows = np.arange(len(layers))[::-1]
    with house_style():
        figure = Figure(figsize=(8.6, 1.0 + 0.3 * len(layers)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for process, colour in zip(processes, ["0.35", *colours(len(processes) - 1)], strict=True):
            ratio = [math.nan if (found := layer.sqnr_db[process]) is None else found for layer in layers]
            left.plot(ratio, rows, "o-", color=colour, markersize=4, linewidth=1.0, label=label(process))
            share = [layer.saturated[process] or math.nan for layer in layers]
            right.plot(share, rows, "o", color=colour, markersize=4)
        left.set_yticks(rows, [layer.name for layer in layers])
        left.set_yticks([], minor=True)
        left.set_xlabel("Signal to quantization noise [dB]")
        right.set_xlabel("Share of saturated values")
        if any(share for layer in layers for share in layer.saturated.values()):
            right.set_xscale("log")
        else:
            right.set_xticks([])
            right.text(0.5, 0.5, "no value saturates", transform=right.transAxes, ha="center", va="center")
        for axes in (left, right):
            axes.grid(axis="y", color="0.9", linewidth=0.6)
            axes.set_axisbelow(True)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=min(5, len(processes)))
        return settled(figure)
