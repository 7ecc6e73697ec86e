"""What a score goes with: profiles and distance correlations against HT and multiplicity, and shared decisions.

An anomaly trigger that only accepts events with a large HT can be had without a network; here it shows as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from fpgaae.errors import InputError
from fpgaae.evaluation.binning import equal_bins
from fpgaae.runs.results.metrics import Correlation, ModelProfile, Profile
from fpgaae.statistics import EventGroups, threshold_at_fpr

MAX_EVENTS = 4_000  # of a distance correlation, whose cost is their square
MAX_BINS = 12
_BLOCK = 500


def distance_correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Measure how much two quantities depend on each other, in any form: 0 if not, 1 if one is linear in the other.

    With the distances a_ij = |x_i - x_j|, double-centred so that the estimate has no bias (A_ij, U-centring), and b, B
    those of y::

        R^2 = sum A_ij B_ij / sqrt(sum A_ij^2 sum B_ij^2),  result sqrt(max(R^2, 0))

    Parameters
    ----------
    x, y
        (n_events,) each.

    Raises
    ------
    InputError
        If the arrays differ in length or have fewer than four events.

    Notes
    -----
    G. J. Szekely, M. L. Rizzo and N. K. Bakirov, Ann. Statist. 35 (2007) 2769; G. J. Szekely and M. L. Rizzo, Ann.
    Statist. 42 (2014) 2382 for the centring.
    """
    if x.shape != y.shape or x.ndim != 1 or x.size < 4:
        raise InputError(f"A distance correlation of arrays of shape {x.shape} and {y.shape}: give 4 pairs or more.")
    means = [_mean_distances(values.astype(np.float64)) for values in (x, y)]
    products = np.zeros(3)
    for start in range(0, x.size, _BLOCK):
        rows = slice(start, start + _BLOCK)
        a, b = (_centred(values.astype(np.float64), own, rows) for values, own in zip((x, y), means, strict=True))
        products += [np.vdot(a, b), np.vdot(a, a), np.vdot(b, b)]
    scale = float(np.sqrt(products[1] * products[2]))
    return float(np.sqrt(max(products[0] / scale, 0.0))) if scale > 0 else 0.0


def _mean_distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the sum of each value's distances to the others, in n log n: (n_events,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    n, below = ordered.size, np.concatenate([[0.0], np.cumsum(ordered)[:-1]])
    position = np.arange(n)
    sums = np.empty(n)
    sums[order] = ordered * position - below + (ordered.sum() - below - ordered) - ordered * (n - 1 - position)
    return sums


def _centred(values: NDArray[np.float64], sums: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
    """Give some rows of the U-centred distance matrix."""
    n = values.size
    found = np.abs(values[rows, None] - values) - (sums[rows, None] + sums) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    own = np.arange(n)[rows]
    found[np.arange(own.size), own] = 0
    return np.asarray(found)


def profile(x: NDArray[Any], scores: Mapping[str, NDArray[Any]], groups: NDArray[np.int64]) -> Profile:
    """Give the mean score of each model with its standard error in bins of x of about equal numbers of events.

    Parameters
    ----------
    x
        (n_events,).
    scores
        By model, (n_events,).
    groups
        (n_events,), which the errors count.

    Returns
    -------
    `low`, `high` and `mean` of x, `events`, and per model `mean` and `standard_error` (None for a single group), one
    number a bin.
    """
    index, ends = equal_bins(x, MAX_BINS)
    members = [np.flatnonzero(index == i) for i in range(len(ends))]
    shared = [EventGroups(groups[m]) for m in members]
    return Profile(
        low=tuple(ends[:, 0].tolist()),
        high=tuple(ends[:, 1].tolist()),
        mean=tuple(float(x[m].mean()) for m in members),
        events=tuple(m.size for m in members),
        models={
            model: ModelProfile(
                mean=tuple(float(own[m].mean()) for m in members),
                standard_error=tuple(g.error_of_mean(own[m]) for g, m in zip(shared, members, strict=True)),
            )
            for model, own in scores.items()
        },
    )


def correlations(
    quantities: Mapping[str, NDArray[Any]],
    scores: Mapping[str, NDArray[Any]],
    groups: NDArray[np.int64],
    rates: Sequence[float],
    seed: int,
) -> dict[str, Correlation]:
    """Compare what each model's score goes with, on background events.

    The distance correlation is one of ranks, which a trigger's decisions depend on, of at most 4,000 events chosen at
    random. `shared_decisions` is the share of the events that a model accepts at a rate which a cut on the quantity at
    the same rate accepts, too (by chance: the rate itself). A cut on whole numbers may accept fewer, where they tie.

    Parameters
    ----------
    quantities
        HT and the like by name, (n_events,).
    scores
        By model, (n_events,).
    groups
        (n_events,), which the errors of the profiles count.
    rates
        False positive rates of the shared decisions.

    Returns
    -------
    ``result[quantity]``: `profile`, `distance_correlation` by model, and `shared_decisions` by model, one a rate (None
    where either accepts nothing).
    """
    n = next(iter(scores.values())).size
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_EVENTS])
    ranks = {model: rankdata(own[chosen]) for model, own in scores.items()}
    result = {}
    for name, x in quantities.items():
        ranked = rankdata(x[chosen])
        result[name] = Correlation(
            events_of_correlation=int(chosen.size),
            profile=profile(x, scores, groups),
            distance_correlation={model: distance_correlation(ranked, own) for model, own in ranks.items()},
            false_positive_rates=tuple(rates),
            shared_decisions={model: tuple(_shared(own, x, rate) for rate in rates) for model, own in scores.items()},
        )
    return result


def _shared(scores: NDArray[Any], x: NDArray[Any], rate: float) -> float | None:
    accepted = scores > threshold_at_fpr(scores, rate)
    also = x > threshold_at_fpr(x, rate)
    return float(np.mean(also[accepted])) if accepted.any() and also.any() else None
