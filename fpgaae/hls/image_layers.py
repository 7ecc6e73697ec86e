"""What hls4ml 1.3.0 lacks for convolutional networks: exact types for enlarging, padding and averaging.

Its `bit_exact` flow has no rule for UpSampling and ZeroPadding, and gives a mean that does not come out even some 60
bits. A stream that skips layers holds one pack, where an event has a pack a pixel. This module imports hls4ml.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from hls4ml.backends.fpga.fpga_types import APTypeConverter
from hls4ml.model.layers import (
    Activation,
    Conv1D,
    Conv2D,
    Dense,
    Input,
    Layer,
    ParametrizedActivation,
    Pooling1D,
    Pooling2D,
    Resize,
    ZeroPadding1D,
    ZeroPadding2D,
)
from hls4ml.model.optimizer import get_optimizer
from hls4ml.model.optimizer.passes import bit_exact
from hls4ml.model.types import FixedPrecisionType

from fpgaae.config.experiment import Firmware
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Quantize
from fpgaae.golden.network import IntegerNetwork

_COPIES = frozenset({"Clone", "Repack", "Reshape"})
_PADDING = frozenset({"ZeroPadding1D", "ZeroPadding2D"})


def register_image_rules() -> None:
    """Register the missing rules for types, once a process."""
    bit_exact._produce_kif.register(Resize)(_resized_kif)
    for kind in (ZeroPadding1D, ZeroPadding2D):
        bit_exact._produce_kif.register(kind)(_padded_kif)
    _keep_quantizers()


def _keep_quantizers() -> None:
    """Let a quantizer behind a layer without weights stay a layer of its own.

    hls4ml fuses a signed one into whatever stands in front of it: a mean, or an activation with a parameter, would not
    be comparable, an enlarged image would not compile, and what is in front of a Reshape would round twice.
    """
    fusion = get_optimizer("fuse_fixed_point_quantizer")
    matches = fusion.match

    def matches_behind_sums(node: Layer) -> bool:
        source = node.get_input_node()
        is_sum = isinstance(source, (Activation, Conv1D, Conv2D, Dense, Input))
        return bool(matches(node)) and is_sum and not isinstance(source, ParametrizedActivation)

    fusion.match = matches_behind_sums


def _is_mean(node: Layer | None) -> bool:
    return isinstance(node, (Pooling1D, Pooling2D)) and node.get_attr("pool_op") == "Average"


def _resized_kif(node: Layer) -> Any:  # noqa: ANN401
    """Give sign, integer bits and fraction of every enlarged pixel: those of its neighbour."""
    shape = bit_exact.get_input_shapes(node)[0]
    rows = node.get_attr("out_height") // (node.get_attr("in_height") or 1) if len(shape) == 3 else 1
    columns = node.get_attr("out_width") // node.get_attr("in_width")
    result = bit_exact.get_input_kifs(node)[0]
    if len(shape) == 3:
        return tuple(part.repeat(rows, axis=0).repeat(columns, axis=1) for part in result)
    return tuple(part.repeat(columns, axis=0) for part in result)


def _padded_kif(node: Layer) -> Any:  # noqa: ANN401
    """Give sign, integer bits and fraction of every pixel, zeros for the border."""
    return bit_exact.pad_arrs(node, 0, *bit_exact.get_input_kifs(node)[0])


def is_inserted(node: Layer) -> bool:
    """Tell whether hls4ml added a node that computes nothing: copies of a stream, or the zeros of padding='same'."""
    return node.class_name in _COPIES or (node.class_name in _PADDING and node.name.startswith(("zp1d_", "zp2d_")))


def refuse_streams(network: IntegerNetwork, firmware: Firmware) -> None:
    """Refuse what hls4ml's streaming kernels can't do.

    Raises
    ------
    InputError
        If a pooling has other strides than its size.
    """
    if firmware.io_type != "io_stream":
        return
    for layer in network.layers:
        if isinstance(layer, (AveragePooling, MaxPooling)) and layer.window.size != layer.window.strides:
            raise InputError(
                f"the layer {layer.name} pools {layer.window.size} in steps of {layer.window.strides}, which "
                "streams can't do; give it strides equal to its pool_size, or set `firmware.io_type` to io_parallel"
            )


def correct_types(graph: Any, network: IntegerNetwork, names: Mapping[str, str]) -> None:  # noqa: ANN401
    """Correct the types of a converted graph where hls4ml's are not exact or do not compile.

    An average pooling gets the type of the golden network and an accumulator that holds its sums. An enlarged image
    gets the very type of the image, rounding mode and all: hls4ml's kernel has one type for both. Where weights can be
    reloaded, what hls4ml added holds whatever its source does: its own type is of the weights that hls4ml saw.
    """
    means = {layer.name: layer for layer in network.layers if isinstance(layer, AveragePooling)}
    for node in graph.graph.values():
        if isinstance(node, Resize) or (network.reloadable and is_inserted(node)):
            for variable in node.variables.values():
                variable.type.precision = node.get_input_variable().type.precision
        if not _is_mean(node):
            continue
        golden = means[names[node.name]]
        result, more = golden.type, (golden.window.n_values - 1).bit_length()
        set_type(node.get_output_variable().type, result)
        set_type(node.get_attr("accum_t"), FixedPointType(result.width + more, result.integer + more, result.signed))


def set_type(named: Any, of: FixedPointType) -> None:  # noqa: ANN401
    """Give a named type of hls4ml other bits, cutting off and wrapping; others that share the old ones keep them."""
    named.precision = APTypeConverter().convert(FixedPrecisionType(of.width, of.integer, of.signed))


def refuse_repeated(network: IntegerNetwork, lost: Collection[str]) -> None:
    """Refuse a quantizer that repeats the one in front of it: hls4ml removes it.

    Raises
    ------
    InputError
        If one of the layers that hls4ml left out is such a one.
    """
    for name in lost:
        layer = network[name]
        if isinstance(layer, Quantize) and layer.type == network[layer.inputs[0]].type:
            raise InputError(f"the quantizer {name} repeats that of {layer.inputs[0]}; remove one of them")


def deepen_skips(graph: Any) -> None:  # noqa: ANN401
    """Let the copy of a stream that skips layers hold an event for each of them.

    hls4ml gives it a depth of 1: the next event could then only start when the one before reaches the score. An event
    is one pack, or one a pixel.
    """
    position = {name: index for index, name in enumerate(graph.graph)}
    for node in graph.graph.values():
        if node.class_name != "Clone":
            continue
        for name in node.outputs:
            if name in graph.outputs:
                continue  # an argument of the top function, read by what stands around it
            variable = node.get_output_variable(name)
            distance = position[_reader(graph, name).name] - position[node.name]
            packs = int(np.prod(variable.shape[:-1], dtype=int))
            variable.pragma = ("stream", max(1, distance) * packs)


def _reader(graph: Any, variable: str) -> Layer:  # noqa: ANN401
    """Give the first node that computes with a variable, behind those that only change its shape."""
    node = next(other for other in graph.graph.values() if variable in other.inputs)
    if node.class_name in {"Repack", "Reshape"}:
        return _reader(graph, node.outputs[0])
    return node
