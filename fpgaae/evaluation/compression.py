"""What latents keep of the image that they are sent for: telescope error, earth mover's distance, data rate.

The latents are the firmware's, the decoder is the float one behind them. Which events, and when, does not belong here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fpgaae.errors import InputError
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.network import IntegerNetwork
from fpgaae.optional import require
from fpgaae.runs.results.metrics import DataRate, ImageMeasures, MeasuredMean
from fpgaae.statistics import EventGroups

Images = NDArray[np.float64]
_BLOCKS = {1: 4.0, 2: 2.0, 4: 1.0}  # size of a block of cells, and how much its error counts


def telescope_error(images: Images, decoded: Images) -> NDArray[np.float64]:
    """Compare images in single cells and in ever larger blocks of them, (n,).

    With S_k(x) the sums over the blocks of k x k cells that tile the image and < > the mean over them::

        sum over k in {1, 2, 4} of (4 / k) < (S_k(x) - S_k(x'))^2 max(S_k(x), S_k(x')) >

    so that energy which only moves to a neighbour costs less than energy that is lost, and large sums count more, as in
    the loss of the ECON-T study (G. Di Guglielmo et al., arXiv 2105.01683). Where k does not divide the size,
    it is left out.

    Parameters
    ----------
    images, decoded
        (n, height, width), never negative.
    """
    total = np.zeros(len(images))
    for size, weight in _BLOCKS.items():
        if images.shape[1] % size or images.shape[2] % size:
            continue
        a, b = (_block_sums(values, size) for values in (images, decoded))
        total += weight * np.mean((a - b) ** 2 * np.maximum(a, b), axis=1)
    return total


def _block_sums(images: Images, size: int) -> Images:
    n, height, width = images.shape
    blocks = images.reshape(n, height // size, size, width // size, size).sum(axis=(2, 4))
    return np.asarray(blocks.reshape(n, -1))


def earth_movers_distance(images: Images, decoded: Images) -> NDArray[np.float64]:
    """Give the least work, in cells, that turns one distribution of energy into the other, (n,).

    Both are normalised to 1; NaN where either is empty. The distance of two cells is Euclidean, so that this is the
    first Wasserstein distance, solved exactly by POT (Y. Rubner, C. Tomasi and L. J. Guibas, Int. J. Comput. Vis. 40
    (2000) 99).

    Parameters
    ----------
    images, decoded
        (n, height, width), never negative.
    """
    ot = _pot()
    places = np.argwhere(np.ones(images.shape[1:])).astype(np.float64)
    distances = ot.dist(places, metric="euclidean")
    result = np.full(len(images), np.nan)
    for event, pair in enumerate(zip(images.reshape(len(images), -1), decoded.reshape(len(decoded), -1), strict=True)):
        totals = [float(values.sum()) for values in pair]
        if min(totals) > 0:
            filled = [np.flatnonzero(values) for values in pair]
            shares = [values[cells] / total for values, cells, total in zip(pair, filled, totals, strict=True)]
            result[event] = ot.emd2(*shares, np.ascontiguousarray(distances[np.ix_(*filled)]))
    return result


def _pot() -> Any:  # noqa: ANN401
    """Import POT without the array libraries that it would bring up, TensorFlow among them, which need their own setup.

    https://pythonot.github.io/all.html#backend
    """
    for library in ("TENSORFLOW", "JAX", "PYTORCH", "CUPY"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{library}", "1")
    return require("ot", "the earth mover's distance is computed with it")


def data_rate(network: IntegerNetwork, input_bits: int, rate_khz: float) -> DataRate:
    """Give the bits of an event in front of and behind the encoder, and what they are a second.

    Parameters
    ----------
    input_bits
        Of all hardware integers of an event.
    rate_khz
        Of events.

    Raises
    ------
    InputError
        If the score does not read latents.
    """
    latents = latent_layer(network)
    output_bits = latents.size * latents.type.width
    return DataRate(
        latents=latents.size,
        latent_type=str(latents.type),
        input_bits=input_bits,
        output_bits=output_bits,
        compression_ratio=input_bits / output_bits,
        input_gbit_per_s=input_bits * rate_khz * 1e-6,
        output_gbit_per_s=output_bits * rate_khz * 1e-6,
    )


def latent_layer(network: IntegerNetwork) -> Layer:
    """Give the layer of the latents, which the score reads.

    Raises
    ------
    InputError
        If the score compares a reconstruction.
    """
    if len(network.score.inputs) != 1:
        raise InputError("an autoencoder deploys its decoder, too; only the data of an encoder is compressed")
    return network[network.score.inputs[0]]


def compare_images(
    images: Images, decoded: Mapping[str, Images], groups: NDArray[np.int64], confidence_level: float
) -> dict[str, ImageMeasures]:
    """Give the mean of each measure with the interval of its standard error, by model and measure.

    Parameters
    ----------
    images
        (n, height, width) counts.
    decoded
        The same by model.
    groups
        (n,) the group of each image, which the intervals count.
    """
    return {
        model: ImageMeasures(
            telescope=_mean(telescope_error(images, own), groups, confidence_level),
            earth_movers_distance=_mean(earth_movers_distance(images, own), groups, confidence_level),
        )
        for model, own in decoded.items()
    }


def _mean(values: NDArray[np.float64], groups: NDArray[np.int64], level: float) -> MeasuredMean:
    finite = np.isfinite(values)
    found, independent = values[finite], EventGroups(groups[finite])
    error = independent.error_of_mean(found) if found.size else None
    if error is None:
        return MeasuredMean(value=None, low=None, high=None, events=int(found.size))
    mean = float(found.mean())
    low, high = norm.interval(level, mean, error) if error > 0 else (mean, mean)
    return MeasuredMean(value=mean, low=float(low), high=float(high), events=int(found.size))
