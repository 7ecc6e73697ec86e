"""Events at the edges of cells: for each feature of a sum, one that lies above an edge because of this feature."""

from __future__ import annotations

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.trigger import GoldenTrigger


def cell_events(trigger: GoldenTrigger) -> Codes:
    """Give words of events one above the middle edge of a sum, of which one feature each adds the last one.

    Whoever leaves the feature out, or takes another in its place, finds them in the bin below.

    Returns
    -------
    (n_events, n_features), none where there are no cells.
    """
    features, cell = trigger.features, trigger.network.cell
    made = [_events(of, features) for of in (() if cell is None else cell.sums)]
    return np.concatenate([np.zeros((0, len(features)), dtype=np.int64), *made])


def _events(of: BinnedSum, features: FeatureMap) -> Codes:
    wanted = of.edges[len(of.edges) // 2] + 1
    most = [1 if of.counts else max(features.features[place].hardware.max_code - 1, 1) for place in of.places]
    rows = np.zeros((len(of.places), len(features)), dtype=np.int64)
    for row, first in enumerate(range(len(of.places))):
        rows[row, of.places[first]], left = 1, wanted - 1
        for step in range(1, len(of.places)):
            index = (first + step) % len(of.places)
            rows[row, of.places[index]] = taken = min(left, most[index])
            left -= taken
        rows[row, of.places[first]] += min(left, most[first] - 1)
    words = np.clip(features.words_of_codes(rows), *features.port_limits)
    return np.asarray(words[of.sums(features.codes_of_words(words)) == wanted])
