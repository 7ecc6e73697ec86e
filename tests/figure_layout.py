"""What is wrong with the layout of a figure: texts that are cut off or lie on each other."""

from __future__ import annotations

import itertools

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from fpgaae.evaluation.style import house_style


def layout_faults(figure: Figure) -> list[tuple[str, ...]]:
    """Texts that leave the figure, and pairs that overlap."""
    with house_style():
        figure.draw_without_rendering()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if axes.get_visible():
            texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, *tick_labels(axes)]
            texts += [child for child in axes.get_children() if isinstance(child, Text) and child is not axes.title]
    boxes = {
        id(text): (text.get_text(), text.get_window_extent().shrunk(0.9, 0.9)) for text in texts if text.get_text()
    }
    assert len(boxes) > 5
    width, height = figure.bbox.size
    cut = [(a,) for a, box in boxes.values() if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
    pairs = itertools.combinations(boxes.values(), 2)
    return [*cut, *((a, b) for (a, box), (b, other) in pairs if box.overlaps(other))]


def tick_labels(axes: Axes) -> list[Text]:
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        labels += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_visible()]
    return labels
