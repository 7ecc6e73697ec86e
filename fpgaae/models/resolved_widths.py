"""Widths with all their integer bits known, and the types that they stand for (no TensorFlow).

How integer bits are found in the data does not belong here: `fpgaae.training.widths` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.calibrate import Quantizers, Site
from fpgaae.runs.results.train import WidthEntries, WidthEntry


class ResolvedWidth(NamedTuple):
    """A quantizer's width with its integer bits known; `integer_bits` without the sign, as QKeras counts."""

    bits: int
    integer_bits: int

    def signed(self) -> FixedPointType:
        """Give the type of a signed value: `ap_fixed<bits, integer_bits + 1, RND_CONV, SAT>`."""
        return FixedPointType(self.bits, self.integer_bits + 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)

    def rectified(self) -> FixedPointType:
        """Give the type of a value that is never negative: `ap_ufixed<bits, integer_bits, RND_CONV, SAT>`."""
        return FixedPointType(self.bits, self.integer_bits, False, Rounding.HALF_EVEN, Overflow.SATURATE)

    def entry(self) -> WidthEntry:
        """Give the entry of `train.json`."""
        return WidthEntry(bits=self.bits, integer_bits=self.integer_bits)


class Widths(NamedTuple):
    """Every quantizer of a network, by layer name."""

    inputs: ResolvedWidth
    weights: Mapping[str, ResolvedWidth]
    activations: Mapping[str, ResolvedWidth]
    score_table_fraction_bits: int = 8
    biases: Mapping[str, ResolvedWidth] | None = None  # None: each that of its weights

    def quantizers(self, sites: Sequence[Site]) -> Quantizers:
        """Give the types at the sites of a network."""
        widths = {site: self.activations[site.layer] for site in sites}
        return Quantizers(
            self.inputs.signed(),
            {site.quantizer: width.signed() if site.signed else width.rectified() for site, width in widths.items()},
            {name: width.signed() for name, width in self.weights.items()},
        )

    def entries(self) -> WidthEntries:
        """Give the `widths` of `train.json`."""
        return WidthEntries(
            inputs=self.inputs.entry(),
            weights={name: width.entry() for name, width in self.weights.items()},
            activations={name: width.entry() for name, width in self.activations.items()},
            score_table_fraction_bits=self.score_table_fraction_bits,
            biases=None if self.biases is None else {name: width.entry() for name, width in self.biases.items()},
        )
