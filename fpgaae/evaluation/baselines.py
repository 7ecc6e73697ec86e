"""Scores without a network: what a trained autoencoder has to beat.

All work on chunks of events, so that memory does not grow with the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.statistics import leading_components

BLOCK_EVENTS = 65_536


def sum_pt(pt_codes: NDArray[Any]) -> NDArray[np.int64]:
    """Add up the transverse momenta of an event's objects.

    Parameters
    ----------
    pt_codes
        Integers, shape (n_events, n_objects); the missing momentum is not an object.

    Returns
    -------
    Shape (n_events,), in units of the pT code's lsb.

    Raises
    ------
    InputError
        If the codes are not integers of this shape.
    """
    total: NDArray[np.int64] = _checked(pt_codes).sum(axis=1, dtype=np.int64)
    return total


def n_objects(pt_codes: NDArray[Any]) -> NDArray[np.int64]:
    """Count the objects with a pT code above 0.

    Parameters
    ----------
    pt_codes
        Integers, shape (n_events, n_objects); the missing momentum is not an object.

    Returns
    -------
    Shape (n_events,), 0 to n_objects.

    Raises
    ------
    InputError
        If the codes are not integers of this shape.
    """
    number: NDArray[np.int64] = np.count_nonzero(_checked(pt_codes) > 0, axis=1).astype(np.int64)
    return number


def _checked(pt_codes: NDArray[Any]) -> NDArray[Any]:
    if pt_codes.ndim != 2 or not np.issubdtype(pt_codes.dtype, np.integer):
        raise InputError(
            f"The pT codes have the shape {pt_codes.shape} and type {pt_codes.dtype}: give integers, (events, objects)."
        )
    return pt_codes


@dataclass(frozen=True)
class PcaBaseline:
    """Squared error of the best linear reconstruction: an autoencoder without activations.

    `mean` has the shape (n_features,), `components` (n_components, n_features) with orthonormal rows.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]

    @classmethod
    def fit(cls, chunks: Iterable[NDArray[Any]], n_components: int) -> PcaBaseline:
        """Leading eigenvectors of the covariance, which is accumulated chunk by chunk in float64.

        Chunks A (so far) and B (next) merge without loss by cancellation::

            delta = mean_B - mean_A,  mean = mean_A + delta n_B / n
            M = M_A + M_B + delta delta^T n_A n_B / n,  M = sum (x - mean)(x - mean)^T

        Parameters
        ----------
        chunks
            Arrays (n_events, ...) of any real or integer type; what follows the first axis is flattened.
        n_components
            Width of the linear bottleneck.

        Raises
        ------
        InputError
            If there are fewer than two events, a value is not finite, the chunks differ in their number of features,
            or `n_components` is not between 1 and that number.

        Notes
        -----
        T. F. Chan, G. H. Golub and R. J. LeVeque, Stanford report STAN-CS-79-773 (1979), the pairwise update;
        P. Baldi and K. Hornik, Neural Networks 2 (1989) 53, for the linear autoencoder.
        """
        n_events, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
        for block in _blocks(chunks):
            if n_events == 0:
                mean, scatter = np.zeros(block.shape[1]), np.zeros((block.shape[1], block.shape[1]))
            if block.shape[1] != mean.size:
                raise InputError(
                    f"A chunk has {block.shape[1]} features and the ones before have {mean.size}: give one layout."
                )
            n_before, n_events = n_events, n_events + block.shape[0]
            block_mean = block.mean(axis=0)
            centred = block - block_mean
            delta = block_mean - mean
            mean = mean + delta * (block.shape[0] / n_events)
            scatter += centred.T @ centred + np.outer(delta, delta) * (n_before * block.shape[0] / n_events)
        if n_events < 2:
            raise InputError(f"A covariance needs at least 2 events, and the chunks hold {n_events}.")
        if not 1 <= n_components <= mean.size:
            raise InputError(f"{n_components} components were asked of {mean.size} features: ask for 1 to {mean.size}.")
        return cls(mean, leading_components(scatter / (n_events - 1), n_components).T.copy())

    def project(self, events: NDArray[Any]) -> NDArray[np.float64]:
        """Give the coordinates V (x - mean) of events (n, n_features) along the components, (n, n_components)."""
        return np.asarray((events - self.mean) @ self.components.T)

    def restore(self, coordinates: NDArray[Any]) -> NDArray[np.float64]:
        """Give V^T z + mean for coordinates z, (n, n_features)."""
        return np.asarray(coordinates @ self.components + self.mean)

    def score(self, events: NDArray[Any]) -> NDArray[np.float64]:
        """Squared reconstruction error of each event.

        With the rows of V the components::

            score = |(1 - V^T V) (x - mean)|^2

        Parameters
        ----------
        events
            Shape (n_events, ...), the layout that was fitted.

        Raises
        ------
        InputError
            If the number of features differs from the fitted one, or a value is not finite.
        """
        parts = []
        for block in _blocks([events]):
            if block.shape[1] != self.mean.size:
                raise InputError(f"The events have {block.shape[1]} features, and the baseline has {self.mean.size}.")
            centred = block - self.mean
            residual = centred - (centred @ self.components.T) @ self.components
            parts.append(np.einsum("ij,ij->i", residual, residual))
        return np.concatenate(parts) if parts else np.zeros(0)


def _blocks(chunks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    for chunk in chunks:
        for start in range(0, len(chunk), BLOCK_EVENTS):
            part = chunk[start : start + BLOCK_EVENTS]
            block = part.reshape(len(part), -1).astype(np.float64)
            if not np.isfinite(block).all():
                raise InputError(
                    f"An event among {start} to {start + len(part) - 1} of a chunk holds a value that is not finite."
                )
            yield block
