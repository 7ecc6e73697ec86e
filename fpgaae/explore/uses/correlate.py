"""Latents and scores against what a physicist knows of the event: sum of pT, multiplicity, magnetisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.explore.explorer import ENCODE, Explorer, Found, Use, has
from fpgaae.runs.results.explore import CorrelateResult, LatentCorrelation, MemberCorrelation, QuantityCorrelation
from fpgaae.training.methods.quantities import QUANTITIES, known_quantities, measure
from fpgaae.training.methods.stage import open_scorer

_TITLE = "Against known quantities"
_BINS = 12
_SHOWN_POINTS = 4000


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Give the linear correlation, 0 where one does not vary."""
    first, second = (np.asarray(own, dtype=np.float64) - np.mean(own) for own in (first, second))
    spread = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    return float((first * second).sum() / spread) if spread > 0 else 0.0


def spearman(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Give the correlation of the ranks."""
    return pearson(rankdata(first), rankdata(second))


def _explore(explorer: Explorer) -> Found:
    x = explorer.events(explorer.background)
    names = known_quantities(explorer.config.data.hardware)
    known = {name: measure(explorer.run, explorer.background, "test", name) for name in names}
    latents = explorer.encode(x) if has(type(explorer.method), ENCODE) else None
    main, scores = _scores(explorer, x)
    found: dict[str, QuantityCorrelation] = {}
    summary = []
    for name, values in known.items():
        members = _of_scores(explorer, scores, values)
        if latents is None:
            found[name] = QuantityCorrelation(members=members)
        else:
            own = tuple(LatentCorrelation(pearson=pearson(z, values), spearman=spearman(z, values)) for z in latents.T)
            best = int(np.argmax([abs(each.pearson) for each in own]))
            found[name] = QuantityCorrelation(members=members, latents=own, latent=best + 1, pearson=own[best].pearson)
            summary.append(f"{name}: correlation {own[best].pearson:+.3f} with latent {best + 1}")
        summary += [f"{name}: rank correlation {by_point} with the score {main}" for by_point in _by_point(members)]
    result = CorrelateResult(
        use="correlate", title=_TITLE, summary=tuple(summary), events=len(x), score=main, quantities=found
    )
    return Found(result, _figure(known, latents, scores, result))


def _scores(explorer: Explorer, x: NDArray[np.float32]) -> tuple[str, NDArray[np.float64]]:
    """Give the name of the main score, and that of every member, (n_members, n)."""
    functions = explorer.method.scores()
    main = next(iter(explorer.method.options.scores or functions))
    knobs = [explorer.job.knobs(member) for member in explorer.job.members]
    return main, open_scorer(functions[main], explorer.trained, knobs)({"x": x})


def _of_scores(
    explorer: Explorer, scores: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[MemberCorrelation, ...]:
    return tuple(
        MemberCorrelation(seed=m.seed, point=m.point, pearson=pearson(own, values), spearman=spearman(own, values))
        for m, own in zip(explorer.job.members, scores, strict=True)
    )


def _by_point(members: Sequence[MemberCorrelation]) -> list[str]:
    """Give the mean rank correlation over the seeds of each point, with its spread."""
    found: dict[str, list[float]] = {}
    for member in members:
        found.setdefault(_point(member), []).append(member.spearman)
    return [
        f"{np.mean(values):+.3f}{f' ± {np.std(values, ddof=1):.3f}' if len(values) > 1 else ''}{point}"
        for point, values in found.items()
    ]


def _point(member: MemberCorrelation) -> str:
    return "".join(f", {key} {value:g}" for key, value in member.point.items())


def _figure(
    known: dict[str, NDArray[np.float64]],
    latents: NDArray[np.float32] | None,
    scores: NDArray[np.float64],
    result: CorrelateResult,
) -> Figure:
    columns = 1 if latents is None else 2
    with house_style():
        figure = Figure(figsize=(0.6 + 5 * columns, 0.5 + 3.8 * len(known)), layout="constrained")
        panels = figure.subplots(len(known), columns, squeeze=False)
        for row, (name, values) in zip(panels, known.items(), strict=True):
            own = result.quantities[name]
            if latents is not None and own.latent is not None:
                _cloud(row[0], values, latents[:, own.latent - 1])
                row[0].set_ylabel(f"Latent {own.latent}")
                row[0].set_title(f"correlation {own.pearson:+.3f}", loc="right", fontsize="small")
            _profile(row[-1], values, scores, own.members)
            row[-1].set_ylabel(f"Mean rank of the score {result.score}")
            for panel in row:
                panel.set_xlabel(QUANTITIES[name].label)
        return settled(figure)


def _cloud(panel: Axes, values: NDArray[np.float64], latent: NDArray[np.float32]) -> None:
    chosen = np.random.default_rng(0).permutation(len(values))[:_SHOWN_POINTS]
    panel.scatter(
        values[chosen], latent[chosen], s=4, color=PALETTE[0], linewidths=0, alpha=0.5, rasterized=True
    )  # fmt: skip
    low, high = np.quantile(values, [0, 0.998])
    panel.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))


def _profile(
    panel: Axes, values: NDArray[np.float64], scores: NDArray[np.float64], members: Sequence[MemberCorrelation]
) -> None:
    """Draw the mean of the rank of the score in bins of the quantity that hold as many events each."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)))
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    bins = np.unique(index)
    centre = [float(np.median(values[index == i])) for i in bins]
    points = list(dict.fromkeys(_point(member) for member in members))
    seen: set[str] = set()
    for member, own in zip(members, scores, strict=True):
        rank, point = rankdata(own) / len(own), _point(member)
        middle = [float(np.mean(rank[index == i])) for i in bins]
        label = point.removeprefix(", ") if point and point not in seen else None
        panel.plot(centre, middle, "o-", color=PALETTE[points.index(point) % len(PALETTE)], markersize=4, label=label)
        seen.add(point)
    panel.axhline(0.5, color="0.75", linewidth=0.8, zorder=1)
    panel.set_ylim(0, 1)
    if len(points) > 1:
        panel.legend()


USE = Use(_TITLE, (), _explore)
