"""The deployed network with only some of its parts quantized (NumPy only): what each of them costs.

With every part quantized it gives the values of `IntegerNetwork`, with none those of the same weights unrounded.
Which events it is run on, and what is made of the scores, does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.parts import Part, Partly, Values


@dataclass(frozen=True)
class PartialNetwork:
    """A golden network and the weights that its own were rounded from.

    Parameters
    ----------
    network
        Without decisions.
    weights
        Kernel and bias by layer, before their quantization.
    """

    network: IntegerNetwork
    weights: Mapping[str, tuple[Values, Values]]

    def run(self, features: Values, quantized: frozenset[Part]) -> dict[str, Values]:
        """Compute every layer's values, (n_events, size) each, by layer name in graph order.

        Parameters
        ----------
        features
            (n_events, n_features): exact network inputs, not rounded.
        quantized
            The parts that are.
        """
        partly = Partly(quantized, self.weights)
        tensors: dict[str, Values] = {}
        for layer in self.network.layers:
            inputs = [tensors[name] for name in layer.inputs] or [features]
            tensors[layer.name] = layer.values(inputs, self.network.sources(layer), partly)
        return tensors


def shadow_weights(model: Any, network: IntegerNetwork) -> dict[str, tuple[Values, Values]]:  # noqa: ANN401
    """Give kernel and bias of every layer of a QKeras model as they are before their quantizers.

    Parameters
    ----------
    model
        What `network` was extracted from.
    """
    return {
        layer.name: tuple(np.asarray(array, dtype=np.float64) for array in model.get_layer(layer.name).get_weights())  # type: ignore[misc]
        for layer in network.weighted
    }
