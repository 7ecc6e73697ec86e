"""The architecture that Keras saves, JSON of Keras 2 or Keras 3, to a description; nothing is deserialised.

Every layer and every setting is kept as it stands there. Nested models are taken apart, and what a pruning wrapper
wraps stands in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import CONTAINERS, PRUNING_WRAPPER

_PACKAGES = frozenset({"keras", "tf_keras", "tensorflow", "tensorflow_model_optimization", "qkeras", "fpgaae"})
_INPUT = "InputLayer"

Spec = Any  # a part of the JSON in a file that anybody wrote
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
    return Architecture(NetworkDescription(tuple(layers), outputs), reader.places)


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

    def model(self, spec: Spec, sources: Outputs | None, within: tuple[str, ...], n_calls: int, path: str) -> Outputs:
        """Read a model whose inputs are the given layers, None for the outermost; give the layers that it puts out."""
        kind, config = spec["class_name"], spec["config"]
        if kind not in CONTAINERS:
            raise InputError(
                f"the model is a {_text(kind)}, of which only its own code knows the layers; "
                "save a Sequential or functional model"
            )
        layers = config if isinstance(config, list) else config["layers"]  # old Sequential models are lists
        paths = {_own_name(entry): place for entry, place in zip(layers, _paths(layers, path), strict=True)}
        if len(paths) != len(layers) or not layers:
            raise ValueError("it has no layers, or two of one name")
        if kind == "Sequential":
            return self._sequential(config, layers, paths, sources, within, n_calls)
        return self._functional(config, layers, paths, sources, within, n_calls)

    def _sequential(
        self, config: Spec, layers: Spec, paths: Mapping[str, str], sources: Outputs | None, within: tuple[str, ...],
        n_calls: int,
    ) -> Outputs:  # fmt: skip
        """Read a chain, each layer reading the one before; its Input may be left out."""
        if sources is None and _kind(layers[0]) != _INPUT:
            first = layers[0]["config"]
            shape = first.get("batch_input_shape") or first.get("batch_shape")
            shape = shape or (config.get("build_input_shape") if isinstance(config, Mapping) else None)
            name = "features"
            while name in paths:
                name += "_"
            sources = self._add(LayerDescription(name, _INPUT, (), {"batch_shape": _tuples(shape)}))
        for spec in layers:
            if not (_kind(spec) == _INPUT and sources):
                sources = self._layer(spec, sources or (), within, n_calls, paths[_own_name(spec)])
        return sources or ()

    def _functional(
        self, config: Spec, layers: Spec, paths: Mapping[str, str], sources: Outputs | None, within: tuple[str, ...],
        n_calls: int,
    ) -> Outputs:  # fmt: skip
        known: dict[str, Outputs] = {}
        if sources is not None:
            given = [name for name, _ in _ends(config["input_layers"])]
            known = {name: (source,) for name, source in zip(given, sources, strict=True)}
        for spec, read in _in_graph_order(layers):
            name = _own_name(spec)
            if name not in known:
                inputs = tuple(_output(known[source], index) for source, index in read)
                n = n_calls * max(1, len(spec.get("inbound_nodes") or []))  # a second call is a finding of its own
                known[name] = self._layer(spec, inputs, within, n, paths[name])
        return tuple(dict.fromkeys(_output(known[name], i) for name, i in _ends(config.get("output_layers", []))))

    def _layer(self, spec: Spec, sources: Outputs, within: tuple[str, ...], n_calls: int, path: str) -> Outputs:
        """Read one layer or nested model, and give the layers that stand for its output."""
        kind, name, config = _kind(spec), _own_name(spec), spec["config"]
        if kind in CONTAINERS:
            outputs = self.model(spec, sources, (*within, name), n_calls, path)
            if len(outputs) == 1 and not within:
                self.layers[outputs[0]] = self.layers[outputs[0]].changed(of_file=name)
            return outputs
        is_wrapped = kind == PRUNING_WRAPPER
        if is_wrapped:
            kind, config = _kind(config["layer"]), config["layer"]["config"]
        plain = _printable(name)
        if plain in self.layers:
            plain = "_".join(map(_printable, (*within, name)))
        settings = {str(key): _tuples(value) for key, value in config.items()}
        layer = LayerDescription(
            plain,
            kind,
            sources,
            settings,
            is_wrapped_for_pruning=is_wrapped,
            n_calls=n_calls,
            within=tuple(map(_printable, within)),
            of_file="/".join((*within, name)),
        )
        self.places[plain] = WeightPlace(path, (*within, name))
        return self._add(layer)

    def _add(self, layer: LayerDescription) -> Outputs:
        if layer.name in self.layers:
            raise ValueError(f"two of its layers are called {_text(layer.name)}")
        self.layers[layer.name] = layer
        return (layer.name,)


def _own_name(spec: Spec) -> str:
    return str(spec.get("name") or spec["config"]["name"])


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "_" for character in name)


def _text(value: Spec) -> str:
    """Give a name out of a file so that it can stand in a sentence."""
    return re.sub(r"[^\w.:>-]", "_", str(value))[:60]


def _kind(spec: Spec) -> str:
    """Give the class of a layer; that of somebody else with its package, so that no known one is meant."""
    *package, kind = str(spec["class_name"]).split(">")
    *registered, _ = str(spec.get("registered_name") or "").split(">")
    module = str(spec.get("module") or "keras").split(".")[0]
    foreign = [name for name in (*package, *registered, module) if name not in _PACKAGES]
    return f"{_text(foreign[0])}>{_text(kind)}" if foreign else _text(kind)


def _tuples(value: Spec) -> Any:  # noqa: ANN401
    """Give lists as tuples, which can't be changed."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _paths(layers: Sequence[Any], path: str) -> list[str]:
    """Give the path of each layer's weights in a `.keras` file: by class, counted in the order of the layers."""
    counts: dict[str, int] = {}
    found = []
    for spec in layers:
        kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", spec["class_name"]))
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()
        count = counts.get(snake, 0)
        counts[snake] = count + 1
        found.append(f"{path}layers/{snake}_{count}/" if count else f"{path}layers/{snake}/")
    return found


def _output(outputs: Outputs, index: int) -> str:
    return outputs[index if index < len(outputs) else 0]


def _ends(entries: Spec) -> tuple[tuple[str, int], ...]:
    """Read `[["a", 0, 0], ...]` or, as Keras 3 writes a single input or output, `["a", 0, 0]`."""
    return tuple(_sources(list(entries)))


def _sources(call: Spec) -> Iterator[tuple[str, int]]:
    """Give the layers that a call reads, and which output: Keras 2 writes lists, Keras 3 tensors with a history."""
    if isinstance(call, list) and len(call) in {3, 4} and isinstance(call[0], str) and isinstance(call[1], int):
        yield call[0], int(call[2])
        yield from _sources(call[3]) if len(call) == 4 else ()
    elif isinstance(call, Mapping):
        history = call["config"]["keras_history"] if call.get("class_name") == "__keras_tensor__" else None
        if history:
            yield str(history[0]), int(history[2])
        else:
            for value in call.values():
                yield from _sources(value)
    elif isinstance(call, list | tuple):
        for value in call:
            yield from _sources(value)


def _in_graph_order(layers: Sequence[Spec]) -> Iterator[tuple[Spec, tuple[tuple[str, int], ...]]]:
    """Sort layers so that each comes after those that it reads in its first call, and give these."""
    by_name = {_own_name(spec): spec for spec in layers}
    read = {name: tuple(_sources((spec.get("inbound_nodes") or [[]])[0])) for name, spec in by_name.items()}
    position = {name: index for index, name in enumerate(by_name)}
    for name, sources in read.items():
        if unknown := {source for source, _ in sources} - by_name.keys():
            raise ValueError(f"the layer {_text(name)} reads {_text(min(unknown))}, which is not there")
    order: Sequence[str] = list(by_name)
    if any(position[source] >= position[name] for name in order for source, _ in read[name]):
        try:
            order = tuple(TopologicalSorter({n: [s for s, _ in read[n]] for n in by_name}).static_order())
        except CycleError:
            raise ValueError("its layers read each other in a circle") from None
    return ((by_name[name], read[name]) for name in order)
