"""Figures as SVG, PNG and PDF: the same figure gives the same bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from fpgaae.config.experiment import Labels
from fpgaae.evaluation.style import house_style

PNG_DPI = 150
_HEADING = "heading"
_HEADING_INCHES = 0.3


def head(figure: Figure, labels: Labels) -> None:
    """Name the experiment and the energy above a figure; nothing in it moves."""
    for legend in figure.legends:  # what is saved grows, and they would move with its edge
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
    if labels.experiment is not None:
        figure.text(0.01, 1, labels.experiment, va="bottom", weight="bold", gid=_HEADING, parse_math=False)
    if labels.energy is not None:
        figure.text(0.99, 1, labels.energy, va="bottom", ha="right", gid=_HEADING, parse_math=False)


def figure_svg(figure: Figure) -> str:
    """Return the figure as SVG, without a date: the same figure gives the same text."""
    buffer = io.StringIO()
    with house_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches=_box(figure))
    return buffer.getvalue()


def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``<name>.png`` and ``<name>.pdf`` into a folder that is there; the same figure gives the same bytes.

    Each is written under a temporary name and then renamed, so that a killed process leaves the previous one whole.

    Returns
    -------
    The paths of the PNG and the PDF.
    """
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    _write(figure, png, dpi=PNG_DPI, metadata={"Software": None})
    _write(figure, pdf, metadata={"Creator": None, "Producer": None, "CreationDate": None})
    return png, pdf


def _write(figure: Figure, path: Path, **options: Any) -> None:  # noqa: ANN401
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with house_style():
            figure.savefig(temporary, format=path.suffix[1:], bbox_inches=_box(figure), **options)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _box(figure: Figure) -> Bbox | None:
    """Give what is saved, in inches: the figure with what stands above it, or None for the figure."""
    if all(text.get_gid() != _HEADING for text in figure.texts):
        return None
    width, height = figure.get_size_inches()
    return Bbox.from_bounds(0, 0, width, height + _HEADING_INCHES)
