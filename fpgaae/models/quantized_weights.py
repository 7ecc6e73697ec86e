"""The weights that a QKeras layer multiplies with: its kernel and bias behind their quantizers.

What was trained is the quantized weight; the one in the file may lie anywhere within a step of it, and a normalization
behind it was fitted to the quantized one. This module imports TensorFlow (Keras 2, QKeras) inside a function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.fixedpoint import nearest_codes, values_of
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.quantizers import QUANT, Quantizer

_BY_QKERAS = frozenset({"quantized_bits", "quantized_linear", "quantized_po2", "binary", "ternary"})


def with_quantized_weights(network: NetworkDescription) -> NetworkDescription:
    """Give a network whose QKeras layers hold their weights as their quantizers make them.

    Raises
    ------
    InputError
        If a quantizer is random, or not one of QKeras'.
    """
    return NetworkDescription(tuple(map(_quantized, network.layers)), network.outputs)


def _quantized(layer: LayerDescription) -> LayerDescription:
    if not layer.is_quantized_sum:
        return layer
    quantizers = layer.quantizers
    weights = {name: _through(quantizers.get(name), array, layer.name) for name, array in layer.weights.items()}
    return layer.changed(weights=weights)


def _through(quantizer: Quantizer | None, array: NDArray[np.floating], layer: str) -> NDArray[np.floating]:
    if quantizer is None or quantizer.kind == QUANT:  # the weights of a QONNX file are read as its nodes make them
        return array
    if quantizer.type is not None and not quantizer.faults:
        return values_of(nearest_codes(array, quantizer.type), quantizer.type.fraction)
    return _by_qkeras(quantizer, array, layer)


def _by_qkeras(quantizer: Quantizer, array: NDArray[np.floating], layer: str) -> NDArray[np.floating]:
    import qkeras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    is_random = quantizer.options.get("use_stochastic_rounding") or quantizer.options.get("qnoise_factor", 1.0) != 1.0
    if quantizer.kind not in _BY_QKERAS or is_random:
        raise InputError(
            f"the layer {layer} has the quantizer {quantizer}, whose weights are not fixed; use quantized_bits"
        )
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx("float64")
    try:
        made: Any = getattr(qkeras, quantizer.kind)(**quantizer.options)
        return np.asarray(made(array.astype(np.float64)), dtype=np.float64)
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"QKeras can't make the quantizer {quantizer} of the layer {layer} ({reason})") from None
    finally:
        tf_keras.backend.set_floatx(before)
