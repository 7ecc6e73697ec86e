"""What the layers in front of the score can put out at most: bounds by interval arithmetic on integers (NumPy only).

Each value of a layer is taken as if it went through its range by itself. What lies outside of these bounds can't be
reached; what lies inside may still not be, since the values of a layer depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.golden.trigger import GoldenTrigger

Ends = tuple[Codes, Codes]  # smallest and largest code of each value, (size,) each


def reachable_ends(trigger: GoldenTrigger) -> Mapping[str, Ends]:
    """Give by layer the ends of what hardware integers can make of it, up to the score."""
    known: dict[str, Ends] = {}
    for layer in trigger.network.layers:
        if isinstance(layer, ScoreLayer):
            break
        if isinstance(layer, Input):
            low, high = trigger.behind_words.input_codes(np.stack(trigger.features.limits))
            known[layer.name] = low, high
            continue
        (source,) = trigger.network.sources(layer)
        low, high = known[source.name]
        if isinstance(layer, Weighted):
            known[layer.name] = layer.ends if layer.reloadable else layer.ends_of_sums(source, low, high)
        else:  # never falls where its inputs rise: it rounds, moves, averages or picks the largest
            both = layer.run([Tensor(np.stack([low, high]), source.types.fraction)]).codes
            known[layer.name] = both[0], both[1]
    return known
