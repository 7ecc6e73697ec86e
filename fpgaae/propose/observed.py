"""What was seen of the numbers of a column, before any config says what they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.backends import as_text, is_text

MANY_GROUPS = 100  # distinct numbers are counted up to this many, at least
_MOST_DISTINCT = 16_384  # of which distinct ones are looked for at once


@dataclass
class Observed:
    """What was seen of the numbers of a column or a part of an array."""

    kind: str = ""  # of NumPy types: f, i, u, b, or another for what is no number
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True  # whether each is a whole number
    longest: int | None = None  # longest list; None: one number an event
    lengths: list[NDArray[np.int64]] = field(default_factory=list)
    distinct: set[Any] = field(default_factory=set)

    def add(self, values: NDArray[Any], lengths: NDArray[np.int64] | None = None) -> None:
        """Take in more of them."""
        self.kind = values.dtype.kind
        if lengths is not None:
            self.longest = max(self.longest or 0, int(lengths.max(initial=0)))
            self.lengths.append(lengths)
        elif values.ndim == 1 and len(self.distinct) < MANY_GROUPS and (self.kind in "biuf" or is_text(values)):
            self.distinct |= set(np.unique(as_text(values[:_MOST_DISTINCT])).tolist())
        if self.is_number and values.size:
            self.low = float(np.minimum(self.low, values.min()))  # of which NaN is the smallest and the largest
            self.high = float(np.maximum(self.high, values.max()))
            if self.kind == "f" and self.whole:
                self.whole = bool((np.rint(values) == values).all())

    @property
    def is_number(self) -> bool:
        """Whether it is one that objects have."""
        return self.kind in {"f", "i", "u"}

    @property
    def is_empty(self) -> bool:
        """Whether no number was seen."""
        return self.low == np.inf and self.high == -np.inf

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are, and there are some."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def largest(self) -> float:
        """The largest magnitude, 0 of none."""
        return 0.0 if self.is_empty else max(abs(self.low), abs(self.high))


def together(seen: Iterable[Observed]) -> Observed:
    """Join the ranges of several; the rest is that of the first."""
    first, *others = seen
    joined = replace(first)
    for own in others:
        joined.kind = "f" if "f" in {own.kind, joined.kind} else joined.kind
        joined.low = float(np.minimum(joined.low, own.low))
        joined.high = float(np.maximum(joined.high, own.high))
        joined.whole &= own.whole
    return joined
