"""Which part of the quantization costs what: only the inputs, weights, activations or the score quantized.

The reference is the same trained weights without any rounding, so that a second training is no part of the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import compare
from fpgaae.evaluation.verdicts import verdicts
from fpgaae.golden.partial import PartialNetwork
from fpgaae.golden.parts import Part
from fpgaae.runs.results.metrics import Ablation
from fpgaae.statistics import NO_WEIGHTS, Weights

UNQUANTIZED, QUANTIZED = "nothing", "everything"
ABLATIONS: Mapping[str, frozenset[Part]] = MappingProxyType(
    {
        UNQUANTIZED: frozenset(),
        **{part.value: frozenset({part}) for part in Part},
        QUANTIZED: frozenset(Part),
    }
)
Scores = dict[str, NDArray[np.float64]]  # by what is quantized


def ablated_scores(network: PartialNetwork, features: NDArray[np.float64]) -> Scores:
    """Score events with each part quantized alone, with nothing and with everything; (n_events,) each.

    Parameters
    ----------
    features
        (n_events, n_features) exact network inputs.
    """
    score = network.network.score.name
    return {name: network.run(features, parts)[score][:, 0] for name, parts in ABLATIONS.items()}


def compare_parts(
    scores: Mapping[str, Mapping[str, NDArray[np.float64]]],
    groups: Mapping[str, NDArray[np.int64]],
    background: str,
    settings: BootstrapSettings,
    weights: Weights = NO_WEIGHTS,
) -> Ablation:
    """Compare each part's quantization with none of it, per signal.

    Parameters
    ----------
    scores
        By what is quantized, then by process.
    groups, weights
        By process.
    """
    found = compare(scores, groups, background, settings, UNQUANTIZED, weights)
    return Ablation(
        events={process: len(own) for process, own in groups.items()},
        reference=UNQUANTIZED,
        models=found.models,
        delta=found.differences,
        verdicts=verdicts(found.differences, "rounding {} and rounding nothing"),
    )
