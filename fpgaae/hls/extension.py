"""The project's own layers taught to hls4ml, of these the scores, through its Extension API.

A layer has a parser, an IR layer, templates, a source and an exact type.

hls4ml's `bit_exact` flow derives a type for each layer by a rule per layer class; the table of these rules
(`_produce_kif`) is private, which is why hls4ml is pinned. This module imports hls4ml.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import hls4ml
import numpy as np
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer
from hls4ml.model.layers import Layer, register_layer
from hls4ml.model.optimizer.passes import bit_exact

from fpgaae.config.model import Score
from fpgaae.fixedpoint import FixedPointType, parse_type, values_of
from fpgaae.golden.scores.base import Table, function_table, score_class, score_type
from fpgaae.hls.image_layers import register_image_rules
from fpgaae.hls.project import firmware_source
from fpgaae.hls.spread_layer import register_spread
from fpgaae.hls.table_layers import register_tables
from fpgaae.models.score_layers import LAYER_OF_SCORE

HEADER = "fpgaae_scores.h"
_COUNTS = ("n_in", "reuse_factor", "multiplier_limit")


class HlsScore(Layer):
    """A layer that puts out one number an event; its attribute `score_kind` says which."""

    _expected_attributes: ClassVar[list[Any]] = [hls4ml.model.attributes.TypeAttribute("accum")]

    def initialize(self) -> None:
        """Declare the output, and the constants where there are any."""
        n_in = int(np.prod(self.get_input_variable(self.inputs[0]).shape))
        kind, reuse_factor = Score(self.get_attr("score_kind")), min(self.model.config.get_reuse_factor(self), n_in)
        self.set_attr("n_in", n_in)
        self.set_attr("reuse_factor", reuse_factor)
        self.set_attr("multiplier_limit", max(-(-score_class(kind).n_products(n_in) // reuse_factor), 1))
        self.add_output_variable(shape=[1])
        if self.get_attr("table_data") is not None:
            self.add_weights_variable(name="table", var_name="t{index}")


class _ScoreConfig(LayerConfigTemplate):
    """Compile-time constants of a score kernel."""

    def __init__(self) -> None:
        super().__init__(HlsScore)

    def format(self, node: Layer) -> str:
        """Fill the template."""
        lines = [f"static const unsigned {name} = {node.get_attr(name)};" for name in _COUNTS]
        if _has_table(node):
            lines += [f"static const unsigned n_table = {len(node.get_attr('table_data'))};"]
            lines += [f"typedef {node.get_attr('table_t').name} table_t;"]
        lines += [f"typedef {node.get_attr('accum_t').name} accum_t;"]
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::score_config {{\n{body}}};\n"


class _ScoreCall(FunctionCallTemplate):
    """The call of a score kernel."""

    def __init__(self) -> None:
        super().__init__(HlsScore, include_header=[f"nnet_utils/{HEADER}"])

    def format(self, node: Layer) -> str:
        """Give `nnet::kernel<types, config>(inputs, output, table);`."""
        inputs = [node.get_input_variable(name) for name in node.inputs]
        output = node.get_output_variable()
        types = ", ".join(variable.type.name for variable in (*inputs, output))
        names = [variable.name for variable in (*inputs, output)]
        if _has_table(node):
            names.append(node.get_weights("table").name)
        return f"nnet::{node.get_attr('score_kind')}<{types}, config{node.index}>({', '.join(names)});"


def _has_table(node: Layer) -> bool:
    return node.get_attr("table_data") is not None


def _parse(keras_layer: dict[str, Any], input_names: list[str], input_shapes: list[Any], _: object) -> tuple[Any, Any]:
    """Read a score layer from the Keras 2 model."""
    layer = parse_default_keras_layer(keras_layer, input_names)
    config = keras_layer["config"]
    score = _SCORE_OF_LAYER[keras_layer["class_name"]]
    layer["score_kind"] = score.value
    if score.needs_variance:
        layer["argument"], layer["fraction_bits"] = config["argument"], config["fraction_bits"]
        table = function_table(score, parse_type(config["argument"]), config["fraction_bits"])
        layer["table_data"] = values_of(table.codes, table.type.fraction)
    elif score is Score.MASKED_SQUARED_ERROR:
        layer["table_data"] = np.array(config["empty"], dtype=np.float64)
    return layer, [input_shapes[0][0], 1]


_SCORE_OF_LAYER = {layer.__name__: score for score, layer in LAYER_OF_SCORE.items()}


def _input_types(node: Layer) -> list[FixedPointType]:
    """Give the types of a node's inputs as the rules before this one derived them."""
    types = []
    for kept, integer, fraction in bit_exact.get_input_kifs(node):
        k, i, f = int(np.max(kept)), int(np.max(integer)), int(np.max(fraction))
        types.append(FixedPointType(k + i + f, k + i, bool(k)))
    return types


def _score_kif(node: Layer) -> Any:  # noqa: ANN401
    """Give the type of a score from those of its inputs; nothing can overflow in it."""
    score = Score(node.get_attr("score_kind"))
    table: Table | None = None
    if score.needs_variance:
        table = function_table(score, parse_type(node.get_attr("argument")), node.get_attr("fraction_bits"))
    return _as_kif(score_type(score, _input_types(node), node.get_attr("n_in"), None if table is None else table.type))


def _as_kif(result: FixedPointType) -> tuple[Any, Any, Any]:
    """Write a type as hls4ml's rules do: sign, integer bits without it, fraction, each of the output's shape."""
    signed = int(result.signed)
    return tuple(np.full((1,), n, dtype=np.int16) for n in (signed, result.integer - signed, result.fraction))  # type: ignore[return-value]


@cache
def register_layers() -> None:
    """Register the project's layers with hls4ml, once a process, for both backends."""
    register_image_rules()
    register_tables()
    register_spread()
    for name in _SCORE_OF_LAYER:
        hls4ml.converters.register_keras_v2_layer_handler(name, _parse)
        register_layer(name, HlsScore)
    bit_exact._produce_kif.register(HlsScore)(_score_kif)
    for name in ("Vivado", "Vitis"):
        backend = hls4ml.backends.get_backend(name)
        backend.register_template(_ScoreConfig)
        backend.register_template(_ScoreCall)
        backend.register_source(firmware_source(f"hls/{HEADER}"))
