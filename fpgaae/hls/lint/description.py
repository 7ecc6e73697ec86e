"""What the rules look at: the layers of a model as plain data, in graph order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.models.quantizers import Quantizer, parse_quantizer

Weights = Mapping[str, NDArray[np.float64]]  # kernel and bias of one layer
_WRAPPER = "PruneLowMagnitude"


@dataclass(frozen=True)
class LayerDescription:
    """One layer: its class, its options, the layers that it reads, and its weights where they are known."""

    name: str
    kind: str  # class name without its package
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    weights: Weights = field(default_factory=dict)
    is_wrapped_for_pruning: bool = False
    n_calls: int = 1  # how often the layer stands in the graph

    @property
    def quantizers(self) -> dict[str, Quantizer | None]:
        """Its quantizers by what they quantize: `kernel`, `bias`, ..., `activation`."""
        found = {key.removesuffix("_quantizer"): value for key, value in self.config.items() if _is_quantizer(key)}
        if self.kind == "QActivation":
            found["activation"] = self.config.get("activation")
        if not self.config.get("use_bias", True):
            found.pop("bias", None)
        return {role: parse_quantizer(value) for role, value in found.items()}

    @property
    def is_weighted_sum(self) -> bool:
        """Whether it multiplies with quantized weights."""
        return self.kind in {"QDense", "QConv1D", "QConv2D"}

    @property
    def is_score(self) -> bool:
        """Whether it is one of the anomaly scores."""
        return self.kind.endswith("Score")


@dataclass(frozen=True)
class ModelDescription:
    """The layers of a model; a layer comes after those that it reads."""

    layers: tuple[LayerDescription, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> LayerDescription:
        """Give a layer by name."""
        return next(layer for layer in self.layers if layer.name == name)

    def readers(self, name: str) -> tuple[LayerDescription, ...]:
        """Give the layers that read a layer."""
        return tuple(layer for layer in self.layers if name in layer.inputs)


def _is_quantizer(key: str) -> bool:
    return key.endswith("_quantizer")


def describe_model(model: Any) -> ModelDescription:  # noqa: ANN401
    """Describe a Keras 2 model in memory, with its weights."""
    weights = {
        layer.name: {
            variable.name.split("/")[-1].split(":")[0]: np.asarray(variable, dtype=np.float64)
            for variable in layer.weights
        }
        for layer in model.layers
    }
    return describe_config(json.loads(model.to_json()), weights)


def describe_config(config: Mapping[str, Any], weights: Mapping[str, Weights]) -> ModelDescription:
    """Describe a model from the config that Keras 2 or Keras 3 saves with it.

    Raises
    ------
    InputError
        If the config is not that of a model.
    """
    try:
        inner = config["config"]
        entries = inner if isinstance(inner, list) else inner["layers"]  # old Sequential models are lists
        is_chain = config.get("class_name") == "Sequential"
        layers = list(_chain(entries, weights) if is_chain else (_layer(entry, weights) for entry in entries))
        outputs = (layers[-1].name,) if is_chain else _names(inner.get("output_layers", []))
        return ModelDescription(_in_graph_order(layers), outputs)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise InputError(f"the config of the model can't be read ({type(error).__name__}: {error})") from None


def _layer(entry: Mapping[str, Any], weights: Mapping[str, Weights]) -> LayerDescription:
    """Describe one layer; what a pruning wrapper wraps stands in its place."""
    calls = entry.get("inbound_nodes") or []
    kind, config = str(entry["class_name"]).split(">")[-1], dict(entry["config"])
    name = str(entry.get("name") or config["name"])
    is_wrapped = kind == _WRAPPER
    if is_wrapped:
        kind, config = str(config["layer"]["class_name"]).split(">")[-1], dict(config["layer"]["config"])
    inputs = tuple(_sources(calls[0])) if calls else ()  # a second call is a finding of its own
    return LayerDescription(name, kind, config, inputs, weights.get(name, {}), is_wrapped, max(1, len(calls)))


def _chain(entries: Sequence[Mapping[str, Any]], weights: Mapping[str, Weights]) -> Iterator[LayerDescription]:
    """Describe the layers of a Sequential model, each reading the one before; its Input may be left out."""
    before: tuple[str, ...] = ()
    for entry in entries:
        layer = _layer({**entry, "inbound_nodes": [[[name, 0, 0, {}] for name in before]]}, weights)
        if not before and layer.kind != "InputLayer":
            shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape")
            yield LayerDescription("input", "InputLayer", {"batch_input_shape": shape}, ())
            layer = LayerDescription(layer.name, layer.kind, layer.config, ("input",), layer.weights)
        yield layer
        before = (layer.name,)


def _sources(call: object) -> Iterator[str]:
    """Give the names of the layers that a call reads: Keras 2 writes lists, Keras 3 tensors with a history."""
    if isinstance(call, list) and len(call) in {3, 4} and isinstance(call[0], str) and isinstance(call[1], int):
        yield call[0]
        yield from _sources(call[3]) if len(call) == 4 else ()
    elif isinstance(call, Mapping):
        history = call["config"]["keras_history"] if call.get("class_name") == "__keras_tensor__" else None
        if history:
            yield str(history[0])
        else:
            for value in call.values():
                yield from _sources(value)
    elif isinstance(call, list | tuple):
        for value in call:
            yield from _sources(value)


def _names(outputs: Sequence[Any]) -> tuple[str, ...]:
    """Read `[["a", 0, 0], ...]` or, as Keras 3 writes a single output, `["a", 0, 0]`."""
    return tuple(dict.fromkeys(_sources(list(outputs))))


def _in_graph_order(layers: Sequence[LayerDescription]) -> tuple[LayerDescription, ...]:
    """Sort layers so that each comes after those that it reads."""
    by_name = {layer.name: layer for layer in layers}
    if len(by_name) != len(layers) or not layers:
        raise ValueError("it has no layers, or two of one name")
    for layer in layers:
        if unknown := set(layer.inputs) - by_name.keys():
            raise ValueError(f"the layer {layer.name} reads {min(unknown)}, which is not there")
    position = {name: index for index, name in enumerate(by_name)}
    if all(position[source] < position[layer.name] for layer in layers for source in layer.inputs):
        return tuple(layers)
    try:
        order = tuple(TopologicalSorter({layer.name: layer.inputs for layer in layers}).static_order())
    except CycleError:
        raise ValueError("its layers read each other in a circle") from None
    return tuple(by_name[name] for name in order)
