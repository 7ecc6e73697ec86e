"""A network as plain values: layers of known classes, their settings and their weights as arrays (NumPy only).

Nothing in it can be executed. `fpgaae.models.architecture` reads it from a model file, `fpgaae.models.rebuild` makes a
Keras model of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError

Weights = Mapping[str, NDArray[np.float32]]

CONVOLUTIONS = frozenset({"Conv1D", "Conv2D"})
WEIGHTED = frozenset({"Dense", *CONVOLUTIONS})
QUANTIZED = frozenset(f"Q{kind}" for kind in WEIGHTED)
AVERAGES = frozenset({"AveragePooling1D", "AveragePooling2D"})
SCORES = frozenset({
    "SquaredErrorScore", "MaskedSquaredErrorScore", "AbsoluteErrorScore", "MuSquaredScore",
    "MuSquaredOverVarianceScore", "KlDivergenceScore", "RegressionScore",
})  # fmt: skip


@dataclass(frozen=True)
class LayerDescription:
    """One layer: its Keras class, the layers that it reads, its settings and its weights by name."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any]
    weights: Weights = field(default_factory=dict, repr=False)

    @property
    def activation(self) -> Any:  # noqa: ANN401
        """The activation inside the layer, None for none."""
        found = self.settings.get("activation")
        return None if found == "linear" else found

    def changed(self, **changes: Any) -> LayerDescription:  # noqa: ANN401
        """Give a copy with some fields changed."""
        return replace(self, **changes)

    def with_settings(self, **settings: Any) -> LayerDescription:  # noqa: ANN401
        """Give a copy with some settings changed."""
        return replace(self, settings={**self.settings, **settings})


@dataclass(frozen=True)
class NetworkDescription:
    """Layers in graph order, the Input first, and the layers whose outputs are the network's."""

    layers: tuple[LayerDescription, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> LayerDescription:
        """Give a layer by name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def is_quantized(self) -> bool:
        """Whether it holds QKeras layers."""
        return any(layer.kind in QUANTIZED or layer.kind == "QActivation" for layer in self.layers)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return tuple(self.layers[0].settings["shape"])

    @property
    def score(self) -> LayerDescription | None:
        """The score layer at the end, if there is one."""
        last = self[self.outputs[0]]
        return last if last.kind in SCORES else None

    def readers(self, name: str) -> tuple[LayerDescription, ...]:
        """Give the layers that read a layer."""
        return tuple(layer for layer in self.layers if name in layer.inputs)

    def rewired(self, layers: list[LayerDescription], into: Mapping[str, str]) -> NetworkDescription:
        """Give a network of other layers in which every name was replaced by what stands in its place now."""

        def now(name: str) -> str:
            while name in into:
                name = into[name]
            return name

        kept = tuple(layer.changed(inputs=tuple(now(name) for name in layer.inputs)) for layer in layers)
        return NetworkDescription(kept, tuple(now(name) for name in self.outputs))


def check_names(network: NetworkDescription) -> NetworkDescription:
    """Give the network back if no two layers share a name.

    Raises
    ------
    InputError
        If two do.
    """
    seen: set[str] = set()
    for layer in network.layers:
        if layer.name in seen:
            raise InputError(f"two layers of the model are called {layer.name}; rename one of them")
        seen.add(layer.name)
    return network
