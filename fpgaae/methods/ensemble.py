"""Which trainings run side by side: seeds, and points of hyper-parameters."""

from __future__ import annotations

from itertools import product
from typing import Annotated, NamedTuple

from pydantic import Field

from fpgaae.section import Section

LEARNING_RATE = "learning_rate"


class Member(NamedTuple):
    """One training of an ensemble."""

    seed: int
    point: dict[str, float]  # hyper-parameters that differ from the config


class Ensemble(Section):
    """Every point is trained with every seed; all of it at once where the backend is JAX."""

    seeds: Annotated[int, Field(ge=1, le=1024)] = 1  # the experiment's seed and those behind it
    points: Annotated[tuple[dict[str, float], ...], Field(min_length=1)] = ({},)  # as in [{beta: 0.1}, {beta: 1.0}]

    def members(self, seed: int) -> tuple[Member, ...]:
        """Give every training, point by point."""
        return tuple(Member(seed + i, dict(point)) for point, i in product(self.points, range(self.seeds)))
