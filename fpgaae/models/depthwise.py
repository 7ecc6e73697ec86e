"""Depthwise and separable convolutions as convolutions whose weights between other channels are zero (NumPy only).

A weight that is zero adds nothing: in every target the sums are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role

_OF_DEPTHWISE = ("depthwise_", "pointwise_", "depth_multiplier")


def with_dense_kernels(network: NetworkDescription) -> NetworkDescription:
    """Put a convolution in the place of every depthwise one, and two in that of every separable one."""
    return NetworkDescription(
        tuple(
            made for layer in network.layers for made in (_made(layer) if layer.role is Role.DEPTHWISE else (layer,))
        ),
        network.outputs,
    )


def _made(layer: LayerDescription) -> tuple[LayerDescription, ...]:
    settings = {key: value for key, value in layer.settings.items() if not key.startswith(_OF_DEPTHWISE)}
    if "depthwise_quantizer" in layer.settings:
        settings["kernel_quantizer"] = layer.settings["depthwise_quantizer"]
    kernel = _between_all_channels(layer.weights["depthwise_kernel"])
    if not layer.is_separable:
        weights = {"kernel": kernel} | {name: layer.weights[name] for name in ("bias",) if name in layer.weights}
        kind = layer.kind.replace("DepthwiseConv", "Conv")
        return (layer.changed(kind=kind, settings={**settings, "filters": kernel.shape[-1]}, weights=weights),)
    kind = layer.kind.replace("SeparableConv", "Conv")
    first = layer.changed(
        name=f"{layer.name}_depthwise", kind=kind, of_file=None, weights={"kernel": kernel},
        settings={**settings, "filters": kernel.shape[-1], "use_bias": False, "activation": None},
    )  # fmt: skip
    pointwise = layer.weights["pointwise_kernel"]
    one = (1,) * (pointwise.ndim - 2)
    second = layer.changed(
        kind=kind, inputs=(first.name,),
        settings={**settings, "kernel_size": one, "strides": one, "padding": "valid"},
        weights={"kernel": pointwise} | {name: layer.weights[name] for name in ("bias",) if name in layer.weights},
    )  # fmt: skip
    return first, second


def _between_all_channels(kernel: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give the weights (..., n_in, n_in * n) of (..., n_in, n): channel c puts out the n channels from c * n on."""
    *window, n_in, n = kernel.shape
    dense = np.zeros((*window, n_in, n_in, n), dtype=kernel.dtype)
    for channel in range(n_in):
        dense[..., channel, channel, :] = kernel[..., channel, :]
    return dense.reshape(*window, n_in, n_in * n)
