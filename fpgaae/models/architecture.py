"""The architecture that Keras saves, JSON of Keras 2 or Keras 3, to a description; nothing is deserialised.

Every layer and every setting is kept as it stands there. Nested models are taken apart, and what a pruning wrapper
wraps stands in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_json import (
    Spec,
    ends,
    in_graph_order,
    kind_of,
    own_name,
    printable,
    shown,
    training_of,
    tuples,
    weight_paths,
)
from fpgaae.models.keras_layers import CONTAINERS, LAYERS, PRUNING_WRAPPER

_INPUT = "InputLayer"

Outputs = tuple[str, ...]  # the layers that stand for the outputs of a layer or a nested model


class WeightPlace(NamedTuple):
    """Where a layer's weights lie: by order in `.keras` files, by names in HDF5 files."""

    path: str  # layers/sequential/layers/dense_1
    names: tuple[str, ...]  # of the models that it stands in, the outermost first, and its own

    @property
    def group(self) -> str:
        """The outermost layer that holds it."""
        return self.names[0]

    @property
    def layer(self) -> str:
        """Its own name."""
        return self.names[-1]


class Architecture(NamedTuple):
    """A network without weights, and where to find them."""

    network: NetworkDescription
    places: Mapping[str, WeightPlace]


def describe_model(model: Any) -> NetworkDescription:  # noqa: ANN401
    """Describe a Keras 2 model in memory, with its weights."""
    network, places = read_architecture(json.loads(model.to_json()))
    arrays: dict[tuple[str, str], dict[str, Any]] = {}
    for outer in model.layers:
        for layer in (outer, *outer._flatten_layers(include_self=False)):
            named = {variable.name.split("/")[-1].split(":")[0]: variable for variable in layer.weights}
            arrays.setdefault((outer.name, layer.name), named)
    return with_weights(network, {
        name: {key: np.asarray(variable, dtype=np.float32) for key, variable in found.items()}
        for name, place in places.items()
        if (found := arrays.get((place.group, place.layer)))
    })  # fmt: skip


def with_weights(network: NetworkDescription, weights: Mapping[str, Mapping[str, Any]]) -> NetworkDescription:
    """Give layers their weights by name; what is stored beside them, as the mask of a pruning, is left out."""

    def mine(layer: LayerDescription) -> Mapping[str, Any]:
        found = weights.get(layer.name, {})
        return {name: found[name] for name in layer.weight_names if name in found}

    return NetworkDescription(tuple(layer.changed(weights=mine(layer)) for layer in network.layers), network.outputs)


def read_architecture(content: Spec, keras_version: str = "2") -> Architecture:
    """Read the JSON of a model.

    Parameters
    ----------
    keras_version
        Of the Keras that wrote it: a few names mean something else in Keras 3.

    Raises
    ------
    InputError
        If it is not that of a model.
    """
    reader = _Reader()
    try:
        outputs = reader.model(content, None, (), 1, "")
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else ""
        raise InputError(f"the config of the model can't be read ({type(error).__name__}: {reason})") from None
    if not reader.layers:
        raise InputError("the config of the model can't be read (it has no layers)")
    layers = sorted(reader.layers.values(), key=lambda layer: layer.kind != _INPUT)
    if keras_version.startswith("3"):
        layers = [_of_keras_3(layer) for layer in layers]
    return Architecture(NetworkDescription(tuple(layers), tuple(dict.fromkeys(outputs))), reader.places)


def _of_keras_3(layer: LayerDescription) -> LayerDescription:
    """Call by another name what Keras 3 calls as Keras 2 calls another function."""
    activation = layer.activation
    is_other = activation is not None and activation.kind == "hard_sigmoid"
    return layer.with_settings(activation="hard_sigmoid_by_6") if is_other else layer


class _Reader:
    """Collects the layers of a model and of those nested in it, in graph order."""

    def __init__(self) -> None:
        self.layers: dict[str, LayerDescription] = {}
        self.places: dict[str, WeightPlace] = {}
        self._outermost: frozenset[str] = frozenset()  # the layers of the model itself, which keep their names
        self._in_training = False  # whether the nested model that is read is called as in training

    def model(self, spec: Spec, sources: Outputs | None, within: tuple[str, ...], n_calls: int, path: str) -> Outputs:
        """Read a model whose inputs are the given layers, None for the outermost; give the layers that it puts out."""
        kind, config = spec["class_name"], spec["config"]
        if kind not in CONTAINERS:
            raise InputError(
                f"the model is a {shown(kind)}, of which only its own code knows the layers; "
                "save a Sequential or functional model"
            )
        layers = config if isinstance(config, list) else config["layers"]  # old Sequential models are lists
        paths = {own_name(entry): place for entry, place in zip(layers, weight_paths(layers, path), strict=True)}
        if len(paths) != len(layers) or not layers:
            raise ValueError("it has no layers, or two of one name")
        if not within:
            self._outermost = frozenset(map(printable, paths))
        if kind == "Sequential":
            return self._sequential(config, layers, paths, sources, within, n_calls)
        return self._functional(config, layers, paths, sources, within, n_calls)

    def _sequential(
        self, config: Spec, layers: Spec, paths: Mapping[str, str], sources: Outputs | None, within: tuple[str, ...],
        n_calls: int,
    ) -> Outputs:  # fmt: skip
        """Read a chain, each layer reading the one before; its Input may be left out."""
        if sources is None and kind_of(layers[0]) != _INPUT:
            first = layers[0]["config"]
            shape = first.get("batch_input_shape") or first.get("batch_shape")
            shape = shape or (config.get("build_input_shape") if isinstance(config, Mapping) else None)
            name = "features"
            while name in paths:
                name += "_"
            sources = self._add(LayerDescription(name, _INPUT, (), {"batch_shape": tuples(shape)}))
        for spec in layers:
            if not (kind_of(spec) == _INPUT and sources):
                sources = self._layer(spec, sources or (), within, n_calls, paths[own_name(spec)])
        return sources or ()

    def _functional(
        self, config: Spec, layers: Spec, paths: Mapping[str, str], sources: Outputs | None, within: tuple[str, ...],
        n_calls: int,
    ) -> Outputs:  # fmt: skip
        known: dict[str, Outputs] = {}
        if sources is not None:
            given = [name for name, _ in ends(config["input_layers"])]
            known = {name: (source,) for name, source in zip(given, sources, strict=True)}
        for spec, read in in_graph_order(layers):
            name = own_name(spec)
            if name not in known:
                inputs = tuple(_output(known[source], index) for source, index in read)
                n = n_calls * max(1, len(spec.get("inbound_nodes") or []))  # a second call is a finding of its own
                known[name] = self._layer(spec, inputs, within, n, paths[name])
        return tuple(_output(known[name], i) for name, i in ends(config.get("output_layers", [])))

    def _layer(self, spec: Spec, sources: Outputs, within: tuple[str, ...], n_calls: int, path: str) -> Outputs:
        """Read one layer or nested model, and give the layers that stand for its output."""
        kind, name, config = kind_of(spec), own_name(spec), spec["config"]
        said = training_of(spec)
        in_training = self._in_training if said is None else said
        if kind in CONTAINERS:
            before, self._in_training = self._in_training, in_training
            outputs = self.model(spec, sources, (*within, name), n_calls, path)
            self._in_training = before
            if len(outputs) == 1 and not within:
                self.layers[outputs[0]] = self.layers[outputs[0]].changed(of_file=name)
            return outputs
        is_wrapped = kind == PRUNING_WRAPPER
        if is_wrapped:
            kind, config = kind_of(config["layer"]), config["layer"]["config"]
        layer = LayerDescription(
            self._free_name(name, within),
            kind,
            sources,
            {str(key): tuples(value) for key, value in config.items()},
            is_wrapped_for_pruning=is_wrapped,
            n_calls=n_calls,
            within=tuple(map(printable, within)),
            of_file="/".join((*within, name)),
        )
        if in_training and "training" in (layer.row.settings or {}):
            layer = layer.with_settings(training=True)
        self.places[layer.name] = WeightPlace(path, (*within, name))
        return self._with_activation(layer)

    def _with_activation(self, layer: LayerDescription) -> Outputs:
        """Take a layer, and behind it the layer that its setting `activation` holds if it is one."""
        inside = layer.settings.get("activation")
        if not isinstance(inside, Mapping) or kind_of(inside) not in LAYERS:
            return self._add(layer)
        (source,) = self._add(layer.with_settings(activation=None).changed(of_file=None))
        settings = {str(key): tuples(value) for key, value in inside["config"].items()}
        name = self._free_name(f"{layer.name}_{own_name(inside)}", ())
        return self._add(LayerDescription(
            name, kind_of(inside), (source,), settings, n_calls=layer.n_calls, within=layer.within,
            of_file=layer.of_file,
        ))  # fmt: skip

    def _free_name(self, name: str, within: tuple[str, ...]) -> str:
        """Give a layer's own name, or one that says where it stands if another has that."""
        plain = printable(name)
        if plain in self.layers or (within and plain in self._outermost):
            plain = "_".join(map(printable, (*within, name)))
        while plain in self.layers or (within and plain in self._outermost):
            plain += "_2"
        return plain

    def _add(self, layer: LayerDescription) -> Outputs:
        self.layers[layer.name] = layer
        return (layer.name,)


def _output(outputs: Outputs, index: int) -> str:
    return outputs[index if index < len(outputs) else 0]
