"""Colours, lines and ticks of the figures, and the style context that they are drawn in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, QUANTIZED, TEACHER

# Ten colours that remain distinct in the common forms of colour blindness: M. A. Petroff, arXiv:2107.02270 (2021)
PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
BACKGROUND_COLOUR = "#d5dadf"
MODEL_LINES: dict[str, dict[str, Any]] = {
    FLOAT: {"color": PALETTE[0], "linewidth": 3.2, "alpha": 0.75, "zorder": 3},
    QUANTIZED: {"color": PALETTE[1], "linewidth": 1.8, "zorder": 4},
    FIRMWARE: {"color": PALETTE[2], "linewidth": 1.4, "linestyle": (0, (4, 3)), "zorder": 5},
    TEACHER: {"color": "black", "linewidth": 1.1, "zorder": 3.5},
    "sum_pt": {"color": PALETTE[8], "linewidth": 1.2, "linestyle": "dotted", "zorder": 2},
    "n_objects": {"color": PALETTE[4], "linewidth": 1.1, "linestyle": "dashdot", "zorder": 2},
    "pca": {"color": PALETTE[5], "linewidth": 1.2, "linestyle": (0, (1, 1)), "zorder": 2},
}
# mplhep's ROOT style is drawn for slides of 10 by 10 inches; a page wants its ticks and type smaller
STYLE: Any = {  # `Any`: matplotlib 3.11 types the keys as literals, older ones as `str`
    **mplhep.style.ROOT,
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],  # the second has the glyphs that the first lacks
    "font.size": 11,
    "axes.linewidth": 0.9,
    "axes.unicode_minus": True,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.5,
    **{f"{axis}tick.major.size": 6 for axis in "xy"},
    **{f"{axis}tick.minor.size": 3 for axis in "xy"},
    "pdf.compression": 6,
    "svg.hashsalt": "fpgaae",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw or save within the style of this package; what was set before returns afterwards."""
    with mpl.rc_context(STYLE):
        yield


def colours(number: int) -> list[str]:
    """Give `number` colours for lines that are not models; the grey of the palette is left out."""
    strong = (*PALETTE[:3], *PALETTE[4:])
    return [strong[i % len(strong)] for i in range(number)]


def settled(figure: Figure) -> Figure:
    """Lay out once and for all: a second pass moves the axes by rounding, and the bytes of a file with them.

    No engine is left, not even one that does nothing: with one, every saving draws the figure twice.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    return figure


def set_score_ticks(axes: Axes, width: float) -> None:
    """Label zero and the round numbers that have room on an asinh axis, where matplotlib's own ticks overlap near zero.

    Parameters
    ----------
    axes
        Axes whose limits are set.
    width
        Where the axis turns from linear to logarithmic; far below it numbers are too close to zero for a label.
    """
    low, high = axes.get_xlim()
    first, last = (math.floor(math.log10(value)) for value in (width / 5, max(abs(low), abs(high))))
    numbers = [(factor, factor * 10.0**power) for power in range(first, last + 1) for factor in range(1, 10)]
    nearest = {1: width / 3} if last - first > 3 else {1: width / 3, 2: width / 2, 5: width / 2}
    labelled = [value for factor, value in numbers if value >= nearest.get(factor, math.inf)]
    unlabelled = [value for _, value in numbers if value >= width / 5]
    for ticks, minor in (([0.0, *labelled], False), (unlabelled, True)):
        both = np.unique([0.0 + sign * value for value in ticks for sign in (-1, 1)])
        axes.set_xticks(both[(both >= low) & (both <= high)], minor=minor)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def tick_label(value: float) -> str:
    """Write a round number as people do, and a very large or small one as a power of ten."""
    if value == 0 or 1e-3 < abs(value) < 1e5:
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")
    mantissa, exponent = f"{value:.0e}".split("e")
    factor = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa} \times ")
    return f"${factor}10^{{{int(exponent)}}}$"
