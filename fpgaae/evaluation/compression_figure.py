"""The figure of compressed images: what went in, and what float model and firmware give back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

Images = NDArray[np.float64]


def compression_figure(images: Images, decoded: Mapping[str, Images]) -> Figure:
    """Show images and what came back of them, a row each, on one scale an image.

    Parameters
    ----------
    images
        (n, height, width) counts.
    decoded
        The same by model.
    """
    rows = {"input": images, **decoded}
    figure = Figure(figsize=(1.6 * len(images) + 1.2, 1.5 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(images), squeeze=False)
    for column in range(len(images)):
        norm = PowerNorm(0.5, vmin=0, vmax=max(float(images[column].max()), 1.0), clip=True)
        for row, (name, own) in enumerate(rows.items()):
            panel = panels[row, column]
            shown = panel.imshow(own[column], norm=norm, cmap="viridis", interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            if column == 0:
                panel.set_ylabel(name)
        largest = round(norm.vmax or 1.0)
        ticks = sorted({0, largest // 4, largest})
        figure.colorbar(
            shown, ax=panels[:, column], location="bottom", shrink=0.9, label="counts", pad=0.02, ticks=ticks
        )
    return figure
