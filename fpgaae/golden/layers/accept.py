"""The decisions: one bit a threshold, 1 where the score is above it (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, parse_type
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Partly, Values


@dataclass(frozen=True, kw_only=True)
class Accept(Layer):
    """The decisions made from a score."""

    kind = "accept"
    thresholds: Codes = field(repr=False)  # (size,)
    threshold_type: FixedPointType  # that of the score

    @classmethod
    def of(cls, name: str, score: Layer, thresholds: Codes) -> Accept:
        """Make them from codes of the score."""
        codes, bit = np.asarray(thresholds, dtype=np.int64), FixedPointType(1, 1, False)
        return cls(name, (score.name,), len(codes), bit, thresholds=codes, threshold_type=score.type)

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Give 1 above a threshold, 0 at it and below."""
        return Tensor((inputs[0].codes > self.thresholds).astype(np.int64), 0)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compare values."""
        del sources, partly
        return (inputs[0] > self.thresholds * self.threshold_type.lsb).astype(np.float64)

    def corners(self, source: Layer) -> list[Codes]:
        """Give the score at each threshold and on both sides of it."""
        del source
        return [(self.thresholds[:, None] + np.array([-1, 0, 1])).reshape(-1, 1)]

    def arrays(self) -> dict[str, Codes]:
        """Give the thresholds."""
        return {"table": self.thresholds}

    def _settings(self) -> dict[str, Any]:
        return {"table_type": str(self.threshold_type)}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {"thresholds": arrays["table"], "threshold_type": parse_type(entry["table_type"])}
