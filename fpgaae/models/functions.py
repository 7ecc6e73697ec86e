"""Which activations of Keras and QKeras become tables, and what they are called in the files (NumPy only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, parse_type
from fpgaae.golden.functions import MAX_ARGUMENT_BITS, Function
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role, refused_settings, slope_of
from fpgaae.models.quantizers import Quantizer

_ACTIVATIONS: Mapping[str, Function] = {  # by the name of a function, as Keras 2 and Keras 3 write it
    **{
        name: Function(name)
        for name in ("sigmoid", "tanh", "softplus", "softsign", "exponential", "elu", "selu", "hard_sigmoid",
                     "hard_sigmoid_by_6", "hard_tanh")
    },
    "leaky_relu": Function("leaky_relu", 0.2),
    "relu6": Function("clipped_relu", 6.0),
}  # fmt: skip
TABULATED = frozenset(_ACTIVATIONS) - {"hard_sigmoid_by_6"}


class _Rounded(NamedTuple):
    """A rounded function of QKeras: of which, if it is the real one or three straight lines, and its type."""

    real: str
    lines: str
    option: str  # that asks for the real one
    type: Callable[[int, Overflow], FixedPointType]


_ROUNDED = {
    "quantized_sigmoid": _Rounded(
        "sigmoid", "hard_sigmoid_by_2", "use_real_sigmoid",
        lambda bits, overflow: FixedPointType(bits, 0, False, Rounding.HALF_EVEN, overflow),
    ),
    "quantized_tanh": _Rounded(
        "tanh", "hard_tanh", "use_real_tanh",
        lambda bits, overflow: FixedPointType(bits, 1, True, Rounding.HALF_EVEN, overflow),
    ),
}  # fmt: skip
_OPTIONS = frozenset({"bits", "symmetric", "use_stochastic_rounding", "use_real_tanh", "use_real_sigmoid"})


def function_of_activation(activation: Quantizer | None) -> Function | None:
    """Give the function that an activation in a float layer names, None where no table is made of it."""
    return None if activation is None or activation.options else _ACTIVATIONS.get(activation.kind)


def function_of_layer(layer: LayerDescription) -> Function | None:
    """Give the function that a layer of Keras computes of each value, None where it has another form."""
    if layer.kind == "ELU":
        return Function("elu", float(layer.settings.get("alpha", 1.0)))
    if layer.role is Role.LEAK and any(refused_settings(layer.kind, layer.settings)):  # no power of two
        return Function("leaky_relu", slope_of(layer.settings))
    is_leaky = layer.settings.get("negative_slope") or layer.settings.get("threshold")
    if layer.role is Role.RECTIFY and layer.settings.get("max_value") is not None and not is_leaky:
        return Function("clipped_relu", float(layer.settings["max_value"]))
    return function_of_activation(layer.activation) if layer.role is Role.ACTIVATE else None


def as_layer(name: str, source: str, function: Function, of_file: str | None) -> LayerDescription:
    """Give the layer that computes a function in full precision."""
    settings = {"function": function.name, "parameter": function.parameter}
    return LayerDescription(name, "FunctionActivation", (source,), settings, of_file=of_file)


def as_table(
    layer: LayerDescription, function: Function, argument: FixedPointType, result: FixedPointType
) -> LayerDescription:
    """Give the table that a layer becomes."""
    settings = {
        "function": function.name, "parameter": function.parameter,
        "argument": str(argument), "result": str(result),
    }  # fmt: skip
    return layer.changed(kind="TableActivation", settings=settings)


def with_tables(network: NetworkDescription) -> NetworkDescription:
    """Give the rounded functions of QKeras, whose argument is rounded as well, as tables.

    `quantized_tanh` as three straight lines is `quantized_bits` of one bit in front of the point.
    """
    known: dict[str, FixedPointType | None] = {}
    layers = []
    for layer in network.layers:
        source = known.get(layer.inputs[0]) if layer.inputs else None
        made = _rounded(layer, layer.activation, source) if layer.role is Role.ROUND and layer.activation else layer
        known[made.name] = output_type(made, source)
        layers.append(made)
    return NetworkDescription(tuple(layers), network.outputs)


def output_type(layer: LayerDescription, source: FixedPointType | None) -> FixedPointType | None:
    """Give the type that a layer rounds to, or hands on; None where nothing rounds."""
    if layer.kind == "TableActivation":
        return parse_type(layer.settings["result"])
    if layer.role is Role.ROUND:
        return layer.activation and layer.activation.type
    return source if layer.moves_values else None


def _rounded(layer: LayerDescription, activation: Quantizer, source: FixedPointType | None) -> LayerDescription:
    form, options = _ROUNDED.get(activation.kind), activation.options
    bits = activation.whole("bits")
    if form is None or bits is None or not 2 <= bits <= 32 or not options.keys() <= _OPTIONS:
        return layer
    if options.get("use_stochastic_rounding"):
        return layer
    is_symmetric = bool(options.get("symmetric"))
    of = form.type(bits, Overflow.SATURATE_SYMMETRIC if is_symmetric else Overflow.SATURATE)
    if is_symmetric and not of.signed:  # it never puts out 0
        return layer
    name = form.real if options.get(form.option) else form.lines
    if name == "hard_tanh":
        return layer.with_settings(activation=of)
    if source is None or source.width > MAX_ARGUMENT_BITS:
        return layer
    return as_table(layer, Function(name), source, of)
