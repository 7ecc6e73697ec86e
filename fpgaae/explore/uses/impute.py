"""Missing inputs filled in by the reconstruction of the others, against filling in the mean of training.

Judged by the root of the mean squared error of each missing input, and on images by the structural similarity with the
true ones (Wang et al., IEEE Trans. Image Process. 13 (2004) 600; scikit-image's implementation).
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.style import BACKGROUND_COLOUR, PALETTE, house_style, settled
from fpgaae.explore.explorer import DECODE, ENCODE, Explorer, Found, Use
from fpgaae.explore.uses.pictures import code_limits_of, show_images
from fpgaae.optional import require
from fpgaae.runs.results.explore import ImputeResult

_TITLE = "Missing inputs"
_SHOWN = 12
_LEAST_WINDOW, _USUAL_WINDOW = 3, 7
_LEAST_SPREAD, _MOST = 0.5, 2.0  # counts, and the end of the axis of ratios
MEAN, IMPUTED = "mean", "imputed"


def impute(explorer: Explorer, x: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill in what is missing, (n, n_features): the mean goes in, as where a denoising autoencoder masks."""
    reconstruction = explorer.reconstruct(np.where(missing, explorer.method.setting.mean, x))
    return np.where(missing, reconstruction, x)


def similarity(true: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give the mean structural similarity of images (n, height, width)."""
    low, high = code_limits_of(true)
    side = min(true.shape[1:])
    window = max(min(_USUAL_WINDOW, side - 1 + side % 2), _LEAST_WINDOW)
    pairs = zip(true, other, strict=True)
    compare = require("skimage.metrics", "images are compared with it").structural_similarity
    values = [compare(a, b, data_range=high - low, win_size=window) for a, b in pairs]
    return float(np.mean(values))


def _explore(explorer: Explorer) -> Found:
    x = explorer.events(explorer.background, explorer.settings.events)
    missing = np.random.default_rng(explorer.seed).random(x.shape) < explorer.settings.missing
    missing &= explorer.method.setting.variance > 0
    filled = {
        MEAN: np.where(missing, explorer.method.setting.mean, x),
        IMPUTED: impute(explorer, x, missing),
    }
    errors = {name: _errors(explorer, x, own, missing) for name, own in filled.items()}
    whole = {name: float(np.sqrt(np.square(own - x)[missing].mean())) for name, own in filled.items()}
    summary = [f"missing inputs, in units of their spread: imputed {whole[IMPUTED]:.3f}, by the mean {whole[MEAN]:.3f}"]
    images = {name: explorer.images(own) for name, own in {"true": x, **filled}.items()}
    shown = {name: own for name, own in images.items() if own is not None}
    alike = None
    if shown:
        alike = {name: similarity(shown["true"], shown[name]) for name in filled}
        summary.append(f"structural similarity: imputed {alike[IMPUTED]:.3f}, by the mean {alike[MEAN]:.3f}")
    result = ImputeResult(
        use="impute",
        title=_TITLE,
        summary=tuple(summary),
        events=len(x),
        missing=explorer.settings.missing,
        rmse=whole,
        rmse_per_feature={name: dict(zip(_names(explorer), own, strict=True)) for name, own in errors.items()},
        ssim=alike,
    )
    return Found(result, _image_figure(shown, missing) if shown else _bar_figure(errors, _names(explorer)))


def _names(explorer: Explorer) -> list[str]:
    return [feature.hardware.name for feature in explorer.features.features]


def _errors(
    explorer: Explorer, x: NDArray[np.float32], filled: NDArray[np.float32], missing: NDArray[np.bool_]
) -> list[float]:
    """Give the error of every input in hardware integers, where it is missing."""
    squared = np.square(explorer.codes(filled) - explorer.codes(x)) * missing
    return [float(value) for value in np.sqrt(squared.sum(axis=0) / np.maximum(missing.sum(axis=0), 1))]


def _image_figure(images: dict[str, NDArray[np.float64]], missing: NDArray[np.bool_]) -> Figure:
    true = images["true"][:_SHOWN]
    holes = np.where(missing[:_SHOWN].reshape(true.shape), np.nan, true)
    rows = {"True": true, "Missing": holes, "Mean": images[MEAN][:_SHOWN], "Imputed": images[IMPUTED][:_SHOWN]}
    with house_style():
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        for panel, (name, own) in zip(figure.subplots(4), rows.items(), strict=True):
            show_images(panel, [own], code_limits_of(true))
            panel.set_title(name, loc="left", fontsize="small")
        return settled(figure)


def _bar_figure(errors: dict[str, list[float]], names: list[str]) -> Figure:
    """Draw the ratio of the errors of every input whose own spread is at least half a count, at most `_MOST`."""
    shown = [i for i, value in enumerate(errors[MEAN]) if value >= _LEAST_SPREAD]
    ratio = np.array([min(errors[IMPUTED][i] / errors[MEAN][i], _MOST) for i in shown])
    with house_style():
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        panel = figure.subplots()
        colours = [PALETTE[0] if value < 1 else BACKGROUND_COLOUR for value in ratio]
        panel.bar(np.arange(len(shown)), ratio, color=colours, width=0.8)
        panel.axhline(1, color="black", linewidth=1, linestyle=(0, (5, 3)))
        panel.set_xticks(np.arange(len(shown)), [names[i] for i in shown], rotation=90, fontsize=7)
        panel.tick_params(axis="x", which="minor", bottom=False, top=False)
        panel.set_xlim(-1, len(shown))
        panel.set_ylim(0, _MOST)
        panel.set_ylabel("RMSE of the imputed / of the mean")
        return settled(figure)


USE = Use(_TITLE, (ENCODE, DECODE), _explore, compresses=True)
