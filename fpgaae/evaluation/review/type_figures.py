"""Figures of inputs, weights and values against the types that hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpgaae.evaluation.review.figures import quantity_title
from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.runs.results.review import InputDistribution, ValueProfile

_MANY = 120  # inputs that have names in the figure


def input_figure(inputs: Sequence[InputDistribution], background: str) -> Figure:
    """Distribution of the background on every input, a panel a kind and quantity, a line a slot.

    In physical values, with what a step of the hardware integer stands for.
    """
    kinds: dict[str, list[InputDistribution]] = {}
    for entry in inputs:
        kinds.setdefault(_kind_of(entry), []).append(entry)
    columns = min(3, len(kinds))
    rows = math.ceil(len(kinds) / columns)
    with house_style():
        figure = Figure(figsize=(1 + 3.2 * columns, 0.5 + 3.1 * rows), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for panel, (name, entries) in zip(panels, kinds.items(), strict=False):
            for index, entry in enumerate(entries):
                _histogram(panel, entry, background, shade=index / max(len(entries) - 1, 1))
            panel.set_yscale("log")
            panel.minorticks_off()
            title = quantity_title(name, entries[0].unit).replace("Leading ", "")
            panel.set_xlabel(f"{title}, {entries[0].lsb:.3g} a code", fontsize="small")
        for panel in panels[len(kinds) :]:
            panel.set_visible(False)
        figure.supylabel("Share of the background", fontsize="medium")
        return settled(figure)


def _kind_of(entry: InputDistribution) -> str:
    """Name the panel of an input: its kind and quantity, without its slot; all cells of an array have one."""
    parts = entry.name.split("_")
    if parts[-1] != entry.quantity:
        return parts[0]
    return "_".join([*(part for part in parts[:-1] if not part.isdigit()), entry.quantity])


def _histogram(panel: Axes, entry: InputDistribution, background: str, shade: float) -> None:
    own = entry.processes[background]
    edges = (entry.first_code + entry.codes_a_bin * np.arange(len(own.counts) + 1) - 0.5) * entry.lsb
    colour = (0.2 + 0.55 * shade, 0.45 + 0.35 * shade, 0.75 + 0.15 * shade)
    panel.stairs(np.array(own.counts) / own.events, edges, color=colour, linewidth=1.1, baseline=None)


def network_input_figure(inputs: Sequence[InputDistribution], background: str, ends: tuple[float, float]) -> Figure:
    """Network inputs of the background, and the share of each process that saturates.

    Boxes hold 50 % and lines 98 % of the events; the grey lines are the ends of the network's input type.
    """
    places = np.arange(len(inputs))
    low, quarter, median, upper, high = np.array([entry.processes[background].quantiles for entry in inputs]).T
    with house_style():
        figure = Figure(figsize=(10.6, 5.6), layout="constrained")
        values, shares = figure.subplots(2, 1, sharex=True)
        values.vlines(places, low, high, color=PALETTE[0], linewidth=1)
        values.bar(places, upper - quarter, bottom=quarter, width=0.7, color=PALETTE[0], alpha=0.6)
        values.plot(places, median, "_", color="black", markersize=5)
        for end in ends:
            values.axhline(end, color="0.5", linewidth=1, linestyle=(0, (5, 3)))
        values.set_ylabel("Network input", fontsize="small")
        own = [entry.processes[background] for entry in inputs]
        for label, found, colour in (
            ("0", [e.zero for e in own], "0.4"),
            ("largest code", [e.largest_code for e in own], PALETTE[1]),
            ("network input saturated", [e.saturated_low + e.saturated_high for e in own], PALETTE[2]),
        ):
            shares.plot(places, found, "o" if label != "0" else "_", color=colour, markersize=4, label=label)
        shares.set_yscale("symlog", linthresh=1e-5, linscale=0.4)
        shares.set_ylim(0, 1.5)
        shares.set_ylabel("Share of the background", fontsize="small")
        if len(inputs) <= _MANY:
            shares.set_xticks(places, [entry.name for entry in inputs], rotation=90, fontsize=6)
            shares.minorticks_off()
        shares.set_xlim(-1, len(inputs))
        figure.legend(*shares.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        return settled(figure)


def type_figure(profiles: Sequence[ValueProfile]) -> Figure:
    """Sizes of unrounded weights and values of each layer against the range that their type resolves, in powers of two.

    Grey: from the least step of the type to its largest value. Boxes hold 50 %, lines 90 % of what is not zero, and
    points are the largest.
    """
    shown = [p for p in profiles if p.quantiles is not None]
    with house_style():
        figure = Figure(figsize=(8.6, 1.2 + 0.22 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for place, own in enumerate(shown):
            quantiles = own.quantiles or ()
            colour = PALETTE[0] if own.part == "values" else PALETTE[1]
            ends = np.log2([own.lsb, own.largest])
            axes.barh(place, ends[1] - ends[0], left=ends[0], height=0.85, color="0.88")
            _, low, quarter, _, upper, high, most = np.log2(quantiles)
            axes.hlines(place, low, high, color=colour, linewidth=1.2)
            axes.barh(place, upper - quarter, left=quarter, height=0.5, color=colour)
            axes.plot(most, place, "o", color="black", markersize=2.5)
        axes.set_yticks(range(len(shown)), [f"{p.layer}, {p.part}" for p in shown], fontsize="x-small")
        axes.tick_params(axis="y", which="minor", left=False, right=False)
        axes.invert_yaxis()
        axes.set_xlabel("Absolute value, power of two")
        return settled(figure)
