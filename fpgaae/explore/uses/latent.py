"""The latents of the test events in the plane."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.style import house_style, settled
from fpgaae.explore.explorer import ENCODE, Explorer, Found, Use
from fpgaae.explore.uses.pictures import Plane, legend_above, process_colours, scatter_processes
from fpgaae.runs.results.explore import LatentResult

_TITLE = "The latents in the plane"
_ACTIVE = 0.01  # variance above which a latent says something: Burda et al., arXiv 1509.00519, section 5.2


def _explore(explorer: Explorer) -> Found:
    latents = {p: explorer.encode(explorer.events(p, explorer.settings.events)) for p in explorer.processes}
    of_training = explorer.encode(explorer.training()[:50_000])
    plane = Plane(of_training)
    active = int((of_training.var(axis=0) > _ACTIVE).sum())
    result = LatentResult(
        use="latent",
        title=_TITLE,
        summary=(
            f"{active} of {of_training.shape[1]} latents vary by more than {_ACTIVE:g}; "
            f"the plane holds {100 * plane.explained:.0f} % of their variance",
        ),
        latents=of_training.shape[1],
        active_latents=active,
        explained_variance=plane.explained,
        mean={p: tuple(plane(own).mean(axis=0).tolist()) for p, own in latents.items()},
        spread={p: tuple(plane(own).std(axis=0).tolist()) for p, own in latents.items()},
        events={p: len(own) for p, own in latents.items()},
    )
    return Found(result, _figure({p: plane(own) for p, own in latents.items()}, plane, explorer.background))


def _figure(points: dict[str, NDArray[np.float64]], plane: Plane, background: str) -> Figure:
    with house_style():
        figure = Figure(figsize=(6.4, 6.2), layout="constrained")
        panel = figure.subplots()
        if next(iter(points.values())).shape[1] == 1:
            joined = np.concatenate(list(points.values()))
            low, high = (float(end) for end in np.quantile(joined, [0.002, 0.998]))
            edges = np.linspace(low, high, 50).tolist()
            for process, colour in process_colours(list(points), background).items():
                panel.hist(points[process][:, 0], edges, density=True, histtype="step", color=colour, label=process)
            panel.set_xlabel("Latent")
            panel.set_ylabel("Density")
        else:
            scatter_processes(panel, points, background)
            plane.label(panel)
        legend_above(figure, panel)
        return settled(figure)


USE = Use(_TITLE, (ENCODE,), _explore)
