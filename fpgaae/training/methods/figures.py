"""The figures of a float method: losses, ROC curves beside the scores without a network, and its main score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.figure_files import save_figure
from fpgaae.evaluation.figures import roc_figure, score_figure, training_figure
from fpgaae.evaluation.metrics import roc_curve
from fpgaae.training.methods.job import MemberHistory

FIGURES_FOLDER = "figures"
ProcessScores = Mapping[str, NDArray[Any]]  # by process: (n,)


def write_figures(
    folder: Path, scores: Mapping[str, ProcessScores], background: str, histories: Sequence[MemberHistory]
) -> None:
    """Write losses, ROC curves and the distribution of the main score into a new folder.

    Parameters
    ----------
    scores
        By name, the main one first; of one member.
    """
    folder = folder / FIGURES_FOLDER
    folder.mkdir()
    main = next(iter(scores.values()))
    figures = {"scores": score_figure(main, background)}
    if set(main) != {background}:
        curves = {
            signal: {name: roc_curve(own[background], own[signal]) for name, own in scores.items()}
            for signal in main
            if signal != background
        }
        figures["roc"] = roc_figure(curves, len(main[background]))
    if histories and histories[0].val_loss:
        figures["losses"] = training_figure(_losses(histories))
    for name, figure in figures.items():
        save_figure(figure, folder, name)


def _losses(histories: Sequence[MemberHistory]) -> dict[str, list[float]]:
    """Give the loss of training and validation, and each of several terms, averaged over the members."""
    losses = {
        "training": _mean([history.loss for history in histories]),
        "validation": _mean([history.val_loss for history in histories]),
    }
    names = list(histories[0].terms)
    if len(names) > 1:
        losses |= {name: _mean([history.terms[name] for history in histories]) for name in names}
    return losses


def _mean(values: list[list[float]]) -> list[float]:
    return [float(value) for value in np.mean(values, axis=0)]
