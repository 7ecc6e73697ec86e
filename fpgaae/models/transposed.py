"""Transposed convolutions as convolutions over pixels that lie further apart, and cropping (NumPy only).

A transposed convolution adds the kernel, times each pixel, at `strides` times the pixel's place. That is the
convolution with the kernel turned around over the image with `strides` - 1 zeros between its pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.shapes import Shape, numbers, shape_after


class _Extent(NamedTuple):
    """One dimension of a transposed convolution."""

    n: int  # pixels that it reads
    stride: int
    size: int  # of the kernel

    def padding(self, n_out: int) -> tuple[int, int]:
        """Give the zeros before and behind the pixels: those that a kernel at the border reaches, less the rest."""
        cut_off = max(self.size - self.stride, 0) // 2 if n_out == self.n * self.stride else 0
        return self.size - 1 - cut_off, n_out + cut_off - (self.n - 1) * self.stride - 1


def with_spread_images(network: NetworkDescription) -> NetworkDescription:
    """Put what moves pixels, and a convolution, in the place of every transposed convolution and cropping.

    Raises
    ------
    InputError
        If the shape of an image is not known.
    """
    shapes: dict[str, Shape | None] = {}
    layers: list[LayerDescription] = []
    for layer in network.layers:
        shape = shapes.get(layer.inputs[0]) if layer.inputs else layer.event_shape
        made = _made(layer, shape)
        layers += made
        shapes[layer.name] = shape_after(layer, shape) if layer.inputs else shape
    return NetworkDescription(tuple(layers), network.outputs)


def _made(layer: LayerDescription, shape: Shape | None) -> list[LayerDescription]:
    if layer.role is Role.CROP:
        return [_cropped(layer)]
    if layer.role is not Role.TRANSPOSED:
        return [layer]
    after = shape_after(layer, shape)
    n = len(shape or ()) - 1
    sizes, strides = numbers(layer.settings.get("kernel_size"), n), numbers(layer.settings.get("strides", 1), n)
    if shape is None or after is None or not sizes or not strides:
        raise InputError(
            f"the layer {layer.name} is a {layer.kind} of an image of unknown shape; give the model an Input"
        )
    found = [
        _Extent(*extent).padding(n_out) for *extent, n_out in zip(shape[:-1], strides, sizes, after[:-1], strict=True)
    ]
    name = f"{layer.name}_spread"
    spread = LayerDescription(name, "Spread", layer.inputs, _settings(strides, found))
    kernel = np.flip(layer.weights["kernel"], axis=tuple(range(n))).swapaxes(-1, -2)
    weights = {**layer.weights, "kernel": np.ascontiguousarray(kernel)}
    convolution = layer.changed(
        kind=layer.kind.removesuffix("Transpose"), inputs=(name,), weights=weights,
        settings={key: value for key, value in layer.settings.items() if key != "output_padding"},
    ).with_settings(strides=(1,) * n, padding="valid")  # fmt: skip
    return [spread, convolution]


def _cropped(layer: LayerDescription) -> LayerDescription:
    n = 1 if layer.kind.endswith("1D") else 2
    found = numbers(layer.settings.get("cropping"), 2 * n) or ()
    pairs = [(-found[2 * i], -found[2 * i + 1]) for i in range(n)]
    return layer.changed(kind="Spread", settings=_settings((1,) * n, pairs))


def _settings(strides: Shape, padding: list[tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Give those of the layer that moves pixels; what has one dimension is one row."""
    if len(strides) == 1:
        strides, padding = (1, *strides), [(0, 0), *padding]
    return {"strides": strides, "padding": tuple(n for pair in padding for n in pair)}
