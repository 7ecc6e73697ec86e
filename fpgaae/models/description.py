"""A network as plain values: layers in graph order, their settings as Keras saves them, and their weights as arrays.

Nothing in it can be executed, and nothing is left out: classes and settings that nobody knows are kept, so that whoever
needs them can refuse them by name. `fpgaae.models.model_file` reads it from a file, `fpgaae.models.architecture` from a
Keras model, `fpgaae.models.rebuild` makes a Keras model of it (NumPy only).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.keras_layers import KerasLayer, Role, refused_settings, row_of
from fpgaae.models.quantizers import Quantizer, read_quantizer

Weights = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class LayerDescription:
    """One layer: its Keras class, the layers that it reads, its settings and its weights by name."""

    name: str
    kind: str  # class name; `package>name` of a class that is neither Keras', QKeras' nor fpgaae's
    inputs: tuple[str, ...]
    settings: Mapping[str, Any]
    weights: Weights = field(default_factory=dict, repr=False)
    is_wrapped_for_pruning: bool = False
    n_calls: int = 1  # how often the layer stands in the graph
    within: tuple[str, ...] = ()  # the nested models that it stands in, the outermost first
    of_file: str | None = None  # the layer of the file that puts out the same values, None where none does

    @property
    def row(self) -> KerasLayer:
        """What is known of its class."""
        return row_of(self.kind)

    @property
    def role(self) -> Role:
        """What it does with values."""
        return self.row.role

    @property
    def has_weights(self) -> bool:
        """Whether it adds products with weights of its own."""
        return self.role is Role.SUM

    @property
    def is_quantized_sum(self) -> bool:
        """Whether it multiplies with quantized weights."""
        return self.row.is_quantized

    @property
    def is_float_sum(self) -> bool:
        """Whether it multiplies with weights in full precision."""
        return self.has_weights and not self.row.is_quantized

    @property
    def is_score(self) -> bool:
        """Whether it is one of the anomaly scores."""
        return self.role is Role.SCORE

    @property
    def computes(self) -> bool:
        """Whether what it puts out needs more bits than what it reads."""
        return self.role.computes

    @property
    def moves_values(self) -> bool:
        """Whether each of its outputs is one of its inputs, or zero."""
        return self.role.moves_values

    @property
    def activation(self) -> Quantizer | None:
        """The activation inside the layer, None for none."""
        return read_quantizer(self.settings.get("activation"))

    @property
    def quantizers(self) -> dict[str, Quantizer | None]:
        """Its quantizers by what they quantize: `kernel`, `bias`, ..., `activation`."""
        end = "_quantizer"
        found = {key.removesuffix(end): value for key, value in self.settings.items() if key.endswith(end)}
        if self.role is Role.ROUND:
            found["activation"] = self.settings.get("activation")
        if not self.settings.get("use_bias", True):
            found.pop("bias", None)
        return {role: read_quantizer(value) for role, value in found.items()}

    @property
    def event_shape(self) -> tuple[int, ...] | None:
        """The shape of one event that an Input takes, None where it does not say it."""
        found = self.settings.get("batch_input_shape") or self.settings.get("batch_shape")
        shape = self.settings.get("shape", found[1:] if isinstance(found, list | tuple) else None)
        if not isinstance(shape, list | tuple) or not all(isinstance(size, int) and size > 0 for size in shape):
            return None
        return tuple(shape) or None

    @property
    def weight_names(self) -> tuple[str, ...]:
        """The names of its weights in the order in which Keras saves them."""
        if self.role in {Role.SUM, Role.TRANSPOSED, Role.DEPTHWISE}:
            kernels = ("kernel",) if self.role is not Role.DEPTHWISE else self._depthwise_names
            return (*kernels, "bias") if self.settings.get("use_bias", True) else kernels
        if self.kind == "Rescaling" or (self.kind == "Normalization" and self.settings.get("mean") is not None):
            return ()
        if self.kind == "Normalization":
            return ("mean", "variance")
        if self.role is Role.NORMALIZE:
            optional = [n for n, key in (("gamma", "scale"), ("beta", "center")) if self.settings.get(key, True)]
            return (*optional, "moving_mean", "moving_variance")
        return ()

    @property
    def is_separable(self) -> bool:
        """Whether it is a depthwise convolution with one of single pixels behind it."""
        return self.kind.startswith("SeparableConv")

    @property
    def _depthwise_names(self) -> tuple[str, ...]:
        return ("depthwise_kernel", "pointwise_kernel") if self.is_separable else ("depthwise_kernel",)

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
        return any(
            layer.is_quantized_sum or layer.role is Role.ROUND or "depthwise_quantizer" in layer.settings
            for layer in self.layers
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one event.

        Raises
        ------
        InputError
            If the Input does not say it.
        """
        if (shape := self.layers[0].event_shape) is None:
            given = self.layers[0].settings
            extents = given.get("batch_input_shape") or given.get("batch_shape") or given.get("shape")
            if not isinstance(extents, list | tuple) or None not in extents[1:]:
                raise InputError("the model does not say the shape of its input; build it with an Input layer")
            raise InputError(
                f"the model leaves the shape of its input open, {str(extents)[:100]}; build it with an Input of the "
                "shape of one event"
            )
        return shape

    @property
    def score(self) -> LayerDescription | None:
        """The score layer at the end, if there is one."""
        last = self[self.outputs[0]]
        return last if last.is_score else None

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


def check_settings(network: NetworkDescription) -> NetworkDescription:
    """Give the network back if every setting of its layers is used, or has no effect on what they compute.

    Raises
    ------
    InputError
        If one does not.
    """
    for layer in network.layers:
        for refused in refused_settings(layer.kind, layer.settings):
            raise InputError(
                f"the layer {layer.name} has the setting {refused}, which is not known to have exact firmware; leave "
                "it at its default"
            )
    return network
