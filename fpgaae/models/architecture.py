"""The architecture in a Keras model file, JSON of Keras 2 or Keras 3, to a description; nothing is deserialised.

Only layers of an allow-list are read, and of those only settings that are plain values. Nested models are taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpgaae.errors import InputError
from fpgaae.models.description import SCORES, LayerDescription, NetworkDescription, check_names

_CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
_KERNEL = ("use_bias", "activation")
_CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", *_KERNEL)
_POOLING = ("pool_size", "strides", "padding", "data_format")
_QUANTIZERS = ("kernel_quantizer", "bias_quantizer")
SETTINGS: Mapping[str, tuple[str, ...]] = {  # what is read of each class; anything else is refused
    "InputLayer": ("batch_shape", "batch_input_shape"),
    "Dense": ("units", *_KERNEL),
    "Conv1D": _CONVOLUTION,
    "Conv2D": _CONVOLUTION,
    "QDense": ("units", *_KERNEL, *_QUANTIZERS),
    "QConv1D": (*_CONVOLUTION, *_QUANTIZERS),
    "QConv2D": (*_CONVOLUTION, *_QUANTIZERS),
    "QActivation": ("activation",),
    "BatchNormalization": ("epsilon", "axis", "center", "scale"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), _POOLING),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "ZeroPadding1D": ("padding",),
    "ZeroPadding2D": ("padding", "data_format"),
    "Flatten": ("data_format",),
    "Reshape": ("target_shape",),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
                     "ActivityRegularization"), ()),
    **dict.fromkeys(SCORES, ("empty", "argument", "fraction_bits")),
}  # fmt: skip
_CURES = {
    "Lambda": "it holds code, which is never executed; write it with Keras layers",
    "PruneLowMagnitude": "strip the pruning first (tensorflow_model_optimization's strip_pruning)",
    "QBatchNormalization": "fold it into the layer in front of it; it has no exact firmware",
    "QAveragePooling2D": "use AveragePooling2D with a QActivation behind it",
    "Conv2DTranspose": "use UpSampling2D with a Conv2D behind it",
}
_TAKEN = frozenset({"score", "latent_flat", "inputs_flat", "inputs_reshaped", "reconstruction_flat",
                    "reconstruction_reshaped"})  # fmt: skip
_MODULES = ("keras", "tf_keras", "tensorflow", "qkeras", "fpgaae")


Spec = Any  # a part of the JSON in a file that anybody wrote


class WeightPlace(NamedTuple):
    """Where a layer's weights lie: by order in `.keras` files, by names in HDF5 files."""

    path: str  # layers/sequential/layers/dense_1
    group: str  # the outermost layer that holds it
    layer: str  # its own name


class Architecture(NamedTuple):
    """A network without weights, and where to find them."""

    network: NetworkDescription
    places: Mapping[str, WeightPlace]


def read_architecture(content: Spec) -> Architecture:
    """Read the JSON of a model.

    Raises
    ------
    InputError
        If it has a layer that is not in the allow-list, or is no model at all.
    """
    reader = _Reader()
    try:
        outputs = reader.model(content, None, (), "")
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the model's architecture is damaged ({type(error).__name__}: {error}); save it again"
        ) from None
    inputs = [layer for layer in reader.layers if layer.kind == "InputLayer"]
    if len(inputs) != 1:
        raise InputError(f"the model has {len(inputs)} inputs; give one with a single input")
    layers = tuple(inputs + [layer for layer in reader.layers if layer.kind != "InputLayer"])
    return Architecture(check_names(NetworkDescription(layers, outputs)), reader.places)


class _Reader:
    """Collects the layers of a model and of those nested in it, in graph order."""

    def __init__(self) -> None:
        self.layers: list[LayerDescription] = []
        self.places: dict[str, WeightPlace] = {}

    def model(self, spec: Spec, sources: tuple[str, ...] | None, outer: tuple[str, ...], path: str) -> tuple[str, ...]:
        """Read a model whose inputs are the given layers, None for the outermost; give the layers that it puts out."""
        kind, config = spec["class_name"], spec["config"]
        if kind not in _CONTAINERS or not isinstance(config, Mapping):
            raise InputError(
                f"the model is a {_text(kind)}, of which only its own code knows the layers; "
                "save a Sequential or functional model"
            )
        _known_module(spec, kind)
        layers = config["layers"]
        paths = _paths(layers, path)
        if kind == "Sequential":
            return self._sequential(config, layers, paths, sources, outer)
        return self._functional(config, paths, sources, outer)

    def _sequential(
        self,
        config: Spec,
        layers: Spec,
        paths: list[str],
        sources: tuple[str, ...] | None,
        outer: tuple[str, ...],
    ) -> tuple[str, ...]:
        if sources is None and layers[0]["class_name"] != "InputLayer":
            first = layers[0]["config"]
            shape = first.get("batch_input_shape") or first.get("batch_shape") or config.get("build_input_shape")
            sources = self._input("features", shape)
        for spec, path in zip(layers, paths, strict=True):
            if spec["class_name"] == "InputLayer" and sources is not None:
                continue
            sources = self._layer(spec, sources, outer, path)
        return sources or ()

    def _functional(
        self,
        config: Spec,
        paths: list[str],
        sources: tuple[str, ...] | None,
        outer: tuple[str, ...],
    ) -> tuple[str, ...]:
        given = _endpoints(config["input_layers"])
        known: dict[str, tuple[str, ...]] = {}
        if sources is not None:
            known = {name: (source,) for name, source in zip(given, sources, strict=True)}
        waiting = [(s, p) for s, p in zip(config["layers"], paths, strict=True) if _own_name(s) not in known]
        while waiting:
            ready = [entry for entry in waiting if all(name in known for name in _sources(entry[0]))]
            if not ready:
                raise InputError(
                    f"the layer {_text(_own_name(waiting[0][0]))} reads a layer that the model lacks; save it again"
                )
            for spec, path in ready:
                inputs = tuple(name for source in _sources(spec) for name in known[source])
                known[_own_name(spec)] = self._layer(spec, inputs or None, outer, path)
            done = {id(spec) for spec, _ in ready}
            waiting = [entry for entry in waiting if id(entry[0]) not in done]
        return tuple(name for output in _endpoints(config["output_layers"]) for name in known[output])

    def _layer(
        self,
        spec: Spec,
        sources: tuple[str, ...] | None,
        outer: tuple[str, ...],
        path: str,
    ) -> tuple[str, ...]:
        """Read one layer or nested model, and give the layers that stand for its output."""
        kind, name = spec["class_name"], _own_name(spec)
        if kind in _CONTAINERS:
            return self.model(spec, sources or (), (*outer, name), path)
        if kind not in SETTINGS:
            cure = _CURES.get(kind, f"the known ones are {', '.join(sorted(set(SETTINGS) - SCORES))}")
            raise InputError(f"the layer {_text(name)} is a {_text(kind)}, which can't be imported; {cure}")
        _known_module(spec, kind)
        config = spec["config"]
        if kind == "InputLayer":
            return self._input(name, config.get("batch_shape") or config.get("batch_input_shape"))
        if sources is None:
            raise InputError(f"the layer {_text(name)} has no input; save the model again")
        settings = {key: _plain(config[key], name, key) for key in SETTINGS[kind] if key in config}
        plain = _identifier(name)
        if any(layer.name == plain for layer in self.layers):
            plain = _identifier("_".join((*outer, name)))
        self.layers.append(LayerDescription(plain, kind, sources, settings))
        self.places[plain] = WeightPlace(path, (*outer, name)[0], name)
        return (plain,)

    def _input(self, name: str, batch_shape: Spec) -> tuple[str, ...]:
        shape = [] if batch_shape is None else list(batch_shape)[1:]
        if not shape or any(not isinstance(extent, int) for extent in shape):
            raise InputError("the model does not say the shape of its input; build it with an Input layer")
        self.layers.append(LayerDescription(_identifier(name), "InputLayer", (), {"shape": tuple(shape)}))
        return (_identifier(name),)


def _own_name(spec: Spec) -> str:
    return str(spec["config"]["name"])


def _text(value: Spec) -> str:
    """Give a name out of a file so that it can stand in a sentence."""
    return re.sub(r"[^\w.:>-]", "_", str(value))[:60]


def _identifier(name: str) -> str:
    """Give a name that C++ takes, and that none of the layers has which are put behind the model."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if re.match(r"[A-Za-z]", plain) and plain not in _TAKEN else f"layer_{plain}"


def _known_module(spec: Mapping[str, Any], kind: str) -> None:
    """Refuse a class of the user's own that has the name of a known one."""
    registered = spec.get("registered_name")
    package = str(registered).split(">")[0] if registered and ">" in str(registered) else None
    module = str(spec.get("module") or "keras").split(".")[0]
    if module not in _MODULES or package not in {None, "fpgaae", "keras", "qkeras"}:
        raise InputError(
            f"the {_text(kind)} in the model is a class of {_text(package or module)}, which can't be imported; use "
            "that of Keras or QKeras"
        )


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


def _endpoints(entries: Spec) -> tuple[str, ...]:
    """Give the names in `input_layers` or `output_layers`: one [name, node, tensor], or a list of them."""
    if entries and isinstance(entries[0], str):
        entries = [entries]
    return tuple(str(entry[0]) for entry in entries)


def _sources(spec: Spec) -> tuple[str, ...]:
    """Give the names of the layers that a layer of a functional model reads."""
    nodes = spec["inbound_nodes"]
    if len(nodes) > 1:
        raise InputError(
            f"the layer {_text(_own_name(spec))} is used {len(nodes)} times; give each use a layer of its own"
        )
    if not nodes:
        return ()
    if isinstance(nodes[0], Mapping):  # Keras 3
        return tuple(_histories(nodes[0]["args"]))
    entries = nodes[0] if isinstance(nodes[0][0], (list, tuple)) else nodes
    return tuple(str(entry[0]) for entry in entries)


def _histories(value: Spec) -> list[str]:
    """Give the layers of every Keras 3 tensor in nested arguments."""
    if isinstance(value, Mapping):
        history = (
            value.get("config", {}).get("keras_history") if value.get("class_name") == "__keras_tensor__" else None
        )
        return [str(history[0])] if history else []
    if isinstance(value, list):
        return [name for entry in value for name in _histories(entry)]
    return []


def _plain(value: Spec, layer: str, key: str) -> Any:  # noqa: ANN401
    """Give a setting that is a plain value, or the class name and plain settings of a quantizer."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_plain(entry, layer, key) for entry in value)
    if isinstance(value, Mapping) and key in {"activation", *_QUANTIZERS} and isinstance(value.get("config"), Mapping):
        settings = {str(k): _plain(v, layer, "") for k, v in value["config"].items()}
        return {"class_name": str(value["class_name"]), "config": settings}
    raise InputError(f"`{key}` of the layer {_text(layer)} is no plain value, which can't be imported; save it without")
