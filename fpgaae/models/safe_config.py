"""The part of a model's config that Keras may load to be compared with: listed classes only, nothing that runs code.

Shares no code with the way from a file to the firmware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fpgaae.errors import InputError
from fpgaae.models.keras_layers import LAYERS, PRUNING_WRAPPER
from fpgaae.models.quantizers import read_quantizer

PRECISION = "float64"
_LEFT_OUT = ("_initializer", "_regularizer", "_constraint")
_NEVER = frozenset({"build_config", "compile_config", "build_input_shape", "shared_object_id", "training_config"})
_LAYERS = frozenset(kind for kind, row in LAYERS.items() if row.settings is not None)
_CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
_PARTS = frozenset({"__keras_tensor__", "DTypePolicy", "Policy", "ConstantSparsity", "PolynomialDecay"})
_QUANTIZERS = frozenset(
    {"quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "quantized_linear", "quantized_po2",
     "quantized_relu_po2", "quantized_hswish", "binary", "ternary"}
)  # fmt: skip
_MODULES = frozenset({"keras", "tf_keras", "tensorflow_model_optimization", "qkeras", "fpgaae"})
_FUNCTIONS = frozenset(
    {"linear", "relu", "sigmoid", "tanh", "softplus", "softsign", "exponential", "elu", "selu", "hard_sigmoid",
     "hard_tanh", "leaky_relu", "relu6"}
)  # fmt: skip


def safe_config(value: Any) -> Any:  # noqa: ANN401
    """Give the config of a model without what has no effect, in double precision, and of listed classes only.

    Raises
    ------
    InputError
        If it names another class, or a module that is not that of a listed class.
    """
    if isinstance(value, list):
        return [safe_config(entry) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" in value:
        _check_class(value)
        if value["class_name"] in {"DTypePolicy", "Policy"}:
            return PRECISION
    for key, entry in value.items():
        if (key == "activation" or key.endswith("_quantizer")) and isinstance(entry, str):
            _check_text(entry)
    kept = {
        key: safe_config(entry) for key, entry in value.items() if not key.endswith(_LEFT_OUT) and key not in _NEVER
    }
    if "dtype" in kept and "class_name" not in kept:
        kept["dtype"] = PRECISION
    return kept


def _check_class(spec: Mapping[str, Any]) -> None:
    kind = str(spec["class_name"])
    known = kind.rsplit(">", maxsplit=1)[-1] in _LAYERS | _CONTAINERS | _PARTS | _QUANTIZERS | {PRUNING_WRAPPER}
    is_function = kind == "function" and str(spec.get("config")) in _FUNCTIONS
    module = str(spec.get("module") or "keras").split(".")[0]
    if (module not in _MODULES and spec.get("module") != "builtins") or not (known or is_function):
        raise InputError(f"the class {kind[:60]!r} is not one that a comparison loads")


def _check_text(text: str) -> None:
    """Refuse a quantizer in words that QKeras would have to look up elsewhere."""
    found = read_quantizer(text)
    if found is not None and found.kind not in _QUANTIZERS | _FUNCTIONS:
        raise InputError(f"the activation or quantizer {text[:60]!r} is not one that a comparison loads")


def without_strangers(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON of a model without the layers of other classes and all that read them, as it was in front of them.

    Parameters
    ----------
    spec
        Of a model, or of one that stands in it.
    """
    config = spec.get("config")
    if not isinstance(config, Mapping) or "layers" not in config:
        return dict(spec)
    layers = [without_strangers(layer) if _is_container(layer) else layer for layer in config["layers"]]
    gone = {_name(layer) for layer in layers if _is_stranger(layer)}
    if not gone and layers == config["layers"]:
        return dict(spec)
    if spec["class_name"] == "Sequential":
        n_kept = next((n for n, layer in enumerate(layers) if _name(layer) in gone), len(layers))
        return {**spec, "config": {**config, "layers": layers[:n_kept]}}
    # which output of a model is read counts its outputs, of which some may be gone
    changed = {
        _name(new) for new, old in zip(layers, config["layers"], strict=True) if _n_outputs(new) != _n_outputs(old)
    }
    reads = {_name(layer): set(_texts(layer.get("inbound_nodes"))) for layer in layers}
    while more := {name for name, sources in reads.items() if sources & (gone | changed)} - gone:
        gone |= more
    kept = [layer for layer in layers if _name(layer) not in gone]
    read = {source for layer in kept for source in reads[_name(layer)]}
    calls = dict(_calls(config))
    ends = [[name, calls.get(name, 0), 0] for name in map(_name, kept) if name not in read]
    return {**spec, "config": {**config, "layers": kept, "output_layers": ends}}


def _is_container(spec: Mapping[str, Any]) -> bool:
    return spec.get("class_name") in _CONTAINERS


def _is_stranger(spec: Mapping[str, Any]) -> bool:
    if _is_container(spec):
        return not spec["config"].get("layers")
    try:
        _check_class(spec)
    except InputError:
        return True
    return False


def _n_outputs(spec: Mapping[str, Any]) -> int:
    ends = spec["config"].get("output_layers") if _is_container(spec) else None
    return 1 if not isinstance(ends, list) or not ends or isinstance(ends[0], str) else len(ends)


def _name(spec: Mapping[str, Any]) -> str:
    return str(spec.get("name") or spec["config"]["name"])


def _calls(value: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    """Give the layers that are read anywhere in JSON, with the number of the call: of a nested model it may be 1."""
    if isinstance(value, list) and len(value) > 2 and isinstance(value[0], str) and isinstance(value[1], int):
        yield value[0], value[1]
    elif isinstance(value, Mapping | list):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _calls(entry)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Give every text in JSON; among those of a call are the names of the layers that it reads."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(entry)
