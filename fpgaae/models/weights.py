"""Whether the weights of a described network are there, finite, and of the shapes that its layers announce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.setting_forms import has_no_axis
from fpgaae.models.shapes import Shape, channel_axis, shapes_of_layers

LARGEST_WEIGHT = 2.0**64  # products of larger ones leave float32 within a few layers


class WeightFault(NamedTuple):
    """A weight that can't be used."""

    layer: str
    reason: str


def weight_faults(network: NetworkDescription) -> Iterator[WeightFault]:
    """Give what is wrong with the weights of every layer, before anything is built."""
    shapes = shapes_of_layers(network)
    for layer in network.layers:
        expected = _expected(layer, shapes.get(layer.inputs[0]) if layer.inputs else None)
        for name in layer.weight_names:
            if (reason := _reason(layer, name, expected.get(name))) is not None:
                yield WeightFault(layer.name, reason)


def _reason(layer: LayerDescription, name: str, expected: Shape | None) -> str | None:
    array = layer.weights.get(name)
    if array is None:
        return f"it lacks the {name} of the layer {layer.name}"
    if expected is not None and array.shape != expected:
        return f"the {name} of the layer {layer.name} has the shape {array.shape} instead of {expected}"
    if not np.isfinite(array).all():
        return f"the {name} of the layer {layer.name} is not finite"
    if array.size and float(np.abs(array).max()) > LARGEST_WEIGHT:
        return f"the {name} of the layer {layer.name} has values up to {float(np.abs(array).max()):.3g}"
    return None


def _expected(layer: LayerDescription, source: Shape | None) -> dict[str, Shape]:
    """Give the shapes of a layer's weights, as far as its settings and its input tell them."""
    settings = layer.settings
    if layer.kind == "Normalization" and has_no_axis(layer.settings.get("axis", -1)):
        return dict.fromkeys(layer.weight_names, ())
    if layer.role is Role.NORMALIZE:
        axis = channel_axis(layer, source) if source else None
        return {} if source is None or axis is None else dict.fromkeys(layer.weight_names, (source[axis],))
    if layer.role not in {Role.SUM, Role.TRANSPOSED}:
        return _expected_depthwise(layer, source) if layer.role is Role.DEPTHWISE else {}
    n_out = settings.get("units", settings.get("filters"))
    if not isinstance(n_out, int):
        return {}
    expected: dict[str, Shape] = {"bias": (n_out,)}
    if source is None or not source:
        return expected
    window = _window(layer, source)
    ends = (n_out, source[-1]) if layer.role is Role.TRANSPOSED else (source[-1], n_out)
    return {**expected, "kernel": (*window, *ends)}


def _window(layer: LayerDescription, source: Shape) -> Shape:
    size = layer.settings.get("kernel_size", ())
    return tuple(size) if isinstance(size, list | tuple) else (size,) * (len(source) - 1)


def _expected_depthwise(layer: LayerDescription, source: Shape | None) -> dict[str, Shape]:
    n, filters = layer.settings.get("depth_multiplier", 1), layer.settings.get("filters")
    if not source or not isinstance(n, int):
        return {}
    n_inner = source[-1] * n
    n_out = filters if isinstance(filters, int) else n_inner
    return {
        "depthwise_kernel": (*_window(layer, source), source[-1], n),
        "pointwise_kernel": (*(1,) * (len(source) - 1), n_inner, n_out),
        "bias": (n_out,),
    }
