"""Figures as SVG, PNG and PDF: the same figure gives the same bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fpgaae.evaluation.style import house_style

PNG_DPI = 150


def figure_svg(figure: Figure) -> str:
    """Return the figure as SVG, without a date: the same figure gives the same text."""
    buffer = io.StringIO()
    with house_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
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
            figure.savefig(temporary, format=path.suffix[1:], **options)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
