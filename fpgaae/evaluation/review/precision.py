"""Weights and values of every layer against the types that hold them, and the latents of the deployed encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import FixedPointType, values_of
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.partial import PartialNetwork
from fpgaae.runs.results.review import LatentOfProcess, Latents, ValueProfile

_QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
_BINS = 40
_DIGITS = 6
Values = NDArray[np.float64]


def value_profiles(network: PartialNetwork, features: Values) -> tuple[ValueProfile, ...]:
    """Describe weights, biases and values of each layer, unrounded, in graph order.

    Parameters
    ----------
    features
        (n_events, n_features): exact network inputs.
    """
    tensors = network.run(features, frozenset())
    return tuple(_profiles(network, tensors))


def _profiles(network: PartialNetwork, tensors: Mapping[str, Values]) -> Iterator[ValueProfile]:
    weighted = {layer.name: layer for layer in network.network.weighted}
    for layer in network.network.layers:
        if (own := weighted.get(layer.name)) is not None:
            kernel, bias = network.weights[layer.name]
            yield profile(layer.name, "weights", kernel, own.kernel_type)
            yield profile(layer.name, "biases", bias, own.bias_type)
        yield profile(layer.name, "values", tensors[layer.name], layer.type)


def profile(layer: str, part: str, values: Values, to: FixedPointType) -> ValueProfile:
    """Describe how unrounded values lie in a type."""
    absolute = np.abs(values).ravel()
    present = absolute[absolute > 0]
    low, high = (float(end) for end in values_of(np.array([to.min_code, to.max_code]), to.fraction))
    half = float(np.ldexp(0.5, -to.fraction))
    return ValueProfile(
        layer=layer,
        part=part,
        type=str(to),
        lsb=2 * half,
        largest=max(high, -low),
        zero=_share(absolute == 0),
        below_lsb=_share((absolute > 0) & (absolute < half)),
        beyond=_share((values > high + half) | (values < low - half)),
        quantiles=tuple(float(f"{v:.6g}") for v in np.quantile(present, _QUANTILES)) if present.size else None,
    )


def _share(flags: NDArray[np.bool_]) -> float:
    return round(float(np.mean(flags)), _DIGITS)


def latents_of(layer: Layer, values: Mapping[str, Values]) -> Latents:
    """Describe the latents of every process.

    Parameters
    ----------
    layer
        That holds them.
    values
        By process, (n_events, n_latents): what the firmware computes.
    """
    low = min(float(found.min()) for found in values.values())
    high = max(float(found.max()) for found in values.values())
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    n_latents = next(iter(values.values())).shape[1]
    return Latents(
        layer=layer.name,
        type=str(layer.type),
        events={process: len(found) for process, found in values.items()},
        edges=tuple(edges.tolist()),
        latents=tuple(
            {process: _latent(found[:, index], edges) for process, found in values.items()}
            for index in range(n_latents)
        ),
    )


def _latent(values: Values, edges: Values) -> LatentOfProcess:
    return LatentOfProcess(
        mean=float(values.mean()),
        standard_deviation=float(values.std()),
        counts=tuple(np.histogram(values, edges)[0].tolist()),
    )
