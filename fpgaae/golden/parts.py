"""The parts of a network that can be quantized by themselves, and values in floating point (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import Types, nearest_codes, values_of

Values: TypeAlias = NDArray[np.float64]


class Part(str, Enum):
    """What can be quantized by itself."""

    INPUTS = "inputs"  # rounded to the input type; outside its range they saturate in either case
    WEIGHTS = "weights"  # kernels and biases
    ACTIVATIONS = "activations"  # what quantizers and means put out, the reconstruction among it
    SCORE = "score"  # its tables, and its type


@dataclass(frozen=True)
class Partly:
    """Which parts are quantized, and kernel and bias by layer before their quantization."""

    quantized: frozenset[Part]
    weights: Mapping[str, tuple[Values, Values]]


def rounded(values: Values, to: Types) -> Values:
    """Round values to a type, and saturate them where it does."""
    return values_of(nearest_codes(values, to), to.fraction)
