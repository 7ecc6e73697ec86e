"""How far latents compress an event: (n - k) / n of its numbers, and in bits, against PCA with as many components."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.evaluation.baselines import PcaBaseline
from fpgaae.evaluation.style import PALETTE, house_style, settled
from fpgaae.explore.explorer import DECODE, ENCODE, Explorer, Found, Use
from fpgaae.runs.results.explore import Coder, CompressResult

_TITLE = "Compression"
_BITS = tuple(range(2, 13))  # of one latent
_TOLERATED = 1.01  # growth of the error that is called none
_ENDS = (0.001, 0.999)  # quantiles of the latents in training that the codes span


def rounded(values: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64], bits: int) -> (
    NDArray[np.float64]
):  # fmt: skip
    """Round to 2**bits levels from low to high, and saturate."""
    step = np.maximum(high - low, 1e-12) / (2**bits - 1)
    return np.asarray(low + np.clip(np.rint((values - low) / step), 0, 2**bits - 1) * step)


def _explore(explorer: Explorer) -> Found:
    x = explorer.events(explorer.background, explorer.settings.events)
    training = explorer.training()[:50_000]
    k = explorer.method.setting.latent
    pca = PcaBaseline.fit([training], k)
    coders = {
        explorer.method.options.kind: (explorer.encode, explorer.decode),
        "pca": (
            lambda events: pca.project(events).astype(np.float32),
            lambda latents: pca.restore(latents).astype(np.float32),
        ),
    }
    curves: dict[str, Coder] = {}
    for name, (encode, decode) in coders.items():
        z, (low, high) = encode(x), np.quantile(encode(training), _ENDS, axis=0)
        errors = [_error(x, decode(rounded(z, low, high, bits).astype(np.float32))) for bits in _BITS]
        exact = _error(x, decode(z))
        enough = next((b for b, error in zip(_BITS, errors, strict=True) if error <= _TOLERATED * exact), None)
        by_bits = dict(zip(map(str, _BITS), errors, strict=True))
        curves[name] = Coder(error=exact, error_by_bits=by_bits, bits_a_latent=enough)
    n, n_bits = len(explorer.features), sum(feature.hardware.bits for feature in explorer.features.features)
    bits = curves[explorer.method.options.kind].bits_a_latent
    latent_bits = None if bits is None else k * bits
    result = CompressResult(
        use="compress",
        title=_TITLE,
        summary=_summary(n, k, n_bits, latent_bits),
        inputs=n,
        latents=k,
        rate=(n - k) / n,
        input_bits=n_bits,
        latent_bits=latent_bits,
        rate_in_bits=None if latent_bits is None else (n_bits - latent_bits) / n_bits,
        coders=curves,
    )
    return Found(result, _figure(curves, k, n_bits))


def _error(x: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Give the mean squared error an input, in units of the inputs' spread."""
    return float(np.square(x.astype(np.float64) - reconstruction).mean())


def _summary(n: int, k: int, n_bits: int, latent_bits: int | None) -> tuple[str, ...]:
    first = f"{n} inputs to {k} latents saves {100 * (n - k) / n:.1f} % of the numbers"
    if latent_bits is None:
        return (first, f"more than {_BITS[-1]} bits a latent are needed for the error of exact latents")
    return (
        first,
        f"{n_bits} bits to {latent_bits} saves {100 * (n_bits - latent_bits) / n_bits:.1f} % of the bits, with an "
        "error at most 1 % above that of exact latents",
    )


def _figure(curves: dict[str, Coder], k: int, n_bits: int) -> Figure:
    with house_style():
        figure = Figure(figsize=(7.4, 4.8), layout="constrained")
        panel = figure.subplots()
        colours = (PALETTE[0], PALETTE[2])[: len(curves)]  # one, where the method is PCA itself
        for (name, own), colour in zip(curves.items(), colours, strict=True):
            share = [k * bits / n_bits for bits in _BITS]
            label = name.upper() if name == "pca" else name
            panel.plot(share, list(own.error_by_bits.values()), "o-", color=colour, markersize=4, label=label)
            panel.axhline(own.error, color=colour, linewidth=1, linestyle=(0, (5, 3)))
        panel.set_ylim(0, None)
        panel.set_xlabel("Bits of the latents / bits of the inputs")
        panel.set_ylabel("Mean squared error [units of the spread]")
        panel.legend(title="dashed: exact latents")
        return settled(figure)


USE = Use(_TITLE, (ENCODE, DECODE), _explore, compresses=True)
