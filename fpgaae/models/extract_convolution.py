"""The layers of a convolutional QKeras model to their integer form: windows, strides and padding out of Keras layers.

This module needs Keras 2 layers in memory, but imports neither TensorFlow nor QKeras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.moved import Reshape, UpSampling, ZeroPadding
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.spread import Spread
from fpgaae.golden.layers.weighted import Convolution
from fpgaae.golden.windows import Shape, Window, same_padding

Weights = tuple[Codes, FixedPointType]


def image_shape(layer: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Give the image (height, width, channels) that a layer puts out, empty where its output is flat.

    What has one dimension (width, channels) is an image of height 1.
    """
    shape = tuple(int(extent) for extent in layer.output.shape[1:])
    return {1: (), 2: (1, *shape)}.get(len(shape), shape)


def read_convolution(layer: Any, source: Layer, kernel: Weights, bias: Weights) -> Layer:  # noqa: ANN401
    """Read a QConv1D or QConv2D with its quantized weights.

    Raises
    ------
    InputError
        If it is dilated, grouped, causal or has its channels first.
    """
    if any(rate != 1 for rate in layer.dilation_rate) or getattr(layer, "groups", 1) != 1:
        raise InputError(f"the layer {layer.name} is dilated or grouped, which has no exact firmware; use neither")
    codes, kernel_type = kernel
    if codes.ndim == 3:
        codes = codes[None]
    window = _window(layer, source, _pair(layer.kernel_size), _pair(layer.strides))
    return Convolution.of(layer.name, source, (codes, kernel_type), bias, window)


def _pair(numbers: Any) -> tuple[int, int]:  # noqa: ANN401
    """Give height and width of a setting that has one or two dimensions."""
    found = tuple(int(n) for n in np.ravel(numbers))
    return (1, found[0]) if len(found) == 1 else (found[0], found[1])


def _image(layer: Any, source: Layer) -> Shape:  # noqa: ANN401
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise InputError(f"the layer {layer.name} has its channels first; use data_format='channels_last'")
    if len(source.shape) != 3:
        raise InputError(f"the input of the layer {layer.name} is no image; put a Reshape in front of it")
    return source.shape[0], source.shape[1], source.shape[2]


def _window(layer: Any, source: Layer, size: tuple[int, int], strides: tuple[int, int]) -> Window:  # noqa: ANN401
    image = _image(layer, source)
    if layer.padding not in {"same", "valid"}:
        raise InputError(f"the layer {layer.name} has padding={layer.padding!r}; use 'same' or 'valid'")
    padding = same_padding(image, size, strides) if layer.padding == "same" else (0, 0, 0, 0)
    return Window(image, size, strides, padding)


def _pooling_window(layer: Any, source: Layer) -> Window:  # noqa: ANN401
    window = _window(layer, source, _pair(layer.pool_size), _pair(layer.strides))
    if any(window.padding):
        raise InputError(f"the layer {layer.name} pools beyond the border of its input; use padding='valid'")
    return window


def _read_max_pooling(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    return MaxPooling.of(layer.name, source, _pooling_window(layer, source))


def _read_average_pooling(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    window = _pooling_window(layer, source)
    if window.n_values & (window.n_values - 1) == 0:
        return AveragePooling.of(layer.name, source, window, rounded_to=0)
    return AveragePooling.of(layer.name, source, window, _rounded_to(layer, window))


def _rounded_to(layer: Any, window: Window) -> int:  # noqa: ANN401
    """Give the bits behind the point to which everything that reads a mean rounds it."""
    readers = [node.outbound_layer for node in layer._outbound_nodes]
    if not readers or any(type(reader).__name__ != "QActivation" for reader in readers):
        raise InputError(
            f"the layer {layer.name} averages {window.n_values} values, which has no finite binary form; put a "
            "QActivation straight behind it"
        )
    bits = []
    for reader in readers:
        quantizer = reader.quantizer
        signed = type(quantizer).__name__ == "quantized_bits"
        bits.append(int(quantizer.bits) - int(quantizer.integer) - signed)
    return max(bits)


def _read_upsampling(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise InputError(f"the layer {layer.name} interpolates ({layer.interpolation}); use interpolation='nearest'")
    return UpSampling.of(layer.name, source, Window(_image(layer, source), _pair(layer.size)))


def _read_zero_padding(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    numbers = [int(n) for n in np.ravel(layer.padding)]
    top, bottom, left, right = (0, 0, *numbers) if len(numbers) == 2 else numbers
    window = Window(_image(layer, source), (1, 1), padding=(top, bottom, left, right))
    return ZeroPadding.of(layer.name, source, window)


def _read_spread(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    made: Layer = layer.golden(source)
    return made


def _read_reshape(layer: Any, source: Layer) -> Layer:  # noqa: ANN401
    return Reshape.of(layer.name, source, image_shape(layer) or (source.size,))


IMAGE_READERS: dict[type, tuple[Callable[[Any, Layer], Layer], tuple[str, ...]]] = {  # golden class: of which Keras
    MaxPooling: (_read_max_pooling, ("MaxPooling1D", "MaxPooling2D")),
    AveragePooling: (_read_average_pooling, ("AveragePooling1D", "AveragePooling2D")),
    UpSampling: (_read_upsampling, ("UpSampling1D", "UpSampling2D")),
    ZeroPadding: (_read_zero_padding, ("ZeroPadding1D", "ZeroPadding2D")),
    Spread: (_read_spread, ("Spread",)),
    Reshape: (_read_reshape, ("Flatten", "Reshape")),
}
