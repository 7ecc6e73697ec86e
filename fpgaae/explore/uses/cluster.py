"""Clusters of the latents (k-means) against the processes that the events come from.

The adjusted Rand index is 1 for the true division and 0 in the mean for a random one (Hubert & Arabie, J. Classif. 2
(1985) 193); the purity is the share of events that belong to the commonest process of their cluster.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.explore.explorer import ENCODE, Explorer, Found, Use
from fpgaae.explore.uses.pictures import Plane, legend_above
from fpgaae.runs.results.explore import ClusterAgreement, ClusterResult

_TITLE = "Clusters of the latents"
_RESTARTS = 10


def purity(processes: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """Give the share of events that belong to the commonest process of their cluster."""
    return float(_table(processes, clusters).max(axis=0).sum() / len(processes))


def _table(processes: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    table = np.zeros((processes.max() + 1, clusters.max() + 1), dtype=np.int64)
    np.add.at(table, (processes, clusters), 1)
    return table


def _explore(explorer: Explorer) -> Found:
    names = explorer.processes
    if len(names) < 2:
        raise InputError("clusters are compared with processes, and there is one only; name more in `data.files`")
    per_process = max(explorer.settings.events // 2, 50)
    events = [explorer.events(process, per_process) for process in names]
    n = min(map(len, events))
    x = np.concatenate([own[:n] for own in events])
    processes = np.repeat(np.arange(len(names)), n)
    spaces = {"latents": explorer.encode(x), "inputs": x}
    clusters = {space: _clusters(own, len(names), explorer.seed) for space, own in spaces.items()}
    agreement = {
        space: ClusterAgreement(adjusted_rand_index=_rand_index(processes, own), purity=purity(processes, own))
        for space, own in clusters.items()
    }
    summary = tuple(
        f"clusters of the {space}: adjusted Rand index {agreement[space].adjusted_rand_index:.3f}, "
        f"purity {agreement[space].purity:.3f}"
        for space in spaces
    )
    result = ClusterResult(
        use="cluster",
        title=_TITLE,
        summary=summary,
        events=len(x),
        clusters=len(names),
        latents=agreement["latents"],
        inputs=agreement["inputs"],
    )
    return Found(result, _figure(spaces["latents"], processes, clusters["latents"], names))


def _clusters(values: NDArray[np.float32], n: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - it takes a second to import

    return np.asarray(KMeans(n, n_init=_RESTARTS, random_state=seed).fit_predict(values), dtype=np.int64)


def _rand_index(processes: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    return float(adjusted_rand_score(processes, clusters))


def _figure(
    latents: NDArray[np.float32], processes: NDArray[np.int64], clusters: NDArray[np.int64], names: tuple[str, ...]
) -> Figure:
    """Draw the latents by process, and beside it which process the events of each cluster come from."""
    points = Plane(latents)(latents)
    table = _table(processes, clusters)
    order = np.argsort(table.argmax(axis=0), kind="stable")
    share = (table / table.sum(axis=1, keepdims=True))[:, order]
    with house_style():
        figure = Figure(figsize=(11, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        for i, name in enumerate(names):
            own = points[processes == i]
            across = own[:, 1] if own.shape[1] > 1 else np.random.default_rng(i).normal(size=len(own))
            left.scatter(own[:, 0], across, s=5, color=PALETTE[i % len(PALETTE)], linewidths=0, label=name)
        left.set_xlabel("Latents in the plane, by process")
        picture = right.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        right.set_yticks(range(len(names)), names, fontsize="small")
        right.set_xticks(range(len(order)), [str(i + 1) for i in range(len(order))], fontsize="small")
        right.tick_params(which="minor", left=False, right=False, top=False, bottom=False)
        right.set_xlabel("Cluster")
        figure.colorbar(picture, ax=right, label="Share of the process")
        legend_above(figure, left)
        return settled(figure)


USE = Use(_TITLE, (ENCODE,), _explore)
