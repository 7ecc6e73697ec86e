"""Tables of functions taught to hls4ml through its Extension API: parser, IR layer, templates, source, exact type.

This module imports hls4ml.
"""

from __future__ import annotations

from typing import Any

import hls4ml
import numpy as np
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer
from hls4ml.model.layers import Layer, register_layer
from hls4ml.model.optimizer.passes import bit_exact

from fpgaae.fixedpoint import parse_type, values_of
from fpgaae.golden.functions import tabulate
from fpgaae.hls.project import firmware_source
from fpgaae.models.keras_layers import function_of

HEADER = "fpgaae_tables.h"
_LAYER = "TableActivation"


class HlsTable(Layer):
    """A layer that looks every value up."""

    def initialize(self) -> None:
        """Declare the output, of the shape of the input, and the entries."""
        source = self.get_input_variable()
        self.set_attr("n_in", int(np.prod(source.shape)))
        self.add_output_variable(shape=list(source.shape))
        self.add_weights_variable(name="table", var_name="t{index}")


class _TableConfig(LayerConfigTemplate):
    """Compile-time constants of the kernel."""

    def __init__(self) -> None:
        super().__init__(HlsTable)

    def format(self, node: Layer) -> str:
        """Fill the template."""
        lines = [
            f"static const unsigned n_in = {node.get_attr('n_in')};",
            f"static const unsigned n_table = {len(node.get_attr('table_data'))};",
            f"typedef {node.get_attr('table_t').name} table_t;",
        ]
        body = "".join(f"    {line}\n" for line in lines)
        return f"struct config{node.index} : nnet::table_config {{\n{body}}};\n"


class _TableCall(FunctionCallTemplate):
    """The call of the kernel."""

    def __init__(self) -> None:
        super().__init__(HlsTable, include_header=[f"nnet_utils/{HEADER}"])

    def format(self, node: Layer) -> str:
        """Give `nnet::tabulated<types, config>(input, output, table);`."""
        source, output = node.get_input_variable(), node.get_output_variable()
        types = f"{source.type.name}, {output.type.name}, config{node.index}"
        return f"nnet::tabulated<{types}>({source.name}, {output.name}, {node.get_weights('table').name});"


def _parse(keras_layer: dict[str, Any], input_names: list[str], input_shapes: list[Any], _: object) -> tuple[Any, Any]:
    """Read a table from the Keras 2 model."""
    layer = parse_default_keras_layer(keras_layer, input_names)
    config = keras_layer["config"]
    result = parse_type(config["result"])
    layer["entries"] = config["result"]
    layer["table_data"] = values_of(
        tabulate(function_of(config), parse_type(config["argument"]), result), result.fraction
    )
    return layer, list(input_shapes[0])


def _table_kif(node: Layer) -> Any:  # noqa: ANN401
    """Give sign, integer bits and fraction of every entry: those of the type that they were rounded to."""
    result, shape = parse_type(node.get_attr("entries")), bit_exact.get_output_shape(node)
    signed = int(result.signed)
    return tuple(np.full(shape, n, dtype=np.int16) for n in (signed, result.integer - signed, result.fraction))


def register_tables() -> None:
    """Register the layer with hls4ml for both backends."""
    hls4ml.converters.register_keras_v2_layer_handler(_LAYER, _parse)
    register_layer(_LAYER, HlsTable)
    bit_exact._produce_kif.register(HlsTable)(_table_kif)
    for name in ("Vivado", "Vitis"):
        backend = hls4ml.backends.get_backend(name)
        backend.register_template(_TableConfig)
        backend.register_template(_TableCall)
        backend.register_source(firmware_source(f"hls/{HEADER}"))
