"""New events from the prior, and how far they are from true ones.

Beside those of a VAE stand those of a plain autoencoder with the same networks, trained on the same events, whose
latents are drawn from the Gaussian that fits them: what it decodes between its training events is arbitrary. New events
are compared with true ones, which also counts how blurred a decoder is, and with what the same model decodes of true
ones, which only counts how well its latents are drawn. True events are one of each group, since intervals of distances
and areas take events for independent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.style import BACKGROUND_COLOUR, PALETTE, house_style, settled
from fpgaae.evaluation.two_sample import classifier_auc, energy_distance
from fpgaae.explore.explorer import ENCODE, SAMPLE, Explorer, Found, Use, has
from fpgaae.explore.uses.pictures import code_limits_of, show_images
from fpgaae.methods.registry import method_class
from fpgaae.runs.results.explore import SampleDistances, SampleResult
from fpgaae.statistics import Interval

_TITLE = "New events from the prior"
_SHOWN = (3, 16)  # rows and columns of images of each sample
_PANELS = 8
TRUE, PRIOR, FITTED = "test events", "prior", "autoencoder, fitted Gaussian"
_COLOURS = {PRIOR: PALETTE[0], FITTED: PALETTE[2]}
_PLAIN = "dense"


def fitted_gaussian(explorer: Explorer, n: int) -> NDArray[np.float32]:
    """Decode latents that are drawn from the Gaussian with the mean and covariance of those in training."""
    latents = explorer.encode(explorer.training()).astype(np.float64)
    covariance = np.atleast_2d(np.cov(latents, rowvar=False))
    rng = np.random.default_rng(explorer.seed)
    drawn = rng.multivariate_normal(latents.mean(axis=0), covariance, size=n)
    return explorer.decode(drawn.astype(np.float32))


class Drawn(NamedTuple):
    """New events of a model, and what it makes of true ones: how well it decodes does not tell these apart."""

    new: NDArray[np.float32]
    decoded: NDArray[np.float32] | None


def decoded_latents(explorer: Explorer, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode and decode events; a variational autoencoder decodes latents drawn from its posterior."""
    if not hasattr(explorer.method, "posterior"):
        return explorer.reconstruct(x)
    mu, sigma = explorer.posterior(x)
    noise = np.random.default_rng(explorer.seed).normal(size=mu.shape)
    return explorer.decode((mu + sigma * noise).astype(np.float32))


def draw(explorer: Explorer, x: NDArray[np.float32]) -> dict[str, Drawn]:
    """Give what can be drawn, as many as `x`: from the prior, and from the latents of a plain autoencoder."""
    method = type(explorer.method)
    if not has(method, SAMPLE):
        return {FITTED: Drawn(fitted_gaussian(explorer, len(x)), decoded_latents(explorer, x))}
    new = explorer.sample(len(x))
    if not has(method, ENCODE) or method.one_to_one:
        return {PRIOR: Drawn(new, None)}
    found = {PRIOR: Drawn(new, decoded_latents(explorer, x))}
    plain = method_class(_PLAIN)
    twin = explorer.another(plain(plain.options_class(kind=_PLAIN), explorer.method.setting))
    return {**found, FITTED: Drawn(fitted_gaussian(twin, len(x)), decoded_latents(twin, x))}


def compare(explorer: Explorer, first: NDArray[np.float32], drawn: Drawn) -> SampleDistances:
    """Measure how far new events are from true ones, and from those that the same model makes of true ones."""
    level = explorer.config.evaluation.confidence_level
    to_test_events = energy_distance(first, drawn.new, level)
    if drawn.decoded is None:
        return SampleDistances(to_test_events=to_test_events)
    return SampleDistances(
        to_test_events=to_test_events,
        to_decoded_events=energy_distance(drawn.decoded, drawn.new, level),
        classifier_auc=classifier_auc(drawn.decoded, drawn.new, level),
    )


def _explore(explorer: Explorer) -> Found:
    true = explorer.independent_events(explorer.background, 2 * explorer.settings.events)
    first, second = np.array_split(true, 2)
    drawn = {TRUE: Drawn(second, None), **draw(explorer, second)}
    numbers = {name: compare(explorer, first, own) for name, own in drawn.items()}
    result = SampleResult(
        use="sample",
        title=_TITLE,
        summary=tuple(_sentence(*item) for item in numbers.items()),
        events=len(second),
        confidence_level=explorer.config.evaluation.confidence_level,
        samples=numbers,
    )
    shown = {name: own.new for name, own in drawn.items()}
    return Found(result, _figure(explorer, shown))


def _sentence(name: str, own: SampleDistances) -> str:
    text = f"{name}: energy distance to test events {_text(own.to_test_events)}"
    if own.to_decoded_events is None or own.classifier_auc is None:
        return text
    return (
        f"{text}, to the same model's decoded test events {_text(own.to_decoded_events)}, "
        f"AUC of a classifier of these {_text(own.classifier_auc)}"
    )


def _text(interval: Interval) -> str:
    return f"{interval.value:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def _figure(explorer: Explorer, samples: dict[str, NDArray[np.float32]]) -> Figure:
    images = {name: explorer.images(own[: _SHOWN[0] * _SHOWN[1]]) for name, own in samples.items()}
    true = images[TRUE]
    if true is None:
        return _histograms(explorer, {name: explorer.codes(own) for name, own in samples.items()})
    with house_style():
        figure = Figure(figsize=(8, 0.3 + 1.75 * len(images)), layout="constrained")
        for panel, (name, own) in zip(figure.subplots(len(images), squeeze=False)[:, 0], images.items(), strict=True):
            if own is not None:
                show_images(panel, np.array_split(own, _SHOWN[0]), code_limits_of(true))
            panel.set_title(name[0].upper() + name[1:], loc="left", fontsize="medium")
        return settled(figure)


def _histograms(explorer: Explorer, samples: dict[str, NDArray[np.float64]]) -> Figure:
    """Draw the distribution of some inputs: of each quantity the first ones, which are filled most often."""
    names = [feature.hardware.name for feature in explorer.features.features]
    spread = samples[TRUE].std(axis=0)
    filled = (samples[TRUE] != np.median(samples[TRUE], axis=0)).mean(axis=0)
    chosen = [int(i) for i in np.argsort(-filled, kind="stable") if spread[i] > 0][:_PANELS]
    with house_style():
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        for panel, i in zip(figure.subplots(2, _PANELS // 2).flat, sorted(chosen), strict=False):
            low, high = np.quantile(samples[TRUE][:, i], [0.001, 0.995])
            edges = np.linspace(low - 0.5, high + 0.5, min(40, int(high - low) + 2))
            for name, own in samples.items():
                inside = np.clip(own[:, i], edges[0], edges[-1])
                if name == TRUE:
                    panel.hist(inside, edges, density=True, color=BACKGROUND_COLOUR, label=name)
                else:
                    panel.hist(inside, edges, density=True, histtype="step", color=_COLOURS[name], label=name)
            panel.set_yscale("log")
            panel.set_xlabel(names[i], fontsize="small")
        figure.supylabel("Density (the ends hold what lies beyond)", fontsize="medium")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        return settled(figure)


USE = Use(_TITLE, (), _explore, samples=True)
