"""The way from one event to another through the latents, beside the fading of one into the other.

The number: how far the events half-way are from the nearest training event. Where the latents are orderly, those that
are decoded half-way look like events, and those that are merely mixed do not.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fpgaae.evaluation.style import house_style, settled
from fpgaae.explore.explorer import DECODE, ENCODE, Explorer, Found, Use
from fpgaae.explore.uses.pictures import code_limits_of, show_images
from fpgaae.runs.results.explore import InterpolateResult

_TITLE = "Between two events"
_STEPS = 9
_SHOWN_PAIRS = 6
_NEIGHBOURS_OF = 20_000  # training events


def _explore(explorer: Explorer) -> Found:
    starts, ends = _pairs(explorer)
    shares = np.linspace(0, 1, _STEPS, dtype=np.float32)
    latents = explorer.encode(starts), explorer.encode(ends)
    paths = np.stack([explorer.decode((1 - share) * latents[0] + share * latents[1]) for share in shares], axis=1)
    fades = np.stack([(1 - share) * starts + share * ends for share in shares], axis=1)
    tree = cKDTree(explorer.training()[:_NEIGHBOURS_OF])
    middle = _STEPS // 2
    distance = {
        "test events": _nearest(tree, starts),
        "through the latents": _nearest(tree, paths[:, middle]),
        "faded": _nearest(tree, fades[:, middle]),
    }
    summary = (
        "distance to the nearest training event, half-way: "
        + ", ".join(f"{name} {value:.3g}" for name, value in distance.items()),
    )
    result = InterpolateResult(
        use="interpolate",
        title=_TITLE,
        summary=summary,
        pairs=len(starts),
        steps=_STEPS,
        nearest_training_event=distance,
    )
    return Found(result, _figure(explorer, paths[:_SHOWN_PAIRS], fades[:_SHOWN_PAIRS]))


def _pairs(explorer: Explorer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give test events of neighbouring processes, or of the background where there is no other."""
    limit = max(explorer.settings.events // 4, _SHOWN_PAIRS)
    names = [process for process in explorer.processes if process != explorer.background] or [explorer.background]
    events = [explorer.events(process, limit) for process in names]
    n = min(map(len, events))
    rng = np.random.default_rng(explorer.seed)
    order = [own[rng.permutation(len(own))[:n]] for own in events]
    starts = np.concatenate(order)
    ends = np.concatenate([own[::-1] for own in (*order[1:], order[0])])
    mixed = rng.permutation(len(starts))
    return starts[mixed], ends[mixed]


def _nearest(tree: cKDTree, x: NDArray[np.float32]) -> float:
    return float(np.median(tree.query(x)[0]))


def _figure(explorer: Explorer, paths: NDArray[np.float32], fades: NDArray[np.float32]) -> Figure:
    titles = ("Through the latents", "Faded")
    with house_style():
        figure = Figure(figsize=(9.4, 4.2), layout="constrained")
        for panel, title, block in zip(figure.subplots(1, 2), titles, (paths, fades), strict=True):
            images = explorer.images(block.reshape(-1, block.shape[-1]))
            true = explorer.images(fades[:, 0])
            if images is not None and true is not None:
                show_images(panel, np.array_split(images, len(block)), code_limits_of(true))
            else:
                _show_path(panel, block[0], explorer)
            panel.set_title(title, loc="left", fontsize="medium")
        return settled(figure)


def _show_path(panel, path: NDArray[np.float32], explorer: Explorer) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Draw one path of events that are no images: inputs against steps."""
    del explorer
    reach = float(np.abs(path).max())
    panel.imshow(path, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    panel.set_xlabel("Input")
    panel.set_ylabel("Step")


USE = Use(_TITLE, (ENCODE, DECODE), _explore)
