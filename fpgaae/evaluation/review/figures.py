"""Figures that a review asks for: turn-ons, significance, trainings, latents and the most anomalous events."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, MODELS
from fpgaae.evaluation.style import MODEL_LINES, colours, house_style, settled
from fpgaae.runs.results.review import Anomalous, Efficiencies, Improvement, Latents, Losses, TurnOn

_ABOVE = 1.6  # times the largest value that is drawn
MOST_SLOTS = 64  # that the figure of single events has room for
_COLUMNS = 3
_NAMES = {
    "ht": "$H_T$", "met": "Missing $p_T$", "multiplicity": "Number of objects", "sum": "Sum of the cells",
    "cells": "Number of cells", "pileup": "Pile-up",
}  # fmt: skip
_SYMBOLS = {"pt": "$p_T$", "eta": r"$\eta$", "phi": r"$\phi$"}
Label = Callable[[str], str]


def quantity_title(name: str, unit: str) -> str:
    """Name a quantity on an axis."""
    kind, _, quantity = name.rpartition("_")
    symbol = _SYMBOLS.get(quantity)
    text = _NAMES.get(name, name) if symbol is None or not kind else f"Leading {kind}, {symbol}"
    return f"{text} [{unit}]" if unit else text


def turn_on_figure(turn_ons: Mapping[str, TurnOn], label: Label, background: str) -> Figure:
    """Efficiency at the first threshold against quantities, a panel each: points of the firmware, lines of float.

    Parameters
    ----------
    turn_ons
        By quantity, of one kind of object or of whole events.
    label
        Gives the name of a process in the figure.
    """
    processes = list(next(iter(turn_ons.values())).thresholds[0])
    with house_style():
        figure, panels = _panels(len(turn_ons), sharey=True)
        for panel, (name, found) in zip(panels, turn_ons.items(), strict=False):
            of_signals = iter(colours(len(processes)))
            for shift, process in enumerate(processes):
                colour = "black" if process == background else next(of_signals)
                models = found.thresholds[0][process]
                offset = 0.08 * (shift - (len(processes) - 1) / 2)
                _turn_on(panel, found.edges, models, colour, offset, label(process))
            panel.set_xlabel(quantity_title(name, found.unit))
            panel.set_yscale("symlog", linthresh=1e-4, linscale=0.4)
            panel.set_ylim(0, 1.6)
            if found.unit == "GeV" and found.edges[0] >= 0:
                panel.set_xscale("symlog", linthresh=max(found.edges[1], 1.0))
            panel.set_xlim(found.edges[0], found.edges[-1])
        panels[0].set_ylabel("Efficiency")
        handles, labels = panels[0].get_legend_handles_labels()
        _without_minor_ticks(panels)
        figure.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)))
        return settled(figure)


def _turn_on(
    panel: Axes, edges: Sequence[float], models: Mapping[str, Efficiencies], colour: str, offset: float, label: str
) -> None:
    ends = np.array(edges)
    centres = (ends[:-1] + ends[1:]) / 2 + offset * np.diff(ends)
    if (own := models.get(FLOAT)) is not None:
        heights = [np.nan if e is None else e.value for e in own.efficiency]
        panel.stairs(heights, ends, color=colour, linewidth=0.9, alpha=0.6, baseline=None)
    own = models[FIRMWARE]
    places = [i for i, e in enumerate(own.efficiency) if e is not None]
    value, low, high = np.array([own.efficiency[i] for i in places], dtype=float).reshape(-1, 3).T
    errors = (value - low, high - value)
    panel.errorbar(centres[places], value, errors, fmt="o", markersize=2.5, linewidth=0.9, color=colour, label=label)


def significance_figure(
    curves: Mapping[str, Mapping[str, Improvement]], label: Label, labels: Mapping[str, str]
) -> Figure:
    """Significance improvement against the false positive rate, a panel a signal, bands for float and firmware."""
    with house_style():
        figure, panels = _panels(len(curves), columns=2)
        handles: dict[str, Any] = {}
        for panel, (signal, models) in zip(panels, curves.items(), strict=False):
            for model in (name for name in MODELS if name in models and models[name].value):
                own, line = models[model], MODEL_LINES[model]
                (handles[model],) = panel.plot(own.false_positive_rate, own.value, **line)
                if model in {FLOAT, FIRMWARE}:
                    panel.fill_between(
                        own.false_positive_rate, own.low, own.high, color=line["color"], alpha=0.2, linewidth=0
                    )
            rates = np.geomspace(1e-4, 1, 50)
            panel.plot(rates, np.sqrt(rates), color="0.75", linewidth=0.8, zorder=1)
            panel.set_xscale("log")
            highest = max((value for own in models.values() for value in own.value), default=1.0)
            panel.set_ylim(0, _ABOVE * max(highest, 1.0))  # whatever a band of few events reaches up to
            panel.set_title(label(signal), loc="left", fontsize="medium")
        figure.supxlabel("False positive rate", fontsize="medium")
        figure.supylabel("Significance improvement, TPR / FPR$^{1/2}$", fontsize="medium")
        names = [labels.get(model, model) for model in handles]
        _without_minor_ticks(panels)
        figure.legend(list(handles.values()), names, loc="outside upper center", ncols=min(6, max(len(names), 1)))
        return settled(figure)


def trainings_figure(trainings: Mapping[str, Losses]) -> Figure:
    """Losses of every training against the epoch, a panel each."""
    with house_style():
        figure, panels = _panels(len(trainings))
        for panel, (name, own) in zip(panels, trainings.items(), strict=False):
            for values, what, colour in zip(
                (own.loss, own.val_loss), ("training", "validation"), colours(2), strict=True
            ):
                marker = "o" if len(values) == 1 else None
                panel.plot(np.arange(1, len(values) + 1), values, color=colour, label=what, marker=marker)
            panel.set_title(name, loc="left", fontsize="medium")
            panel.set_xlabel("Epoch")
        panels[0].set_ylabel("Loss")
        _without_minor_ticks(panels)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return settled(figure)


def latents_figure(latents: Latents, label: Label, background: str) -> Figure:
    """Distribution of each latent of the deployed encoder, every process normalised to its events."""
    edges = np.array(latents.edges)
    with house_style():
        figure, panels = _panels(len(latents.latents), height=2.3, sharey=True, sharex=True)
        for index, (panel, processes) in enumerate(zip(panels, latents.latents, strict=False)):
            of_signals = iter(colours(len(processes)))
            for process, own in processes.items():
                filled = process == background
                heights = np.array(own.counts) / max(latents.events[process], 1)
                panel.stairs(
                    heights, edges, fill=filled, color="#d5dadf" if filled else next(of_signals), label=label(process),
                    linewidth=0 if filled else 1.3, baseline=0 if filled else None,
                )  # fmt: skip
            panel.set_yscale("log")
            panel.set_title(f"latent {index}", loc="left", fontsize="small")
        figure.supylabel("Share of the events", fontsize="medium")
        handles, labels = panels[0].get_legend_handles_labels()
        _without_minor_ticks(panels)
        figure.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)))
        return settled(figure)


def anomalous_figure(anomalous: Anomalous) -> Figure:
    """By what share the score of each of the most anomalous events falls without each slot."""
    shares = np.array([event.shares for event in anomalous.events])
    with house_style():
        figure = Figure(figsize=(2.5 + 0.28 * len(anomalous.slots), 1.8 + 0.19 * len(shares)), layout="constrained")
        axes = figure.subplots()
        mesh = axes.pcolormesh(np.clip(shares, 0, 1), cmap="Blues", norm=Normalize(0, 1), edgecolors="white", lw=0.4)
        axes.set_xticks(np.arange(len(anomalous.slots)) + 0.5, anomalous.slots, rotation=90, fontsize="x-small")
        step = 1 if len(shares) <= 10 else 5
        numbers = np.arange(0, len(shares), step)
        axes.set_yticks(numbers + 0.5, [str(n + 1) for n in numbers], fontsize="x-small")
        axes.minorticks_off()
        axes.invert_yaxis()
        axes.set_ylabel("Event, the most anomalous first", fontsize="small")
        figure.colorbar(mesh, ax=axes, label="Score that the slot makes", pad=0.02)
        return settled(figure)


def _without_minor_ticks(panels: Sequence[Axes]) -> None:
    """Leave out minor ticks: in many small panels they take most of the time and tell nothing."""
    for panel in panels:
        panel.minorticks_off()


def _panels(
    number: int, columns: int = _COLUMNS, height: float = 3.2, *, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure with that many panels, and hide those that its last row has too many."""
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(1 + 3.2 * columns, 0.7 + height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).flat)
    for panel in panels[number:]:
        panel.set_visible(False)
    return figure, panels[:number]
