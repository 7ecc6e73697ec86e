"""Images whose pixels come to lie further apart taught to hls4ml through its Extension API.

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

from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.layers.spread import Spread
from fpgaae.hls.project import firmware_source

HEADER = "fpgaae_images.h"
_LAYER = "Spread"
_COUNTS = ("in_height", "in_width", "out_height", "out_width", "n_chan", "stride_height", "stride_width", "top", "left")


class HlsSpread(Layer):
    """A layer whose values are values of its input, or zero."""

    def initialize(self) -> None:
        """Declare the output."""
        self.add_output_variable(shape=self.get_attr("out_shape"))


class _SpreadConfig(LayerConfigTemplate):
    """Compile-time constants of the kernel."""

    def __init__(self) -> None:
        super().__init__(HlsSpread)

    def format(self, node: Layer) -> str:
        """Fill the template."""
        body = "".join(f"    static const int {name} = {node.get_attr(name)};\n" for name in _COUNTS)
        return f"struct config{node.index} : nnet::spread_config {{\n{body}}};\n"


class _SpreadCall(FunctionCallTemplate):
    """The call of the kernel."""

    def __init__(self) -> None:
        super().__init__(HlsSpread, include_header=[f"nnet_utils/{HEADER}"])

    def format(self, node: Layer) -> str:
        """Give `nnet::spread<types, config>(input, output);`."""
        source, output = node.get_input_variable(), node.get_output_variable()
        types = f"{source.type.name}, {output.type.name}, config{node.index}"
        return f"nnet::spread<{types}>({source.name}, {output.name});"


def _parse(keras_layer: dict[str, Any], input_names: list[str], input_shapes: list[Any], _: object) -> tuple[Any, Any]:
    """Read one from the Keras 2 model."""
    layer = parse_default_keras_layer(keras_layer, input_names)
    config, shape = keras_layer["config"], list(input_shapes[0][1:])
    strides, padding = config["strides"], config["padding"]
    height, width, channels = [1, *shape][-3:]
    rows = (height - 1) * strides[0] + 1 + sum(padding[:2])
    columns = (width - 1) * strides[1] + 1 + sum(padding[2:])
    out_shape = [rows, columns, channels][-len(shape) :]
    values = (height, width, rows, columns, channels, *strides, padding[0], padding[2])
    layer.update(zip(_COUNTS, values, strict=True))
    layer["padding"] = padding
    layer["out_shape"] = out_shape
    return layer, [input_shapes[0][0], *out_shape]


def _spread_kif(node: Layer) -> Any:  # noqa: ANN401
    """Give sign, integer bits and fraction of every value: those of the one that stands there, zeros for none."""
    shape = tuple(node.get_attr("out_shape"))
    image = node.get_attr("in_height"), node.get_attr("in_width"), node.get_attr("n_chan")
    source = Input("x", (), int(np.prod(image)), FixedPointType(1, 1), image)
    strides = node.get_attr("stride_height"), node.get_attr("stride_width")
    places = Spread.of(node.name, source, strides, tuple(node.get_attr("padding"))).places(source.size)
    return tuple(
        np.append(part.ravel(), 0)[places].reshape(shape).astype(np.int16) for part in bit_exact.get_input_kifs(node)[0]
    )


def register_spread() -> None:
    """Register the layer with hls4ml for both backends."""
    hls4ml.converters.register_keras_v2_layer_handler(_LAYER, _parse)
    register_layer(_LAYER, HlsSpread)
    bit_exact._produce_kif.register(HlsSpread)(_spread_kif)
    for name in ("Vivado", "Vitis"):
        backend = hls4ml.backends.get_backend(name)
        backend.register_template(_SpreadConfig)
        backend.register_template(_SpreadCall)
        backend.register_source(firmware_source(f"hls/{HEADER}"))
