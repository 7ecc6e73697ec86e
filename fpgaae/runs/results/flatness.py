"""How flat the rate is against what the thresholds follow: in `metrics.json`, for each threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpgaae.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class FlatBin:
    """The background's rate in a bin of a sum, and what one threshold for all would give there."""

    low: int  # smallest and largest code of the sum
    high: int
    events: int
    passed: int
    rate: Interval
    plain_passed: int
    plain_rate: Interval


@dataclass(frozen=True, kw_only=True)
class FlatSum:
    """The rate in bins of about as many events each, and how far it is from the mean at most, as a share of that."""

    quantity: str
    bins: tuple[FlatBin, ...]
    departure: float
    plain_departure: float


@dataclass(frozen=True, kw_only=True)
class FollowedEfficiency:
    """A signal's efficiency, and that of one threshold for all that lets as many background events pass."""

    followed: Interval
    plain: Interval


@dataclass(frozen=True, kw_only=True)
class Flatness:
    """A threshold that follows sums, beside one for all events at the same rate."""

    cells: int
    sums: tuple[FlatSum, ...]
    efficiency: Mapping[str, FollowedEfficiency]  # by signal
