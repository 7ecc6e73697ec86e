"""The figure of drift: how far inputs moved, and the firmware's rates in both samples."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.runs.results.drift import Drift

_SHOWN = 20  # inputs, those that moved the most


def drift_figure(drift: Drift) -> Figure:
    """Left: the distance of the inputs that moved the most. Right: the rate of each threshold in both samples."""
    shown = drift.features[:_SHOWN]
    with house_style():
        figure = Figure(figsize=(8.6, 1.6 + 0.19 * len(shown)), layout="constrained")
        inputs, rates = figure.subplots(1, 2, width_ratios=(1.6, 1))
        colours = [PALETTE[2] if feature.moved else "0.7" for feature in shown]
        inputs.barh(np.arange(len(shown)), [feature.distance for feature in shown], color=colours, height=0.75)
        inputs.set_yticks(range(len(shown)), [feature.name for feature in shown], fontsize="x-small")
        inputs.invert_yaxis()
        inputs.set_xlim(left=0)
        inputs.set_xlabel("Kolmogorov-Smirnov distance", fontsize="small")
        for shift, name, colour in ((-0.1, "reference", "black"), (0.1, "other", PALETTE[2])):
            value, low, high = np.array([getattr(rate, name).rate_khz for rate in drift.rates]).T
            places = np.arange(len(drift.rates)) + shift
            rates.errorbar(places, value, (value - low, high - value), fmt="o", markersize=4, color=colour, label=name)
        rates.set_xticks(range(len(drift.rates)), [f"{rate.code:,}" for rate in drift.rates], fontsize="x-small")
        rates.set_xlim(-0.6, len(drift.rates) - 0.4)
        rates.set_ylim(bottom=0)
        for axes in (inputs, rates):
            axes.minorticks_off()
        rates.set_xlabel("Threshold", fontsize="small")
        rates.set_ylabel("Rate [kHz]", fontsize="small")
        figure.legend(*rates.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return settled(figure)
