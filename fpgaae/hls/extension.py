"""The score layers taught to hls4ml through its Extension API: parser, IR layer, templates, source, exact type.

hls4ml's `bit_exact` flow derives a type for each layer by a rule per layer class; the table of these rules
(`_produce_kif`) is private, which is why hls4ml is pinned. This module imports hls4ml.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import hls4ml
import numpy as np
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer
from hls4ml.model.layers import Layer, register_layer
from hls4ml.model.optimizer.passes import bit_exact

from fpgaae.fixedpoint import FixedPointType
from fpgaae.hls.image_layers import register_image_rules
from fpgaae.hls.project import firmware_source
from fpgaae.models.integer import squared_error_type, squared_type

HEADER = "fpgaae_scores.h"


class _ScoreLayer(Layer):
    """A layer that puts out one number an event."""

    _expected_attributes: ClassVar[list[Any]] = [hls4ml.model.attributes.TypeAttribute("accum")]

    def initialize(self) -> None:
        """Declare the output and its size."""
        self.set_attr("n_in", int(np.prod(self.get_input_variable(self.inputs[0]).shape)))
        self.add_output_variable(shape=[1])


class HlsSquaredError(_ScoreLayer):
    """Sum of (x - x')^2."""


class HlsMuSquared(_ScoreLayer):
    """Sum of mu^2."""


class _ScoreConfig(LayerConfigTemplate):
    """Compile-time constants of a score kernel."""

    def __init__(self) -> None:
        super().__init__((HlsSquaredError, HlsMuSquared))
        self.template = (
            "struct config{index} : nnet::score_config {{\n"
            "    static const unsigned n_in = {n_in};\n"
            "    typedef {accum_t.name} accum_t;\n"
            "}};\n"
        )

    def format(self, node: Layer) -> str:
        """Fill the template."""
        return str(self.template.format(**self._default_config_params(node)))


class _ScoreCall(FunctionCallTemplate):
    """The call of a score kernel."""

    _kernels: ClassVar[dict[type[Layer], str]] = {HlsSquaredError: "squared_error", HlsMuSquared: "mu_squared"}

    def __init__(self) -> None:
        super().__init__((HlsSquaredError, HlsMuSquared), include_header=[f"nnet_utils/{HEADER}"])

    def format(self, node: Layer) -> str:
        """Give `nnet::kernel<types, config>(inputs, output);`."""
        inputs = [node.get_input_variable(name) for name in node.inputs]
        output = node.get_output_variable()
        types = ", ".join(variable.type.name for variable in (*inputs, output))
        names = ", ".join(variable.name for variable in (*inputs, output))
        kernel = next(name for kind, name in self._kernels.items() if isinstance(node, kind))
        return f"nnet::{kernel}<{types}, config{node.index}>({names});"


def _parse(keras_layer: dict[str, Any], input_names: list[str], input_shapes: list[Any], _: object) -> tuple[Any, Any]:
    """Read a score layer from the Keras 2 model."""
    return parse_default_keras_layer(keras_layer, input_names), [input_shapes[0][0], 1]


def _input_types(node: Layer) -> list[FixedPointType]:
    """Give the types of a node's inputs as the rules before this one derived them."""
    types = []
    for kept, integer, fraction in bit_exact.get_input_kifs(node):
        k, i, f = int(np.max(kept)), int(np.max(integer)), int(np.max(fraction))
        types.append(FixedPointType(k + i + f, k + i, bool(k)))
    return types


def _squared_error_kif(node: Layer) -> Any:  # noqa: ANN401
    a, b = _input_types(node)
    return _as_kif(squared_error_type(a, b, node.get_attr("n_in")))


def _mu_squared_kif(node: Layer) -> Any:  # noqa: ANN401
    (mu,) = _input_types(node)
    return _as_kif(squared_type(mu, node.get_attr("n_in")))


def _as_kif(result: FixedPointType) -> tuple[Any, Any, Any]:
    """Write a type as hls4ml's rules do: sign, integer bits without it, fraction, each of the output's shape."""
    signed = int(result.signed)
    return tuple(np.full((1,), n, dtype=np.int16) for n in (signed, result.integer - signed, result.fraction))  # type: ignore[return-value]


@cache
def register_scores() -> None:
    """Register the score layers with hls4ml, once a process, for both backends."""
    register_image_rules()
    rules: dict[type[Layer], tuple[str, Callable[[Layer], Any]]] = {
        HlsSquaredError: ("SquaredErrorScore", _squared_error_kif),
        HlsMuSquared: ("MuSquaredScore", _mu_squared_kif),
    }
    for layer, (keras_name, rule) in rules.items():
        hls4ml.converters.register_keras_v2_layer_handler(keras_name, _parse)
        register_layer(keras_name, layer)
        bit_exact._produce_kif.register(layer)(rule)
    for name in ("Vivado", "Vitis"):
        backend = hls4ml.backends.get_backend(name)
        backend.register_template(_ScoreConfig)
        backend.register_template(_ScoreCall)
        backend.register_source(firmware_source(f"hls/{HEADER}"))
