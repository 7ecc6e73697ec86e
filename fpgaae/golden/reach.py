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
    return _ends_within(trigger.behind_words, trigger.features.limits)


def extreme_event(trigger: GoldenTrigger, layer: str, place: int, sign: int, rng: np.random.Generator) -> Codes:
    """Look for an event that is extreme in one value of a layer, by boxes of hardware integers that get ever smaller.

    One feature after another, in random order, is cut in the middle, and the half is kept whose bound reaches further.

    Parameters
    ----------
    sign
        1 for a value as large as can be, -1 for one as small.

    Returns
    -------
    Words of the ports, (n_features,). Few events reach further, though some may.
    """
    low, high = (ends.copy() for ends in trigger.features.limits)
    behind = trigger.behind_words

    def bound(low: Codes, high: Codes) -> int:
        smallest, largest = _ends_within(behind, (low, high), layer)[layer]
        return int(largest[place]) if sign > 0 else -int(smallest[place])

    while (wide := np.flatnonzero(high > low)).size:
        for feature in rng.permutation(wide):
            middle = (low[feature] + high[feature]) // 2
            lower_half, upper_half = high.copy(), low.copy()
            lower_half[feature], upper_half[feature] = middle, middle + 1
            if bound(low, lower_half) > bound(upper_half, high):
                high = lower_half
            else:
                low = upper_half
    return np.asarray(np.clip(trigger.features.words_of_codes(low[None])[0], *trigger.features.port_limits))


def _ends_within(trigger: GoldenTrigger, box: Ends, last: str = "") -> Mapping[str, Ends]:
    """Give the ends by layer, up to the score or the layer `last`, where each hardware integer stays between two."""
    known: dict[str, Ends] = {}
    for layer in trigger.network.layers:
        if isinstance(layer, ScoreLayer):
            break
        if isinstance(layer, Input):
            low, high = trigger.input_codes(np.stack(box))
            known[layer.name] = low, high
            continue
        (source,) = trigger.network.sources(layer)
        low, high = known[source.name]
        if isinstance(layer, Weighted):
            known[layer.name] = layer.ends if layer.reloadable else layer.ends_of_sums(source, low, high)
        else:  # never falls where its inputs rise: it rounds, moves, averages or picks the largest
            both = layer.run([Tensor(np.stack([low, high]), source.types.fraction)]).codes
            known[layer.name] = both[0], both[1]
        if layer.name == last:
            break
    return known
