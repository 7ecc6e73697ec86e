"""How far a quantized layer is from the float layer that it stands for (NumPy only)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import FixedPointType
from fpgaae.runs.results.train import RoundingError


class QuantizationError:
    """The error of one layer over chunks of events.

    The signal-to-quantization-noise ratio is 10 log10(sum of x^2 / sum of (q - x)^2), x float and q quantized: what the
    layers in front did wrong counts, too.
    """

    def __init__(self, of: FixedPointType) -> None:
        self._type = of
        self._n = self._outside = 0
        self._signal = self._noise = 0.0

    def add(self, exact: NDArray[np.floating], quantized: NDArray[np.floating]) -> None:
        """Take in a chunk of values of the float layer and of the quantized one, of the same shape."""
        x = exact.astype(np.float64)
        self._n += x.size
        self._signal += float(np.square(x).sum())
        self._noise += float(np.square(quantized - x).sum())
        low, high = self._type.min_code * self._type.lsb, self._type.max_code * self._type.lsb
        half = self._type.lsb / 2  # rounded, a value up to half an LSB beyond the end still fits
        self._outside += int(((x > high + half) | (x < low - half)).sum())

    def entry(self) -> RoundingError:
        """Give the entry of a result file; no noise or no signal at all has no ratio."""
        ratio = 10 * np.log10(self._signal / self._noise) if self._signal > 0 and self._noise > 0 else None
        return RoundingError(
            type=str(self._type),
            rms=float(np.sqrt(self._noise / max(self._n, 1))),
            sqnr_db=None if ratio is None else round(float(ratio), 2),
            saturated=self._outside / max(self._n, 1),
        )
