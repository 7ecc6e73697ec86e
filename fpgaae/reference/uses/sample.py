"""New events from the prior, and how far they are from true ones.

Beside those of a VAE stand those of a plain autoencoder with the same networks, trained on the same events, whose
latents are drawn from the Gaussian that fits them: what it decodes between its training events is arbitrary.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.style import BACKGROUND_COLOUR, PALETTE, house_style, settled
from fpgaae.evaluation.two_sample import classifier_auc, energy_distance
from fpgaae.methods.registry import method_class
from fpgaae.reference.explorer import ENCODE, SAMPLE, Explorer, Found, Use, has
from fpgaae.reference.uses.pictures import code_limits_of, show_images

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


def _samples(explorer: Explorer, n: int) -> dict[str, NDArray[np.float32]]:
    """Give what can be drawn: from the prior, and from the latents of a plain autoencoder."""
    method = type(explorer.method)
    samples = {}
    if has(method, SAMPLE):
        samples[PRIOR] = explorer.sample(n)
        if has(method, ENCODE) and not method.one_to_one:
            plain = method_class(_PLAIN)
            options = plain.options_class(kind=_PLAIN)
            samples[FITTED] = fitted_gaussian(explorer.another(plain(options, explorer.method.setting)), n)
    else:
        samples[FITTED] = fitted_gaussian(explorer, n)
    return samples


def _explore(explorer: Explorer) -> Found:
    true = explorer.events(explorer.background, 2 * explorer.settings.events)
    true = true[np.random.default_rng(explorer.seed).permutation(len(true))]
    first, second = np.array_split(true, 2)
    samples = _samples(explorer, len(first))
    level = explorer.config.evaluation.confidence_level
    compared = {TRUE: second, **samples}
    numbers = {
        name: {
            "energy_distance": energy_distance(first, own, level)._asdict(),
            "classifier_auc": classifier_auc(first, own, explorer.seed, level)._asdict(),
        }
        for name, own in compared.items()
    }
    summary = tuple(
        f"{name}: energy distance {_text(own['energy_distance'])}, classifier AUC {_text(own['classifier_auc'])}"
        for name, own in numbers.items()
    )
    content = {"events": len(first), "confidence_level": level, "samples": numbers}
    return Found(content, summary, _figure(explorer, {TRUE: first, **samples}))


def _text(interval: dict[str, float]) -> str:
    return f"{interval['value']:.3g} [{interval['low']:.3g}, {interval['high']:.3g}]"


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


USE = Use("New events from the prior", (), _explore, samples=True)
