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
    """The decisions made from a score; where a cell is its second input, with the thresholds of that cell."""

    kind = "accept"
    thresholds: Codes = field(repr=False)  # (size,), or (size, n_cells)
    threshold_type: FixedPointType  # that of the score
    reloadable: bool = False  # thresholds are those in force now, and any codes of the score may follow

    @classmethod
    def of(
        cls, name: str, score: Layer, thresholds: Codes, cell: Layer | None = None, *, reloadable: bool = False
    ) -> Accept:
        """Make them from codes of the score, (n,), or (n, n_cells) where they are those of a cell."""
        codes, bit = np.asarray(thresholds, dtype=np.int64), FixedPointType(1, 1, False)
        inputs = (score.name,) if cell is None else (score.name, cell.name)
        return cls(name, inputs, len(codes), bit, thresholds=codes, threshold_type=score.type, reloadable=reloadable)

    @property
    def by_cell(self) -> Codes:
        """The thresholds of every cell, (n_cells, size); of thresholds without cells, one row."""
        return self.thresholds.reshape(self.size, -1).T

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Give 1 above a threshold, 0 at it and below."""
        thresholds = self.by_cell[inputs[1].codes[:, 0]] if len(inputs) > 1 else self.thresholds
        return Tensor((inputs[0].codes > thresholds).astype(np.int64), 0)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compare values."""
        del sources, partly
        thresholds = self.by_cell[inputs[1][:, 0].astype(np.int64)] if len(inputs) > 1 else self.thresholds
        return (inputs[0] > thresholds * self.threshold_type.lsb).astype(np.float64)

    def corners(self, source: Layer) -> list[Codes]:
        """Give the score at each threshold and on both sides of it; of the cell, the one whose threshold it is."""
        near = self.by_cell[:, :, None] + np.array([-1, 0, 1])
        if source.name == self.inputs[0]:
            return [near.reshape(-1, 1)]
        cells = np.broadcast_to(np.arange(len(near))[:, None, None], near.shape)
        return [cells.reshape(-1, 1)]

    def arrays(self) -> dict[str, Codes]:
        """Give the thresholds."""
        return {"table": self.thresholds}

    def _settings(self) -> dict[str, Any]:
        return {"table_type": str(self.threshold_type), "reloadable": self.reloadable}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {
            "thresholds": arrays["table"],
            "threshold_type": parse_type(entry["table_type"]),
            "reloadable": bool(entry.get("reloadable", False)),
        }
