"""What the figures of several uses share: grids of images, colours of processes, the PCA of wide latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.baselines import PcaBaseline
from fpgaae.evaluation.style import BACKGROUND_COLOUR, PALETTE

_HOLE = "#f0c9a0"


def process_colours(processes: Sequence[str], background: str) -> dict[str, str]:
    """Give every process its colour; the background, where it is shown, is light grey."""
    others = [process for process in processes if process != background]
    found = {process: PALETTE[i % len(PALETTE)] for i, process in enumerate(others)}
    return {background: BACKGROUND_COLOUR, **found} if background in processes else found


def show_images(panel: Axes, rows: Sequence[NDArray[np.float64]], limits: tuple[float, float]) -> None:
    """Draw images (n, height, width) of each row side by side, a pixel apart; what is not a number is a hole."""
    height, width = rows[0].shape[1:]
    canvas = np.full((len(rows) * (height + 1) - 1, len(rows[0]) * (width + 1) - 1), limits[0])
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            canvas[i * (height + 1) : i * (height + 1) + height, j * (width + 1) : j * (width + 1) + width] = image
    colours = colormaps["gray_r"].with_extremes(bad=_HOLE)
    panel.imshow(canvas, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    panel.set_axis_off()


def code_limits_of(images: NDArray[np.float64]) -> tuple[float, float]:
    """Give the range of grey values of true images."""
    return float(images.min()), float(images.max())


class Plane:
    """The plane in which latents are shown: themselves if there are two, otherwise the leading components."""

    def __init__(self, latents: NDArray[Any]) -> None:
        self._pca = PcaBaseline.fit([latents], 2) if latents.shape[1] > 2 else None
        variance = latents.var(axis=0).sum()
        self.explained = 1.0 if self._pca is None else float(self(latents).var(axis=0).sum() / variance)

    def __call__(self, latents: NDArray[Any]) -> NDArray[np.float64]:
        """Give the coordinates (n, 2), or (n, 1) of a single latent."""
        if self._pca is None:
            return np.asarray(latents, dtype=np.float64)
        return self._pca.project(latents)

    def label(self, panel: Axes) -> None:
        """Write what the axes are."""
        names = ("Latent 1", "Latent 2") if self._pca is None else ("Principal component 1", "Principal component 2")
        panel.set_xlabel(names[0])
        panel.set_ylabel(names[1])


def scatter_processes(panel: Axes, points: Mapping[str, NDArray[np.float64]], background: str) -> None:
    """Draw the points of every process; the background lies below."""
    colours = process_colours(list(points), background)
    for process, own in points.items():
        panel.scatter(
            own[:, 0], own[:, 1], s=5, color=colours[process], linewidths=0, alpha=0.7,
            zorder=1 if process == background else 2, label=process, rasterized=True,
        )  # fmt: skip
    joined = np.concatenate(list(points.values()))
    for limits, low, high in zip(
        (panel.set_xlim, panel.set_ylim), *np.quantile(joined, [0.002, 0.998], axis=0), strict=True
    ):
        margin = 0.08 * (high - low) or 1.0
        limits(low - margin, high + margin)


def legend_above(figure: Figure, panel: Axes) -> None:
    """Put the legend of a panel above the figure, with marks that can be seen."""
    handles, labels = panel.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)))
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40])
            handle.set_alpha(1)
